"""`train baseline`: boosted trees on the data of a configuration, beside which its network is measured."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import shlex
import sys
import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import configuration as configurations
from salt_like.cli import paths, run_folder
from salt_like.cli.predict import positive
from salt_like.cli.progress import progress, shown
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.cli.build import Parsed
    from salt_like.trees.boosting import Boosted, Settings, Table
    from salt_like.trees.tagger import TreeTagger

KINDS = ("xgboost",)
_EPILOG = """\
Inputs, files, split, selections, weights and classes are those of the configuration, and any of its keys can be set as
--key=value. What is learnt is its first classification of the jets. The run is tested, compared, calibrated and
exported like any other."""


def parser() -> command_line.Parser:
    """The options of `train baseline`."""
    made = command_line.Parser(
        "baseline", "Trains boosted trees on summary features of the inputs of a configuration.", epilog=_EPILOG
    )
    made.add_argument("kind", choices=KINDS, help="what is trained")
    made.add_argument("configuration", metavar="CONFIG", help="a YAML file or a shipped configuration")
    made.add_argument("--config", "-c", action="append", default=[], metavar="FILE", help="another on top of it")
    made.add_argument("--run", metavar="DIR", help="folder of the run; by default runs/<name>/<time>")
    made.add_argument("--leading", type=whole, default=5, metavar="N", help="leading constituents as features (5)")
    made.add_argument("--rounds", type=positive, default=1000, metavar="N", help="largest number of rounds (1000)")
    made.add_argument(
        "--patience", type=positive, default=20, metavar="N", help="rounds without a smaller validation loss (20)"
    )
    made.add_argument("--learning_rate", type=share, default=0.1, metavar="X", help="share of each tree (0.1)")
    made.add_argument("--max_depth", type=positive, default=6, metavar="N", help="questions before a leaf (6)")
    made.add_argument(
        "--min_child_weight", type=float, default=1.0, metavar="X", help="smallest sum of second derivatives in a leaf"
    )
    made.add_argument("--subsample", type=share, default=0.8, metavar="X", help="share of jets of each round (0.8)")
    made.add_argument("--colsample", type=share, default=0.8, metavar="X", help="share of features of each tree (0.8)")
    made.add_argument("--threads", type=positive, metavar="N", help="cores to use; by default OMP_NUM_THREADS, or all")
    return made


def whole(text: str) -> int:
    """A number of at least 0."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"a whole number of at least 0, not '{text}'")
    return int(text)


