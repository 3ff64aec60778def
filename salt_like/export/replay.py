"""What the trained tagger says in the form of an exported graph, computed the way `train test` computes it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from salt_like.callbacks.tables import NO_CONSTITUENT
from salt_like.data.collate import collate
from salt_like.data.columns import Columns
from salt_like.export.interface import GraphOutput, Interface
from salt_like.spec import DataSpec, Output
from salt_like.tagger import Tagger

Array = NDArray[Any]


class Replay:
    """Outputs of an interface for some jets, through the packed layout of the training.

    Args:
        tagger: The tagger, in evaluation mode, on the CPU.
        interface: Which outputs.
        dtype: Precision in which it computes.
    """

    def __init__(self, tagger: Tagger, interface: Interface, dtype: torch.dtype = torch.float32) -> None:
        # a copy also for single precision: converting there and back would round the buffers
        self.tagger = tagger if dtype == torch.float32 else copy.deepcopy(tagger).to(dtype)
        self.interface = interface
        self.dtype = dtype

    @property
    def spec(self) -> DataSpec:
        """What the tagger knows about its data."""
        return self.tagger.spec

    def __call__(self, columns: Columns) -> dict[str, Array]:
        """Output → ``(n, ...)``, or ``(T,)`` for constituents, aligned with `columns`."""
        (said,) = self._said(columns)
        return {one.name: _value(one, said) for one in self.interface.outputs}

    def finite(self, columns: Columns) -> NDArray[np.bool_]:
        """Jets about which everything said is a finite number, ``(n,)``."""
        found = np.ones(len(columns), bool)
        said = self(columns)
        for one in self.interface.outputs:
            wrong = ~np.isfinite(said[one.name])
            if one.stream in columns.counts:
                jets = np.repeat(np.arange(len(columns)), columns.counts[one.stream])
                rows = wrong if wrong.ndim == 1 else wrong.any(tuple(range(1, wrong.ndim)))
                found &= np.bincount(jets[rows], minlength=len(columns)) == 0
            else:
                found &= ~wrong.reshape(len(columns), -1).any(1)
        return found

    def undecided(self, columns: Columns, margin: float) -> NDArray[np.bool_]:
        """Jets whose indices change if every logit moves by so much: what no other program need agree about, ``(n,)``.

        Args:
            columns: The jets.
            margin: How much logits move.
        """
        found = np.zeros(len(columns), bool)
        indices = [one for one in self.interface.outputs if one.kind == "index"]
        if not indices:
            return found
        base, *others = self._said(columns, margin)
        for one in indices:
            if one.largest:
                values = np.sort(np.stack([base[output] for _, output in one.terms], -1), -1)
                changed = values[:, -1] - values[:, -2] < margin
            else:
                changed = np.any([_value(one, base) != _value(one, other) for other in others], 0)
            counts = columns.counts[one.stream]
            jets = np.repeat(np.arange(len(counts)), counts)
            found |= np.bincount(jets[changed], minlength=len(counts)) > 0
        return found

    def _said(self, columns: Columns, margin: float = 0.0) -> list[dict[Output, Array]]:
        """What the tagger says; with a margin, also with the logits of each task moved by it in several ways."""
        sets = [stream.name for stream in self.spec.set_streams]
        batch = collate(columns, self.spec, pair_streams=sets)
        batch = batch.map(lambda one: one.to(self.dtype) if one.is_floating_point() else one)
        with torch.inference_mode():
            tokens, pooled = self.tagger.encode(batch)
            logits = {name: self.tagger.task(name)(tokens, pooled) for name in self.interface.tasks}
            found = [self.tagger.said(logits, batch)]
            for name in self.interface.tasks if margin else ():
                moved = self.tagger.task(name).moved(logits[name], margin)
                found += [found[0] | self.tagger.said({name: one}, batch) for one in moved]
        for said in found:
            said[Output(self.spec.global_stream.name, "embedding", "embedding")] = pooled
        return [{output: values.numpy() for output, values in said.items()} for said in found]


def _value(one: GraphOutput, said: Mapping[Output, Array]) -> Array:
    if one.largest:
        places: Array = np.stack([said[output] for _, output in one.terms], -1).argmax(-1)
        return places
    value: Array = said[one.terms[0][1]]
    if len(one.terms) > 1 or one.terms[0][0] != 1:
        value = np.sum([np.asarray(factor, value.dtype) * said[output] for factor, output in one.terms], 0)
    return value


def padded(values: Array, counts: Array, slots: Array, length: int, absent: float) -> Array:
    """Values of constituents in the slots of their jets, ``(n, length, ...)``.

    Args:
        values: ``(T, ...)``.
        counts: Constituents of each jet, ``(n,)``.
        slots: Slot of each, ``(T,)``.
        length: Number of slots.
        absent: What stands in the others.
    """
    grid = np.full((len(counts), length, *values.shape[1:]), absent, values.dtype)
    grid[np.repeat(np.arange(len(counts)), counts), slots] = values
    return grid


def absent(one: GraphOutput) -> float:
    """What an output of constituents says where there is none."""
    return float(NO_CONSTITUENT) if one.kind == "index" else float("nan")
