"""Beginning with the weights of another tagger (fine-tuning)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from torch import Tensor

from salt_like.bundle import SUMS, is_bundle, read_bundle
from salt_like.errors import UserError
from salt_like.spec import DataSpec
from salt_like.tagger import Tagger
from salt_like.tasks import Task
from salt_like.training import checkpoint, patterns
from salt_like.training.module import Model
from salt_like.training.run import open_run

_OF_THE_DATA = ("norms.",)  # what follows from the description of the data, and not from learning


@dataclass(frozen=True)
class InitFrom:
    """The ``init_from`` section of a configuration.

    Args:
        path: A run, a bundle or a checkpoint.
        take: Weights that are taken over: names of parts of the tagger, or patterns with ``*``; all by default.
        freeze: Weights that are not trained.
        normalisation: ``"kept"`` leaves mean and width of the inputs as the weights know them, ``"new"`` takes those
            of the new training files.
    """

    path: str
    take: list[str] = field(default_factory=lambda: ["*"])
    freeze: list[str] = field(default_factory=list)
    normalisation: Literal["kept", "new"] = "kept"


@dataclass(frozen=True)
class Origin:
    """A trained tagger.

    Args:
        path: Checkpoint or bundle.
        spec: Description of its data.
        config: Its ``model`` section.
        weights: Its weights, those that are deployed, by their names in `Tagger`.
        fingerprint: Hash of the weights.
    """

    path: Path
    spec: DataSpec
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    fingerprint: str


@dataclass(frozen=True)
class Taken:
    """What became of the weights.

    Args:
        taken: Weights of the new model that were taken over.
        left: Weights of the new model that begin at random, and why.
        unused: Weights of the old model that have no place in the new one.
        frozen: Weights that are not trained.
    """

    taken: tuple[str, ...]
    left: Mapping[str, str]
    unused: tuple[str, ...]
    frozen: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "taken": list(self.taken),
            "left": dict(self.left),
            "unused": list(self.unused),
            "frozen": list(self.frozen),
        }


def open_origin(path: Path) -> Origin:
    """A trained tagger out of a run (its best checkpoint), a bundle, or a checkpoint; nothing in it is executed.

    Raises:
        UserError: There is none, or it is damaged.
    """
    if is_bundle(path):
        found = _of_bundle(path)
    else:
        alone = path.suffix == ".ckpt" or path.is_file()
        found = _of_checkpoint(path if alone else open_run(path).checkpoint("best"))
    if "ensemble" in found.config:
        raise UserError(f"init_from: an ensemble has no weights of one network: {path}\ngive one of its members")
    return found


def begin(model: Model, tasks: Mapping[str, Any], origin: Origin, take: Sequence[str]) -> Taken:
    """Put weights of another tagger in place, where they mean the same.

    Args:
        model: The new model; its average, if it has one, begins there too.
        tasks: Its tasks as configured, with `class_path` and `init_args`.
        origin: The other tagger.
        take: Patterns of weights.

    Raises:
        UserError: A pattern means no weight, or nothing could be taken over.
    """
    mine = model.tagger.state_dict()
    trained = {name for name, _ in model.tagger.named_parameters()}
    patterns.check(take, trained, "init_from.take")
    reasons = _meanings(model.tagger, tasks, origin)
    taken, left = {}, {}
    for name, value in mine.items():
        if name.startswith(_OF_THE_DATA) or (name.startswith("tasks.") and name not in trained):
            continue  # of the data: normalisation, class weights, scales of targets
        theirs = origin.weights.get(name)
        changed = next((reason for prefix, reason in reasons.items() if name.startswith(prefix)), "")
        if not any(patterns.matches(name, one) for one in take):
            left[name] = "not asked for"
        elif theirs is None:
            left[name] = "not in the other model"
        elif changed:
            left[name] = changed
        elif theirs.shape != value.shape:
            left[name] = f"shape {tuple(theirs.shape)} there, {tuple(value.shape)} here"
        else:
            taken[name] = theirs
    if not taken:
        first = next(iter(left.items()), ("no weight", ""))
        raise UserError(
            f"init_from: nothing of {origin.path} can be taken over\nthe first of {len(left)}: {first[0]}: {first[1]}"
        )
    model.tagger.load_state_dict(taken, strict=False)
    if model.averaged is not None:
        model.averaged.module.load_state_dict(model.tagger.state_dict())
    unused = tuple(name for name in origin.weights if name not in mine and not name.startswith(_OF_THE_DATA))
    return Taken(tuple(taken), left, unused, ())


def freeze(model: Model, wanted: Sequence[str]) -> tuple[str, ...]:
    """Keep weights from being trained; their names.

    Args:
        model: The model, before its optimiser is made.
        wanted: Patterns of weights.

    Raises:
        UserError: A pattern means no weight, or nothing is left to train.
    """
    named = dict(model.tagger.named_parameters())
    patterns.check(wanted, named, "init_from.freeze")
    frozen = tuple(name for name in named if any(patterns.matches(name, one) for one in wanted))
    if len(frozen) == len(named):
        raise UserError(f"init_from.freeze: {', '.join(wanted)} leaves nothing to train")
    for name in frozen:
        named[name].requires_grad_(False)
    return frozen


def _meanings(tagger: Tagger, tasks: Mapping[str, Any], origin: Origin) -> dict[str, str]:
    """Parts of the tagger whose inputs or targets mean something else than in the other one, and why."""
    found = {}
    jets = tagger.spec.global_stream.name
    for name in tagger.tokenizers:
        streams = [name, *([jets] if tagger.attached and name != jets else [])]
        changed = [one for one in streams if _inputs(tagger.spec, one) != _inputs(origin.spec, one)]
        if changed:
            found[f"tokenizers.{name}."] = f"the inputs of '{changed[0]}' differ"
    before = origin.config.get("tasks") or {}
    for name in tagger.tasks:
        if name not in before:
            continue
        kind = type(tagger.task(name))
        mine, theirs = _targets(kind, tasks[name], tagger.spec), _targets(kind, before[name], origin.spec)
        if mine != theirs:
            found[f"tasks.{name}."] = f"its target differs: {_short(theirs)} there, {_short(mine)} here"
    return found


def _inputs(spec: DataSpec, name: str) -> list[Any] | None:
    stream = next((one for one in spec.streams if one.name == name), None)
    if stream is None:
        return None
    return [(one.name, one.transform, one.clip, one.flag_default) for one in stream.variables]


def _targets(kind: type[Task], entry: Mapping[str, Any], spec: DataSpec) -> list[str]:
    """What a task learns, as text; nothing where it is a task of another kind."""
    if str(entry.get("class_path", "")).rpartition(".")[2] != kind.__name__:
        return []
    labels = [spec.label(one.stream, one.key) for one in kind.reads(**(entry.get("init_args") or {}))]
    return [f"{one.stream} {', '.join(one.classes) or f'{one.name} {one.unit}'.strip()}" for one in labels]


def _short(targets: Sequence[str]) -> str:
    text = "; ".join(targets) or "another kind of task"
    return text if len(text) <= 80 else f"{text[:79]}…"


def _of_checkpoint(path: Path) -> Origin:
    saved = checkpoint.read(path)
    averaged = any(name.startswith("averaged.") for name in saved.state_dict)
    prefix = "averaged.module." if averaged else "tagger."
    weights = {name.removeprefix(prefix): value for name, value in saved.state_dict.items() if name.startswith(prefix)}
    return Origin(path, saved.spec, saved.config, weights, _hash(weights))


def _of_bundle(folder: Path) -> Origin:
    spec = read_bundle(folder).spec
    try:
        weights = load_weights(_intact(folder, "weights.safetensors"))
        config = yaml.safe_load(_intact(folder, "config.yaml"))["model"]
    except (SafetensorError, yaml.YAMLError, LookupError, TypeError) as error:
        raise UserError(f"the weights of the bundle cannot be read\nfound: {str(error)[:200]}\nin {folder}") from error
    return Origin(folder, spec, config, weights, _hash(weights))


def _intact(folder: Path, name: str) -> bytes:
    """A file of a bundle that is what its list of hashes says."""
    try:
        content, sums = (folder / name).read_bytes(), (folder / SUMS).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{name} of the bundle cannot be read: {error.strerror}\nin {folder}") from error
    if f"{hashlib.sha256(content).hexdigest()}  {name}" not in sums.splitlines():
        raise UserError(f"{name} of the bundle is not what {SUMS} says\nin {folder}\nget a new copy")
    return content


def _hash(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]
