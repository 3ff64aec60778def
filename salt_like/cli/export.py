"""`train export`: a run as a folder that runs without this project."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import table
from salt_like.cli.bench import BUNDLE_SECONDS, seconds
from salt_like.cli.predict import add_calibration, open_tagger, positive
from salt_like.cli.progress import stages
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.data.columns import Columns
    from salt_like.evaluation.contents import TaskRecord
    from salt_like.export.interface import Wishes
    from salt_like.loading.tagger import LoadedTagger
    from salt_like.training.run import Run

_PROFILES = ("batched", "single", "athena")
_EPILOG = """\
Graph and trained tagger are compared on the run's test jets before anything is written. Outputs may be named with or
without the model's name in front. Check the folder anywhere: python BUNDLE/verify.py, or train verify BUNDLE."""


def parser() -> command_line.Parser:
    """The options of `train export`."""
    made = command_line.Parser(
        "export", "Writes a run as a folder with an ONNX graph and all that proves it right.", epilog=_EPILOG
    )
    made.add_argument("run", metavar="RUN", help="folder of the run")
    made.add_argument("--out", metavar="DIR", help="the folder; by default RUN/bundle")
    made.add_argument(
        "--profile",
        choices=_PROFILES,
        default="batched",
        help="many jets with masks (batched), one jet without (single), or as the ATLAS software wants it (athena)",
    )
    made.add_argument("--name", help="name of the model in the outputs' names; by default that of the run")
    made.add_argument("--tasks", metavar="TASK,…", help="only these tasks")
    made.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="another name for an output")
    made.add_argument(
        "--combine",
        action="append",
        default=[],
        metavar="NAME=FACTOR*OUTPUT+…",
        help="a further output, such as plight=1.0*pu+0.5*pc",
    )
    made.add_argument("--embedding", action="store_true", help="add the vector that describes each jet")
    made.add_argument(
        "--track_selection", default="r22default", metavar="TAG", help="selection in the ATLAS software (athena)"
    )
    made.add_argument("--ckpt", default="best", metavar="best|last|PATH", help="checkpoint of the run")
    made.add_argument("--data", action="append", nargs="+", metavar="FILE", help="jets in place of the run's test data")
    made.add_argument(
        "--jets", type=positive, default=10_000, metavar="N", help="jets on which graph and tagger are compared (10000)"
    )
    made.add_argument(
        "--bench",
        nargs="?",
        const=BUNDLE_SECONDS,
        type=seconds,
        metavar="SECONDS",
        help="measure the latency too, as `train bench` does, and write it into the model card (60 seconds)",
    )
    add_calibration(made)
    return made


def main(arguments: list[str]) -> int:
    """Exports.

    Args:
        arguments: What follows `train export`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments is wrong, or the run cannot be exported.
    """
    options = parser().strict(arguments)
    wishes = _wishes(options)
    from salt_like.export.bundle import Sources, refuse_existing, write_bundle
    from salt_like.export.golden import DRAWN
    from salt_like.export.interface import interface_of
    from salt_like.tracking.afterwards import tracker_of
    from salt_like.training.run import open_run

    run = open_run(Path(options.run).expanduser().absolute())
    folder = Path(options.out).expanduser().absolute() if options.out else run.folder / "bundle"
    refuse_existing(folder)
    options.device = "cpu"
    tagger = open_tagger(run.folder, options)
    interface = interface_of(tagger.tagger, tagger.name, options.profile, wishes)
    options.jets = max(options.jets, DRAWN)  # golden jets are drawn from these too
    jets = jets_of(tagger, options)
    tested = _tested(run, tagger)
    metrics = {sample: _read(run.predictions / f"{sample}_metrics.json") for sample in tested}
    sources = Sources(jets, _working_points(run, tested), metrics, _provenance(run, tagger))
    with stages(6 if options.bench else 5) as report:

        def finish(made: Path) -> None:
            if options.bench:
                from salt_like.export.latency import measure
                from salt_like.export.latency_written import write_latency

                report("timing")
                write_latency(made, measure(made, options.bench))

        compared = write_bundle(folder, tagger, interface, sources, report, finish)
    _show(compared)
    with tracker_of(run.folder) as told:
        if told is not None:
            told.bundle(folder)
    print(f"bundle: {folder}")
    return 0


def _wishes(options: Namespace) -> Wishes:
    """What the arguments ask of the outputs."""
    from salt_like.export.combinations import combination
    from salt_like.export.interface import Wishes

    rename: dict[str, str] = {}
    for text in options.rename:
        old, equals, new = (part.strip() for part in text.partition("="))
        if not equals or not old or not new:
            raise UserError(f"--rename {text}: write OLD=NEW, such as pu=plight")
        if old in rename:
            raise UserError(f"--rename: '{old}' is renamed twice")
        rename[old] = new
    combine: dict[str, dict[str, float]] = {}
    for text in options.combine:
        name, factors = combination(text)
        if name in combine:
            raise UserError(f"--combine: '{name}' is given twice")
        combine[name] = factors
    tasks = None if options.tasks is None else [one.strip() for one in options.tasks.split(",") if one.strip()]
    for option, value in (("--tasks", tasks), ("--name", options.name), ("--out", options.out)):
        if value is not None and not value:
            raise UserError(f"{option} is empty\nleave it out, or give a name")
    return Wishes(options.name, tasks, rename, combine, options.embedding, options.track_selection)