def share(text: str) -> float:
    """A number above 0 and up to 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise ArgumentTypeError(f"a number above 0 and up to 1, not '{text}'")
    return value


def main(arguments: list[str]) -> int:
    """Trains a baseline.

    Args:
        arguments: What follows `train baseline`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the configuration or the data is wrong, or a package is missing.
    """
    options, rest = parser().parse_known_args(arguments)
    overrides = command_line.overrides(rest, parser().options(), "baseline")
    given = configurations.load([options.configuration, *options.config], overrides)
    named = any(key == "name" for key, _ in overrides)
    paths.check(given.content, given.folders)
    from salt_like.cli import build
    from salt_like.trees import boosting

    boosting.require()  # before anything is read
    name = str(given.content.get("name", build.DEFAULT_NAME))
    # runs of network and trees stand beside each other, and so may their columns
    given.content["name"] = name = name if named else f"{name}Trees"
    run_folder.choose(name, options.run)
    with shown():
        parsed = build.instantiate(*build.resolve(given, *build.classes()))
        known = {one.name for one in dataclasses.fields(boosting.Settings)}
        settings = boosting.Settings(**{key: value for key, value in vars(options).items() if key in known})
        with run_folder.taken(name, options.run) as folder:
            _train(parsed, settings, options, folder, shlex.join(["train", "baseline", *arguments]))
    print(f"run: {folder}")
    return 0


def _train(parsed: Parsed, settings: Settings, options: argparse.Namespace, folder: Path, command: str) -> None:
    """Reads, boosts and writes the folder of the run."""
    from salt_like.callbacks.record import surroundings
    from salt_like.training.record import Record, now
    from salt_like.training.run import Run
    from salt_like.trees import boosting
    from salt_like.trees.ensemble import Size

    name, arguments = _task(parsed)
    draft = _tagger(parsed, name, arguments, Size(0, 0, 0, 0, 0), options.leading)
    tables = _tables(parsed, draft)
    tasks = {name: parsed.config["model"]["tasks"][name]}
    config = {**parsed.config, "model": {**parsed.config["model"], "tasks": tasks}}
    del config["trainer"]  # of which nothing was used
    run_folder.write(folder, config, parsed.data.spec.to_dict())
    made = {"kind": options.kind, "leading": options.leading, **settings.plain()}
    facts = {
        "command": command,
        "name": parsed.name,
        "seed": parsed.seed,
        "files": {key: parsed.config["data"].get(key) for key in ("train", "val", "test")},
        "baseline": {**made, **boosting.versions(), "features": len(draft.summary.names)},
    }
    record = Record(Run(folder).record, facts)
    record.begin(**surroundings())
    start = time.monotonic()
    try:
        with progress("boosting") as report:
            classes = len(draft.learns.label.classes)
            given = (tables["train"], tables.get("val"), classes, settings)
            found = boosting.boost(*given, parsed.seed, options.threads, report)
        _write(folder, parsed, name, arguments, found, made)
    except BaseException as error:
        stopped = isinstance(error, (KeyboardInterrupt, SystemExit))
        record.write(state="interrupted" if stopped else "failed", stopped=now(), reason=type(error).__name__)
        raise
    _history(folder / "metrics.csv", name, found, settings, time.monotonic() - start)
    done = len(found.losses["train"])
    record.write(state="finished", stopped=now(), epochs_done=done, steps_done=done, best_round=found.best)
    losses = ", ".join(f"{sample} {values[found.best]:.4f}" for sample, values in found.losses.items())
    print(f"{len(tables['train'].labels)} jets, {len(draft.summary.names)} features")
    print(f"round {found.best + 1} of {done}: {found.trees.size.trees} trees, cross-entropy: {losses}")


def _task(parsed: Parsed) -> tuple[str, dict[str, Any]]:
    """The first classification of the jets, and its arguments."""
    tagger = parsed.model.tagger
    known = [name for name in tagger.tasks if tagger.task(name).is_global and tagger.task(name).trained_prior]
    others = [name for name in tagger.tasks if name not in known[:1]]
    if not known:
        raise UserError(
            "the configuration has no classification of the jets, which is what trees learn\n"
            f"tasks: {', '.join(others)}"
        )
    if others:
        print(f"trees learn '{known[0]}' only, not: {', '.join(others)}", file=sys.stderr)
    entry = parsed.config["model"]["tasks"][known[0]]
    return known[0], dict(entry.get("init_args") or {})


def _tagger(parsed: Parsed, name: str, arguments: dict[str, Any], size: Any, leading: int) -> TreeTagger:
    from salt_like.trees.tagger import TreeTagger

    return TreeTagger(parsed.data.spec, name, arguments, size, leading)


def _tables(parsed: Parsed, tagger: TreeTagger) -> dict[str, Table]:
    """Training and, if there are any, validation jets."""
    from salt_like.data.splits import Which
    from salt_like.trees.reading import read

    data = parsed.data
    if not data.allow_overlap:
        with progress("comparing the events of the samples") as report:
            data.splits.refuse_overlap(data.spec, report)
    tables: dict[str, Table] = {}
    parts: tuple[Which, ...] = ("train", "val") if data.validates else ("train",)
    for which in parts:
        samples = data.splits.samples(which, data.spec, data.weight_scale, parameter="own")
        with progress(f"reading {which}") as report:
            tables[which] = read(samples, tagger, report)
    if not data.validates:
        print("no validation files (data.val): all rounds are made", file=sys.stderr)
    return tables


def _write(
    folder: Path, parsed: Parsed, name: str, arguments: dict[str, Any], found: Boosted, settings: dict[str, Any]
) -> None:
    """The checkpoint, as that of a network."""
    import torch

    from salt_like.atomic import write_atomically
    from salt_like.training import checkpoint
    from salt_like.training.run import Run
    from salt_like.trees.tagger import description

    spec = parsed.data.spec
    tagger = _tagger(parsed, name, arguments, found.trees.size, settings["leading"])
    tagger.learns.trees.load_state_dict(found.trees.state_dict())
    model = description(name, arguments, found.trees.size, settings)
    content = {
        "epoch": found.best,
        "state_dict": {f"{checkpoint.TAGGER}{key}": value for key, value in tagger.state_dict().items()},
        **checkpoint.contents(parsed.name, spec, model, parsed.config["data"]),
    }
    run = Run(folder)
    run.checkpoints.mkdir(exist_ok=True)
    with write_atomically(run.checkpoints / "best.ckpt") as temporary:
        torch.save(content, temporary)


def _history(path: Path, task: str, found: Boosted, settings: Settings, seconds: float) -> None:
    """The loss after each round, as the losses of epochs of a network."""
    from salt_like.atomic import write_atomically

    rounds = len(found.losses["train"])
    columns = {f"{sample}/{task}/loss": values for sample, values in found.losses.items()}
    with write_atomically(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["epoch", "step", "seconds", "lr", *columns])
        for number in range(rounds):
            values = [values[number] for values in columns.values()]
            writer.writerow([number, number + 1, round(seconds / rounds, 4), settings.learning_rate, *values])
