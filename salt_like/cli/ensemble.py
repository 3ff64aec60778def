"""`train ensemble`: several runs as one, whose probabilities and values are their means."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.cli import arguments as command_line
from salt_like.cli import run_folder
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.ensemble import EnsembleTagger
    from salt_like.tagger import Tagger
    from salt_like.training.checkpoint import Saved
    from salt_like.training.run import Run

_EPILOG = """\
The members may differ in architecture, seed and training data, and have the same inputs, tasks and classes. Data files
and class fractions are those of the first one. The new run holds all of them, and is tested, calibrated, compared and
exported like any other; calibrate it anew, as temperatures of members are not used."""


@dataclass(frozen=True)
class Member:
    """A run that becomes part of an ensemble.

    Args:
        run: Its folder.
        saved: What its checkpoint holds.
        tagger: Its tagger.
        fingerprint: Of its weights.
    """

    run: Run
    saved: Saved
    tagger: Tagger
    fingerprint: str


def parser() -> command_line.Parser:
    """The options of `train ensemble`."""
    made = command_line.Parser("ensemble", "Makes one run of several: the mean of what they say.", epilog=_EPILOG)
    made.add_argument("runs", nargs="+", metavar="RUN", help="folders of the members")
    made.add_argument("--run", metavar="DIR", help="folder of the new run; by default runs/<name>/<time>")
    made.add_argument("--which", default="best", metavar="best|last", help="checkpoint of each member (best)")
    made.add_argument("--name", help="name of the model; by default that of the first member with 'Ensemble' behind")
    made.add_argument(
        "--no-spread", action="store_true", help="do not say how far the members are apart (<output>_spread)"
    )
    return made


def main(arguments: list[str]) -> int:
    """Makes an ensemble.

    Args:
        arguments: What follows `train ensemble`.

    Returns:
        The exit code.

    Raises:
        UserError: A run or checkpoint is missing, or the members have no mean.
    """
    options = parser().strict(arguments)
    if options.which.endswith(".ckpt"):
        raise UserError(f"--which {options.which}: the name of a checkpoint that each member has, such as best or last")
    members = [_member(Path(one), options.which) for one in options.runs]
    tagger = _joined(members, not options.no_spread)
    name = options.name or f"{members[0].saved.name}Ensemble"
    run_folder.choose(name, options.run)
    for note in _notes(members):
        print(f"note: {note}", file=sys.stderr)
    with run_folder.taken(name, options.run) as folder:
        _write(folder, name, members, tagger, shlex.join(["train", "ensemble", *arguments]))
    print(f"members: {len(members)}, tasks: {', '.join(tagger.tasks)}")
    print(f"run: {folder}")
    return 0


def _member(folder: Path, which: str) -> Member:
    from salt_like import ensemble
    from salt_like.loading.calibration import fingerprint
    from salt_like.training import checkpoint
    from salt_like.training.run import open_run

    run = open_run(folder.expanduser().absolute())
    saved = checkpoint.read(run.checkpoint(which))
    if ensemble.KEY in saved.config:
        raise UserError(f"an ensemble is no member of another one: {run.folder}\ngive the runs that it was made of")
    return Member(run, saved, checkpoint.deployed(saved), fingerprint(saved))


def _joined(members: Sequence[Member], spread: bool) -> EnsembleTagger:
    from salt_like.ensemble import EnsembleTagger, unlike

    first = members[0]
    for one in members:
        if reason := unlike(first.tagger, one.tagger):
            between = f"{first.run.folder} and {one.run.folder}" if one is not first else str(first.run.folder)
            raise UserError(f"no ensemble of these runs: {reason}\nfound in: {between}")
    try:
        return EnsembleTagger([one.tagger for one in members], spread)
    except ValueError as error:
        raise UserError(f"no ensemble of these runs: {error}") from error


def _notes(members: Sequence[Member]) -> Iterator[str]:
    """What is no error, and should be known."""
    first = members[0]
    for number, one in enumerate(members):
        same = next((other for other in members[:number] if other.fingerprint == one.fingerprint), None)
        if same is not None:
            yield f"the same weights twice: {same.run.folder} and {one.run.folder}"
        if one.run.calibration.exists():
            yield f"the calibration of a member is not used; calibrate the ensemble: {one.run.folder}"
        changed = [key for key in ("val", "test", "split") if one.saved.data.get(key) != first.saved.data.get(key)]
        if changed:
            keys = ", ".join(f"data.{key}" for key in changed)
            yield f"{keys} of the first member are used; this one has others, and may know their jets: {one.run.folder}"


def _write(folder: Path, name: str, members: Sequence[Member], tagger: EnsembleTagger, command: str) -> None:
    """Writes the folder of the run."""
    import torch

    from salt_like.atomic import write_atomically
    from salt_like.callbacks.record import surroundings
    from salt_like.ensemble import description
    from salt_like.training import checkpoint
    from salt_like.training.record import Record, now
    from salt_like.training.run import Run

    first, run = members[0].saved, Run(folder)
    entries = [{"name": one.saved.name, "model": one.saved.config, "spec": one.saved.spec.to_dict()} for one in members]
    model = description(entries, first.config["tasks"], tagger.spread)
    # for who reads it: the descriptions of data, which are long, are in the checkpoint
    short = [{key: one[key] for key in ("name", "model")} for one in entries]
    config = {"name": name, "data": first.data, "model": description(short, first.config["tasks"], tagger.spread)}
    run_folder.write(folder, config, first.spec.to_dict())
    facts = {
        "command": command,
        "name": name,
        "files": {key: first.data.get(key) for key in ("train", "val", "test")},
        "ensemble": [
            {"run": str(one.run.folder), "checkpoint": one.saved.path.name, "epoch": one.saved.epoch}
            | {"name": one.saved.name, "fingerprint": one.fingerprint}
            for one in members
        ],
    }
    record = Record(run.record, facts)
    record.begin(**surroundings())
    content = {
        "epoch": first.epoch,
        "state_dict": {f"{checkpoint.TAGGER}{key}": value for key, value in tagger.state_dict().items()},
        **checkpoint.contents(name, first.spec, model, first.data),
    }
    run.checkpoints.mkdir(exist_ok=True)
    with write_atomically(run.checkpoints / "best.ckpt") as temporary:
        torch.save(content, temporary)
    record.write(state="finished", stopped=now())