def jets_of(tagger: LoadedTagger, options: Namespace) -> Columns:
    """Jets to compare on: those given, else the run's test data, else its validation data."""
    from salt_like.data.columns import Columns
    from salt_like.data.files import find
    from salt_like.data.sample import Sample
    from salt_like.data.splits import Splits, Which

    if options.data:
        files = find([path for group in options.data for path in group], "--data")
        samples = [Sample("data", files, tagger.spec, labels=False)]
    else:
        data = tagger.data
        split = data.get("split")
        parts: tuple[Which, ...] = ("test", "val")
        which = next((one for one in parts if split or data.get(one)), None)
        if which is None:
            raise UserError("the run's configuration names no test file\ngive jets to compare on: --data FILE")
        splits = Splits({"train": data["train"]} if split else {which: data[which]}, split, {})
        samples = list(splits.samples(which, tagger.spec, labels=False).values())
    found: list[Columns] = []
    for sample in samples:
        wanted = -(-options.jets // len(samples))
        for columns in sample.chunks():
            found.append(columns.select(slice(wanted)))
            wanted -= len(found[-1])
            if wanted <= 0:
                break
    return Columns.concatenate(found)


def _tested(run: Run, tagger: LoadedTagger) -> list[str]:
    """Samples on which `train test` tested the tagger as it is exported."""
    from salt_like.evaluation.reader import PredictionFile

    found = []
    for path in sorted(run.predictions.glob("*_metrics.json")):
        sample = path.name.removesuffix("_metrics.json")
        file = run.predictions / f"{sample}.h5"
        contents = PredictionFile(file).contents if file.is_file() else None
        other = "weights" if contents is None or contents.fingerprint != tagger.fingerprint else ""
        if contents and not other and _probabilities(contents.tasks) != _probabilities(tagger.tasks):
            other = "temperatures or class fractions"
        if other:
            print(
                f"metrics and cuts of {sample} are for other {other}, and left out: run `train test` again, with the "
                "same --ckpt, --calibration and --prior",
                file=sys.stderr,
            )
        else:
            found.append(sample)
    return found


def _probabilities(tasks: Sequence[TaskRecord]) -> dict[str, tuple[float, tuple[float, ...]]]:
    return {one.name: (one.temperature, one.prior) for one in tasks}


def _working_points(run: Run, tested: Sequence[str]) -> list[dict[str, Any]]:
    """The cuts that `train test` stored with the run."""
    paths = [run.predictions / f"{sample}_working_points.json" for sample in tested]
    return [_portable(_read(path)) for path in paths if path.is_file()]


def _provenance(run: Run, tagger: LoadedTagger) -> dict[str, Any]:
    """What the run was, without the places of files on this machine."""
    folder = run.folder.resolve()  # not the name of a link, which will be another run's
    found: dict[str, Any] = {
        "run": f"{folder.parent.name}/{folder.name}",
        "checkpoint": tagger.checkpoint.name,
        "weights": tagger.fingerprint,
    }
    if run.record.is_file():
        record = _read(run.record)
        keys = (
            "seed",
            "started",
            "stopped",
            "epochs_done",
            "steps_done",
            "salt_like",
            "python",
            "packages",
        )
        found |= {key: record[key] for key in keys if record.get(key) is not None}
        found["files"] = _portable(record.get("files", {}))
    return found


def _portable(value: Any) -> Any:
    """The same with names of files in place of their paths."""
    if isinstance(value, dict):
        return {key: _portable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_portable(one) for one in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read\nfound: {error}") from error
    return content if isinstance(content, dict) else {}


def _show(compared: dict[str, Any]) -> None:
    rows = []
    for name, one in compared["outputs"].items():
        index = one["kind"] == "index"
        largest = f"{one['differ']} differ" if index else f"{one['largest']:.2g}"
        rows.append((name, one["kind"], largest, "" if index else f"{one['mean']:.2g}"))
    title = f"graph against trained tagger on {compared['jets']} jets"
    moved = sum(one["other_side"] for one in compared["working_points"])
    cuts = len(compared["working_points"])
    text = f"{moved} jets change side at one of {cuts} cuts; {compared['undecided']} have undecided vertices"
    headings = ("output", "kind", "largest difference", "mean")
    table.show([table.Table(title, headings, rows, frozenset({0, 1})), text])
