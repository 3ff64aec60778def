"""`train calibrate`: temperatures of a run's classifications, fitted on its validation data and kept with the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import merge, table
from salt_like.cli.predict import positive
from salt_like.cli.progress import progress
from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from salt_like.data.sample import Sample
    from salt_like.loading.calibration import CalibratedTask
    from salt_like.loading.tagger import LoadedTagger
    from salt_like.training.run import Run

_EPILOG = """\
Without --data.val the validation files of the run's configuration are used. What is found is written to
RUN/calibration.json and used from then on by `train test`, `train predict` and salt_like.load for the same checkpoint;
--calibration=none leaves it out there."""
_KEYS = ("data.val", "data.num_val")
SOFTER, SHARPER, SAME = "too sure, made softer", "too unsure, made sharper", "no difference shown"


def parser() -> command_line.Parser:
    """The options of `train calibrate`."""
    made = command_line.Parser(
        "calibrate",
        "Fits one temperature for the probabilities of each classification on validation data.",
        epilog=_EPILOG,
    )
    made.add_argument("run", metavar="RUN", help="folder of the run")
    made.add_argument("--ckpt", default="best", metavar="best|last|PATH", help="checkpoint of the run")
    made.add_argument("--force", action="store_true", help="replace a calibration of other weights or from other files")
    made.add_argument("--batch_size", type=positive, default=1000, metavar="JETS", help="jets computed together")
    made.add_argument("--device", metavar="cpu|cuda", help="where to compute; by default a GPU where there is one")
    return made


def main(arguments: list[str]) -> int:
    """Calibrates.

    Args:
        arguments: What follows `train calibrate`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments or the data is wrong.
    """
    options, rest = parser().parse_known_args(arguments)
    changes = _changes(command_line.overrides(rest, parser().options(), "calibrate"))
    from salt_like.loading import load_run
    from salt_like.loading.calibration import RunCalibration, fingerprint
    from salt_like.loading.fitting import calibrate
    from salt_like.training.checkpoint import read
    from salt_like.training.run import open_run
    from salt_like.version import __version__

    run = open_run(Path(options.run).expanduser().absolute())
    tagger = load_run(run.folder, options.ckpt, options.device, calibrated=False)
    weight = tagger.data.get("weight")
    samples = _samples(tagger, changes, weight)
    sources = tuple(name for sample in samples.values() for name, _ in sample.source.parts)
    weights = fingerprint(read(tagger.checkpoint))
    if not options.force:
        _refuse_another(run, weights, sources)
    with progress("predicting validation jets") as report:
        tasks = calibrate(tagger, samples, options.batch_size, report)
    RunCalibration(weights, tagger.checkpoint.name, sources, tasks, __version__).write(run.calibration)
    _show(tagger, tasks, weight, run)
    return 0


def _changes(overrides: list[tuple[str, Any]]) -> dict[str, Any]:
    """The `data` section as far as the command line sets it."""
    changes: dict[str, Any] = {}
    for key, value in overrides:
        if key not in _KEYS and not key.startswith("data.val."):
            options = [*parser().options(), *(f"--{one}" for one in _KEYS)]
            raise UserError(
                f"--{key} cannot be set for a calibration{nearest(f'--{key}', options)}\nsee: train calibrate --help"
            )
        if key == "data.num_val" and value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise UserError(f"--{key} = {value!r}: expected an integer")
        name = key.removeprefix("data.val.")  # a sample's name may hold dots
        nested = {"data": {"val": {name: value}}} if name != key else merge.nested(key, value)
        changes = merge.merge(changes, nested)
    found: dict[str, Any] = changes.get("data", {})
    return found


def _samples(tagger: LoadedTagger, changes: dict[str, Any], weight: str | None) -> dict[str, Sample]:
    """The validation samples: those given, else those of the run."""
    from salt_like.data.splits import Splits

    data = {**tagger.data, **changes}
    split = None if changes.get("val") is not None else data.get("split")
    files = data.get("train" if split else "val")
    if files is None:
        raise UserError("the run has no validation data\ngive labelled jets that were not trained on: --data.val=FILE")
    splits = Splits({"train" if split else "val": files}, split, {"val": data.get("num_val")}, weight=weight)
    if "val" not in splits.files:
        raise UserError("the run's data.split leaves no events for validation\ngive others: --data.val=FILE")
    return splits.samples("val", tagger.spec)


def _refuse_another(run: Run, weights: str, sources: tuple[str, ...]) -> None:
    """Refuse to replace a calibration of other weights or from other files."""
    from salt_like.loading.calibration import read

    if not run.calibration.exists():
        return
    old = read(run.calibration)
    what = "for other weights" if old.fingerprint != weights else "from other validation files"
    if old.fingerprint != weights or old.sources != sources:
        raise UserError(
            f"the run has a calibration {what}: {run.calibration}\n"
            f"of {old.checkpoint}, from {old.sources[0]}{' …' if len(old.sources) > 1 else ''}\n"
            "--force replaces it"
        )


def _show(tagger: LoadedTagger, tasks: dict[str, CalibratedTask], weight: str | None, run: Run) -> None:
    from salt_like.evaluation.table import with_error

    rows = []
    for name, one in tasks.items():
        before, after = (with_error(*pair) for pair in zip(one.ece, one.ece_error, strict=True))
        verdict = (SOFTER if one.temperature > 1 else SHARPER) if one.differs else SAME
        entropy = [f"{value:.5f}" for value in one.cross_entropy]
        rows.append((name, with_error(one.temperature, one.error), *entropy, before, after, verdict))
    weights = [f"weighted by {weight}"] if weight else []
    weights += ["weighted by class and kinematics"] if tagger.spec.reweighting else []
    title = ", ".join([f"temperatures of {tagger.checkpoint}", *weights])
    headings = ("task", "temperature", "cross-entropy", "with it", "ECE", "with it", "verdict")
    assumed = [f"probabilities of {name} for {_said(one)}, {one.entries} rows" for name, one in tasks.items()]
    table.show(
        [
            table.Table(title, headings, rows, frozenset({0, 6})),
            "\n".join(["for the class fractions of the validation data:", *assumed]),
            f"calibration: {run.calibration}\nused from now on for this checkpoint, unless --calibration=none",
        ]
    )


def _said(one: CalibratedTask) -> str:
    absent = [name for name, share in one.prior.items() if share == 0]
    said = ", ".join(f"{100 * share:.3g} % {name}" for name, share in one.prior.items() if share > 0)
    return said + (f" (none of class {', '.join(absent)})" if absent else "")
