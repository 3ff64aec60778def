"""A graph in onnxruntime, called with jets as a `Sample` reads them; its answers packed in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns

Array = NDArray[Any]


@dataclass(frozen=True)
class Signature:
    """What a graph takes and says, by name.

    Args:
        inputs: Name of each input → the stream that it is about.
        masks: Inputs that tell which slots hold a constituent.
        outputs: Name of each output that is wanted → the stream that it is about.
        batched: Whether it takes many jets; else one, all of whose constituents are real.
    """

    inputs: Mapping[str, str]
    masks: frozenset[str]
    outputs: Mapping[str, str]
    batched: bool

    def call(self, session: Any, jets: Columns) -> dict[str, Array]:
        """Run the graph.

        Args:
            session: The graph in onnxruntime.
            jets: The jets; one, where it takes one.

        Returns:
            Output → ``(n, ...)``, or ``(T,)`` for constituents.
        """
        real = {stream: _real(counts) for stream, counts in jets.counts.items()} if self.batched else {}
        given = {name: self._given(name, stream, real, jets) for name, stream in self.inputs.items()}
        found = dict(zip(self.outputs, session.run(list(self.outputs), given), strict=True))
        for name, stream in self.outputs.items():
            if stream in real:
                found[name] = found[name][real[stream]]
            elif stream not in jets.counts and not self.batched:
                found[name] = found[name][None]
        return found

    def _given(self, name: str, stream: str, real: Mapping[str, NDArray[np.bool_]], jets: Columns) -> Array:
        if name in self.masks:
            return real[stream]
        values = jets.inputs[stream]
        if stream not in real:
            return np.ascontiguousarray(values)
        padded = np.zeros((*real[stream].shape, values.shape[1]), values.dtype)
        padded[real[stream]] = values
        return padded


def _real(counts: Array) -> NDArray[np.bool_]:
    """Slots that hold a constituent when those of a jet stand one after the other, ``(n, largest)``."""
    real: NDArray[np.bool_] = np.arange(counts.max(initial=0)) < counts[:, None]
    return real
