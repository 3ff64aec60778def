"""Golden jets: inputs, and what the trained tagger says about them in single and in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.export.interface import INT8_LIMIT, Interface
from salt_like.export.replay import Replay, absent, padded
from salt_like.spec import DataSpec, Variable
from salt_like.tagger import Tagger

Array = NDArray[Any]

DRAWN = 240  # jets of the test data
# a jet whose vertices change when a logit moves by this, a score near a half by 1e-5, is left out: programs may differ
MARGIN = 4e-5
LONG = 100  # constituents of the fullest jet, at least


@dataclass(frozen=True)
class Jet:
    """One golden jet.

    Args:
        case: What is special about it.
        inputs: Raw variables, ``(F,)`` for the global stream, ``(n, F)`` for constituents.
        slots: Where the constituents stand, for each stream of them; ``None`` for one after the other.
    """

    case: str
    inputs: dict[str, Array]
    slots: dict[str, Array] | None = None


@dataclass(frozen=True)
class Golden:
    """Golden jets with their outputs.

    Args:
        cases: What is special about each jet, ``(n,)``.
        inputs: Stream → ``(n, F)`` or ``(n, L, F)``.
        valid: Stream of constituents → ``(n, L)``.
        single: Output → ``(n, ...)`` or ``(n, L)``, computed in float32.
        double: The same in float64.
        left_out: Jets that were drawn and left out because they are undecided.
    """

    cases: tuple[str, ...]
    inputs: dict[str, Array]
    valid: dict[str, Array]
    single: dict[str, Array]
    double: dict[str, Array]
    left_out: int

    def write(self, path: Path) -> None:
        """Write ``/case``, ``/inputs/<stream>``, ``/valid/<stream>``, ``/float32/<output>``, ``/float64/<output>``."""
        with h5py.File(path, "w", track_order=True) as file:
            file.attrs["format"], file.attrs["left_out"] = "salt-like golden jets", self.left_out
            file.create_dataset("case", data=np.array(self.cases, dtype=h5py.string_dtype()))
            groups = {"inputs": self.inputs, "valid": self.valid, "float32": self.single, "float64": self.double}
            for group, arrays in groups.items():
                made = file.create_group(group, track_order=True)
                for name, values in arrays.items():
                    made.create_dataset(name, data=values, compression="gzip" if values.size else None)


def make_golden(tagger: Tagger, interface: Interface, jets: Columns, seed: int = 0) -> Golden:
    """Golden jets drawn from test data, and edge cases made of them.

    Args:
        tagger: The tagger, in evaluation mode, on the CPU.
        interface: Inputs and outputs.
        jets: Test data.
        seed: Which jets are drawn.
    """
    single = Replay(tagger, interface)
    decided = np.flatnonzero(~single.undecided(jets, MARGIN))
    random = np.random.default_rng(seed)
    drawn = np.sort(random.choice(decided, min(DRAWN, len(decided)), replace=False))
    made = [Jet("data", _jet(jets, index)) for index in drawn]
    made += _edge_cases(tagger.spec, [one.inputs for one in made], random)
    left_out = len(jets) - len(decided)
    columns = _columns(made, tagger.spec)
    # there is no answer to some edge cases: a multiple of a momentum that is no number is none either
    answered = single.finite(columns) | (np.arange(len(made)) < len(drawn))
    undecided = single.undecided(columns, MARGIN)
    kept = [one for one, sure in zip(made, answered & ~undecided, strict=True) if sure]
    return _computed(tagger, interface, kept, left_out + int(undecided.sum()))


def _computed(tagger: Tagger, interface: Interface, jets: Sequence[Jet], left_out: int) -> Golden:
    spec = tagger.spec
    columns = _columns(jets, spec)
    lengths = {
        stream.name: int(max((slots.max(initial=-1) + 1 for slots in _slots(jets, stream.name)), default=0))
        for stream in spec.set_streams
    }
    everything = _columns(jets, spec, truncated=False)
    slots = {name: np.concatenate(_slots(jets, name)) for name in lengths}
    inputs, valid = {}, {}
    for one in interface.inputs:
        if one.is_global:
            inputs[one.stream] = everything.inputs[one.stream]
        elif not one.is_mask:
            counts, where = everything.counts[one.stream], slots[one.stream]
            inputs[one.stream] = padded(everything.inputs[one.stream], counts, where, lengths[one.stream], 0.0)
            ones = np.ones(len(where), bool)
            valid[one.stream] = padded(ones, counts, where, lengths[one.stream], False)
    results = []
    for dtype in (torch.float32, torch.float64):
        said = Replay(tagger, interface, dtype)(columns)
        for out in interface.outputs:
            if out.stream in lengths:
                counts, where = columns.counts[out.stream], columns.positions[out.stream]
                said[out.name] = padded(said[out.name], counts, where, lengths[out.stream], absent(out))
            if out.dtype == "int8":
                said[out.name] = said[out.name].clip(max=INT8_LIMIT)
            if out.kind == "index":
                said[out.name] = said[out.name].astype(out.dtype)
        results.append(said)
    return Golden(tuple(one.case for one in jets), inputs, valid, results[0], results[1], left_out)


def _slots(jets: Sequence[Jet], stream: str) -> list[Array]:
    return [np.arange(len(one.inputs[stream])) if one.slots is None else one.slots[stream] for one in jets]


def _columns(jets: Sequence[Jet], spec: DataSpec, truncated: bool = True) -> Columns:
    """The jets as the training sees them."""
    inputs: dict[str, Array] = {}
    counts, positions = {}, {}
    for stream in spec.streams:
        if stream.is_global:
            width = len(stream.variables)
            inputs[stream.name] = np.array([one.inputs[stream.name] for one in jets], np.float32).reshape(-1, width)
        elif stream.variables:
            most = stream.max_constituents if truncated else None
            inputs[stream.name] = np.concatenate([one.inputs[stream.name][:most] for one in jets]).astype(np.float32)
            where = [slots[:most] for slots in _slots(jets, stream.name)]
            counts[stream.name] = np.array([len(one) for one in where], np.int32)
            positions[stream.name] = np.concatenate(where).astype(np.int32)
    return Columns(np.arange(len(jets)), inputs, counts, positions=positions)


def _jet(jets: Columns, index: int) -> dict[str, Array]:
    one = jets.select(np.array([index]))
    return {name: values if name in one.counts else values[0] for name, values in one.inputs.items()}


def _edge_cases(spec: DataSpec, drawn: Sequence[dict[str, Array]], random: np.random.Generator) -> list[Jet]:
    """Jets that files rarely hold and programs meet all the same."""
    pools = {
        stream.name: np.concatenate([one[stream.name] for one in drawn] or [np.zeros((0, len(stream.variables)))])
        for stream in spec.set_streams
    }

    def filled(counts: dict[str, int]) -> dict[str, Array]:
        base = drawn[int(random.integers(len(drawn)))]
        made = dict(base)
        for name, count in counts.items():
            pool = pools[name]
            made[name] = pool[random.integers(len(pool), size=count)] if len(pool) else np.zeros((count, pool.shape[1]))
        return made

    def every(number: Callable[[int], int]) -> dict[str, int]:
        return {stream.name: number(stream.length) for stream in spec.set_streams}

    cases = [Jet("no constituents", filled(every(lambda _: 0))), Jet("one constituent", filled(every(lambda _: 1)))]
    cases += [Jet("two constituents", filled(every(lambda _: 2))), Jet("as many as in training", filled(every(int)))]
    cases += [Jet("more than in training", filled(every(lambda most: max(LONG, most + 10))))]
    for stream in spec.set_streams if len(spec.set_streams) > 1 else ():
        cases.append(Jet(f"only {stream.name}", filled({**every(lambda _: 0), stream.name: 7})))
    for name, value in (
        ("all at the smallest value of the training", lambda one: one.low),
        ("all at the largest value of the training", lambda one: one.high),
        ("ten times the largest value", lambda one: 10 * one.high),
        ("all not measured", lambda one: float("nan") if one.default is None else one.default),
        ("all NaN", lambda _: float("nan")),
        ("all infinite", lambda _: float("inf")),
        ("all minus infinity", lambda _: -float("inf")),
        ("all zero", lambda _: 0.0),
    ):
        cases.append(Jet(name, _replaced(spec, filled(every(lambda _: 5)), value)))
    if spec.set_streams:
        jet = filled(every(lambda _: 6))
        slots = {stream.name: np.sort(random.choice(12, 6, replace=False)) for stream in spec.set_streams}
        cases.append(Jet("empty slots between constituents", jet, slots))
    return cases


def _replaced(spec: DataSpec, jet: dict[str, Array], value: Callable[[Variable], float]) -> dict[str, Array]:
    return {
        stream.name: np.broadcast_to(
            [np.float32(value(one)) for one in stream.variables], jet[stream.name].shape
        ).copy()
        for stream in spec.streams
        if stream.name in jet
    }
