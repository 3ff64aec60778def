"""Which inputs a tagger lives on: how much its losses rise when the values of one input are shuffled.

Permutation importance (Breiman, Machine Learning 45 (2001) 5; arXiv:1801.01489). Inputs that say the same stand in for
each other, so that each of them seems to matter less than both together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.evaluation.metric import plain
from salt_like.evaluation.statistics import jackknife, ratio
from salt_like.loading.tagger import LoadedTagger

WINDOWS = 20  # of consecutive rows, spread over the sample; each is a group that errors come from
SEED = 0

Losses = NDArray[np.float64]  # (tasks, windows, 2): sum of the losses, number of rows with a target


@dataclass(frozen=True)
class Input:
    """What one input is worth.

    Args:
        stream: Its stream.
        name: Its name.
        increase: Task → increase of the mean loss and one standard deviation of it.
    """

    stream: str
    name: str
    increase: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Importance:
    """What the inputs of a tagger are worth.

    Args:
        model: Name of the model.
        sample: Name of the sample.
        fingerprint: Hash of the weights.
        wanted: Number of jets that were asked for.
        jets: Number of jets used.
        losses: Task → its mean loss, nothing shuffled.
        inputs: The inputs in order.
    """

    model: str
    sample: str
    fingerprint: str
    wanted: int
    jets: int
    losses: Mapping[str, float]
    inputs: tuple[Input, ...]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        inputs = [
            {
                "stream": one.stream,
                "name": one.name,
                "increase": {task: {"value": value, "error": error} for task, (value, error) in one.increase.items()},
            }
            for one in self.inputs
        ]
        names = ("model", "sample", "fingerprint", "wanted", "jets")
        found: dict[str, Any] = plain({**{name: getattr(self, name) for name in names}, "losses": dict(self.losses)})
        return {**found, "inputs": plain(inputs)}


def importance(
    tagger: LoadedTagger, sample: Sample, jets: int, report: Callable[[int, int], None] | None = None
) -> Importance:
    """Shuffles one input after the other, among all jets or constituents that are used.

    Args:
        tagger: The tagger.
        sample: Labelled jets.
        jets: How many to use at most, from rows spread over the sample.
        report: Called with the number of inputs done and that of all.

    Raises:
        UserError: No jet of those rows passes the selection.
    """
    windows = _windows(sample, jets)
    sizes = [len(one) for one in windows]
    if not sum(sizes):
        raise sample.nothing_left()
    columns = Columns.concatenate(windows)
    tasks = list(tagger.tagger.tasks)
    before = _losses(tagger, columns, sizes, tasks)
    variables = [(stream, place) for stream in tagger.spec.streams for place in range(len(stream.variables))]
    random = np.random.default_rng(SEED)
    found = []
    for number, (stream, place) in enumerate(variables, start=1):
        values = columns.inputs[stream.name].copy()
        values[:, place] = random.permutation(values[:, place])
        shuffled = replace(columns, inputs={**columns.inputs, stream.name: values})
        after = _losses(tagger, shuffled, sizes, tasks)
        increase = {}
        for index, task in enumerate(tasks):
            change = np.stack([after[index, :, 0] - before[index, :, 0], before[index, :, 1]], 1)
            increase[task] = jackknife(change, ratio)
        found.append(Input(stream.name, stream.variables[place].name, increase))
        if report is not None:
            report(number, len(variables))
    losses = {task: ratio(before[index].sum(0)) for index, task in enumerate(tasks)}
    return Importance(tagger.name, sample.name, tagger.fingerprint, jets, sum(sizes), losses, tuple(found))


def _windows(sample: Sample, jets: int) -> list[Columns]:
    """Jets of stretches of rows that are spread over the sample, those that pass the selection."""
    length = max(1, min(jets, sample.rows) // WINDOWS)
    starts = np.linspace(0, max(sample.rows - length, 0), min(WINDOWS, sample.rows)).astype(int)
    found = []
    for start in np.unique(starts).tolist():
        parts = list(sample.chunks(length, start, start + length))
        if parts:  # a stretch may lie in two files
            found.append(Columns.concatenate(parts))
    if not found:
        raise UserError(f"the sample '{sample.name}' has no rows\nin {sample.source.parts[0][0]}")
    return found


def _losses(tagger: LoadedTagger, columns: Columns, sizes: list[int], tasks: list[str]) -> Losses:
    found = np.zeros((len(tasks), len(sizes), 2))
    for place, part in enumerate(columns.split(sizes)):
        if len(part):
            terms = tagger.losses(part)
            found[:, place] = [terms[task] for task in tasks]
    return found
