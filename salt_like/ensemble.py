"""Several taggers as one: the mean of what they say, and how far they are apart (arXiv:1612.01474)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.spec import DataSpec, Label, Output, Request
from salt_like.tagger import Tagger
from salt_like.tasks import Logits, Task

KEY = "ensemble"  # in the description of the model, which a single tagger does not have


class EnsembleTask(Task):
    """One task of several taggers, which says what the first one would of the mean.

    Its logits are a tuple with those of each member, in the terms of the first one.

    Args:
        tasks: The task of each member.
        widths: Width of the vector of a jet in each member.
    """

    def __init__(self, tasks: Sequence[Task], widths: Sequence[int]) -> None:
        nn.Module.__init__(self)  # nothing of what a single task consists of
        first = tasks[0]
        self.members = tuple(tasks)  # in a tuple: their weights are those of the members, and counted there
        self.widths = tuple(widths)
        self.stream, self.weight, self.objects = first.stream, first.weight, first.objects
        self.is_global, self.context, self.waits = first.is_global, first.context, first.waits
        self.nonnegative, self.outputs = first.nonnegative, first.outputs
        self.prior, self.trained_prior, self.temperature = first.prior, first.trained_prior, first.temperature

    @property
    def first(self) -> Task:
        """That of the first member."""
        return self.members[0]

    @property
    def kind(self) -> type[Task]:
        return self.first.kind

    @classmethod
    def reads(cls, **init_args: Any) -> tuple[Request, ...]:
        """Nothing of its own: `kind` knows."""
        del init_args
        return ()

    def forward(self, tokens: Any, pooled: Tensor) -> tuple[Logits, ...]:
        """Logits of each member.

        Args:
            tokens: What the encoder of each member returned.
            pooled: The vectors of a jet one after the other, ``(B, D)``.
        """
        parts = zip(self.members, tokens, pooled.split(self.widths, -1), strict=True)
        return tuple(self.first.aligned(task(some, vectors), task) for task, some, vectors in parts)

    def together(self, logits: tuple[Logits, ...]) -> Logits:
        return self.first.mean(logits)

    def loss_terms(self, logits: tuple[Logits, ...], batch: Batch) -> tuple[Tensor, Tensor]:
        return self.first.loss_terms(self.together(logits), batch)

    def count(self, batch: Batch) -> Tensor:
        return self.first.count(batch)

    def predict(self, logits: tuple[Logits, ...], batch: Batch) -> dict[Output, Tensor]:
        return self.first.predict(self.together(logits), batch)

    def log_probabilities(self, logits: tuple[Logits, ...]) -> dict[str, Tensor]:
        return self.first.log_probabilities(self.together(logits))

    def moved(self, logits: tuple[Logits, ...], margin: float) -> tuple[tuple[Logits, ...], ...]:
        return tuple(zip(*(self.first.moved(one, margin) for one in logits), strict=True))

    def metrics(self) -> dict[str, Metric]:
        """Those of the first member, which are updated with ``(together(logits), batch)``."""
        return self.first.metrics()

    @property
    def spreads(self) -> dict[Output, Output]:
        """Probabilities and values, each with the output that says how far the members are apart."""
        named = [one for one in self.outputs if one.kind in ("probability", "value") and not one.width]
        return {one: Output(one.stream, f"{one.field}_spread", "sigma", one.unit) for one in named}

    def spread(self, logits: tuple[Logits, ...], batch: Batch) -> dict[Output, Tensor]:
        """Standard deviation among the members, ``sqrt(mean of (x_m - mean)^2)``, of each of `spreads`."""
        said = [self.first.predict(one, batch) for one in logits]
        found = {}
        for output, spread in self.spreads.items():
            values = torch.stack([one[output] for one in said], -1)
            found[spread] = (values - values.mean(-1, keepdim=True)).square().mean(-1).sqrt()
        return found


class EnsembleTagger(Tagger):
    """Several taggers of the same inputs and outputs as one.

    Args:
        members: The taggers. Data are described as by the first one, class fractions and thresholds are its own; each
            normalises its inputs itself.
        spread: Say how far the members are apart, for tasks of jets.

    Raises:
        ValueError: No member, or members that have no mean: the message says what differs.
    """

    def __init__(self, members: Sequence[Tagger], spread: bool = True) -> None:
        nn.Module.__init__(self)  # nothing of what a single network consists of
        if not members:
            raise ValueError("an ensemble needs at least one member")
        first = members[0]
        for number, other in enumerate(members, 1):
            if reason := unlike(first, other):
                raise ValueError(f"members 1 and {number}: {reason}" if number > 1 else reason)
        self.spec = first.spec
        self.encoder = self.pooling = self.attached = self.joined = None
        self.norms, self.tokenizers = nn.ModuleDict(), nn.ModuleDict()
        self.members = nn.ModuleList(members)
        self.pooled_dim = sum(one.pooled_dim for one in members)
        widths = [one.pooled_dim for one in members]
        self.of_tasks = {name: EnsembleTask([one.task(name) for one in members], widths) for name in first.tasks}
        self.tasks = nn.ModuleDict(self.of_tasks)
        self.spread = spread
        self.discriminants = self._discriminants()
        self._refuse_ambiguous_outputs()

    def encode(self, batch: Batch) -> tuple[Any, Tensor]:
        """What the encoder of each member says, and the vectors of each jet one after the other, ``(B, D)``."""
        tokens, pooled = zip(*(one.encode(batch) for one in self.members), strict=True)  # type: ignore[operator]
        return tokens, torch.cat(pooled, -1)

    @property
    def spreads(self) -> Mapping[Output, tuple[str, float]]:
        tasks = [name for name in self.tasks if self.spread and self.task(name).is_global]
        return {
            spread: (name, self._size(name, output))
            for name in tasks
            for output, spread in self.of_tasks[name].spreads.items()
        }

    def said(self, logits: Mapping[str, Logits], batch: Batch) -> dict[Output, Tensor]:
        found = super().said(logits, batch)
        for name in dict.fromkeys(name for name, _ in self.spreads.values()):
            if name in logits:
                found |= self.of_tasks[name].spread(logits[name], batch)
        return found

    def _size(self, name: str, output: Output) -> float:
        """How large the values of an output are, in its unit; 0 for a probability."""
        if output.kind == "probability":
            return 0.0
        stream = self.task(name).stream
        labels = [one for one in self.spec.labels if (one.stream, one.name) == (stream, output.field)]
        return max(map(_largest, labels), default=0.0)


def description(members: Sequence[Mapping[str, Any]], tasks: Mapping[str, Any], spread: bool) -> dict[str, Any]:
    """What a checkpoint holds in place of the ``model`` section of a configuration.

    Args:
        members: ``name``, ``model`` section and ``spec``, the plain data description, of each member.
        tasks: ``tasks`` of the first member's.
        spread: Whether the ensemble says how far its members are apart.
    """
    return {KEY: {"spread": spread, "members": [dict(one) for one in members]}, "tasks": dict(tasks)}


def described(model: Mapping[str, Any], build: Callable[[str, DataSpec, dict[str, Any]], Tagger]) -> EnsembleTagger:
    """The ensemble of a description, without the weights.

    Args:
        model: What `description` made; its ``tasks`` are those of the first member, where a temperature or class
            fractions may have come in since.
        build: Makes a member from its name, data and ``model`` section.
    """
    entries = model[KEY]["members"]
    sections = [one["model"] for one in entries]
    sections[0] = {**sections[0], "tasks": model["tasks"]}
    built = [
        build(one["name"], DataSpec.from_dict(one["spec"]), section)
        for one, section in zip(entries, sections, strict=True)
    ]
    return EnsembleTagger(built, model[KEY]["spread"])


def unlike(first: Tagger, other: Tagger) -> str:
    """Why two taggers cannot be members of one ensemble; empty where they can."""
    if reason := _unlike_inputs(first.spec, other.spec):
        return reason
    if set(first.tasks) != set(other.tasks):
        return f"different tasks: {', '.join(first.tasks)}; and {', '.join(other.tasks)}"
    for name in first.tasks:
        mine, theirs = first.task(name), other.task(name)
        if mine.outputs != theirs.outputs:
            said = [
                "; and ".join(_differing(one.outputs, two.outputs) for one, two in ((mine, theirs), (theirs, mine)))
            ]
            return f"task '{name}' has different outputs: {said[0]}"
        if reason := mine.unlike(theirs):
            return f"task '{name}': {reason}"
    if list(first.discriminants.values()) != list(other.discriminants.values()):
        return "different discriminants (data.discriminants)"
    return ""


def _unlike_inputs(first: DataSpec, other: DataSpec) -> str:
    """What differs between the inputs that two taggers read, and how they are chosen."""
    mine, theirs = (
        {one.name: one for one in (spec.global_stream, *spec.set_streams) if one.variables} for spec in (first, other)
    )
    if list(mine) != list(theirs):
        return f"they read different streams: {', '.join(mine)}; and {', '.join(theirs)}"
    for name, stream in mine.items():
        same = theirs[name]
        ours, others = ([one.name for one in some.variables] for some in (stream, same))
        if set(ours) != set(others):
            only = [f"only one reads {', '.join(sorted(set(a) - set(b)))}" for a, b in ((ours, others), (others, ours))]
            said = [
                text
                for text, some in zip(only, (set(ours) - set(others), set(others) - set(ours)), strict=True)
                if some
            ]
            return f"they read different variables of '{name}': {'; '.join(said)}"
        if ours != others:
            return (
                f"they read the variables of '{name}' in different orders: {', '.join(ours)}; and {', '.join(others)}"
            )
        for key in ("is_global", "selection", "max_constituents", "order_by"):
            if getattr(stream, key) != getattr(same, key):
                return f"{key} of '{name}' differs: {getattr(stream, key)}; and {getattr(same, key)}"
        for one, two in zip(stream.variables, same.variables, strict=True):
            if one.unit != two.unit:
                return f"'{one.name}' of '{name}' has different units: {one.unit or 'none'}; and {two.unit or 'none'}"
    parameters = [spec.parameter.field if spec.parameter else None for spec in (first, other)]
    return "" if parameters[0] == parameters[1] else f"different parameters: {parameters[0]}; and {parameters[1]}"


def _differing(outputs: Sequence[Output], others: Sequence[Output]) -> str:
    """Names of outputs that the others do not have; all of them where only the order differs."""
    found = [one.of_class or one.field for one in outputs if one not in others]
    return ", ".join(found or [one.of_class or one.field for one in outputs])


def _largest(label: Label) -> float:
    """How large the targets of a label are."""
    known = [abs(one) for one in (label.low, label.high) if math.isfinite(one)]
    return max(known) if len(known) == 2 else abs(label.mean) + 10 * label.std
