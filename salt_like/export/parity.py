"""How far the exported graph is from the trained tagger on many jets, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.export.golden import MARGIN
from salt_like.export.interface import GraphOutput, Interface
from salt_like.export.replay import Replay, padded
from salt_like.export.tolerances import TOLERANCES

Array = NDArray[Any]

JETS = 10_000
BATCH = 500
SMALLEST = 1e-30  # probabilities below have logarithms that say nothing
ON_THE_CUT = 1e-5  # a cut is the value of a jet of the sample it was made on: that jet may fall on either side


def parity(session: Any, replay: Replay, jets: Columns, working_points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compare graph and tagger.

    Args:
        session: The graph in onnxruntime.
        replay: The tagger, through the packed layout.
        jets: Jets that neither was fitted to.
        working_points: Cuts of the run.

    Returns:
        For each output the largest, mean and 99.9 % quantile of the difference and whether it is within its tolerance;
        how many jets change side at each cut; how many jets have other vertices although they are decided. The key
        ``passed`` says whether all is well.
    """
    interface = replay.interface
    found: dict[str, list[Array]] = {one.name: [] for one in interface.outputs}
    expected: dict[str, list[Array]] = {one.name: [] for one in interface.outputs}
    decided = []
    for start in range(0, len(jets), BATCH):
        part = jets.select(slice(start, start + BATCH))
        decided.append(~replay.undecided(part, MARGIN))
        for name, values in replay(part).items():
            expected[name].append(values)
        for name, values in run(session, interface, part).items():
            found[name].append(values)
    sure = np.concatenate(decided)
    outputs = {}
    for one in interface.outputs:
        counts = jets.counts.get(one.stream)
        rows = sure if counts is None else np.repeat(sure, counts)
        outputs[one.name] = _compared(one, np.concatenate(found[one.name]), np.concatenate(expected[one.name]), rows)
    sides = _sides(interface, found, expected, working_points)
    passed = all(one["passed"] for one in outputs.values()) and not any(one["other_side"] for one in sides)
    return {
        "jets": len(jets),
        "undecided": int((~sure).sum()),
        "margin": MARGIN,
        "passed": passed,
        "outputs": outputs,
        "working_points": sides,
    }


def run(session: Any, interface: Interface, jets: Columns) -> dict[str, Array]:
    """Outputs of the graph, aligned with `jets` as `Replay` gives them.

    Args:
        session: The graph in onnxruntime.
        interface: What goes in and comes out.
        jets: The jets; for a profile of single jets one after the other.
    """
    names = [one.name for one in interface.outputs]
    if interface.batched:
        return _flat(interface, session.run(names, _feeds(interface, jets)), jets)
    parts = [
        _flat(interface, session.run(names, _feeds(interface, one)), one)
        for one in (jets.select(np.array([index])) for index in range(len(jets)))
    ]
    return {one.name: np.concatenate([part[one.name] for part in parts]) for one in interface.outputs}


def _feeds(interface: Interface, jets: Columns) -> dict[str, Array]:
    feeds = {}
    for one in interface.inputs:
        if one.is_global or not interface.batched:
            feeds[one.name] = np.ascontiguousarray(jets.inputs[one.stream])
            continue
        counts = jets.counts[one.stream]
        values = np.ones(int(counts.sum()), bool) if one.is_mask else jets.inputs[one.stream]
        slots = np.concatenate([np.arange(count) for count in counts]) if len(counts) else np.zeros(0, int)
        feeds[one.name] = padded(values, counts, slots.astype(int), int(counts.max(initial=0)), 0)
    return feeds


def _flat(interface: Interface, results: Sequence[Array], jets: Columns) -> dict[str, Array]:
    flat = {}
    for one, values in zip(interface.outputs, results, strict=True):
        counts = jets.counts.get(one.stream)
        if counts is None:
            flat[one.name] = values if interface.batched else values[None]
        elif interface.batched:
            flat[one.name] = values[np.arange(values.shape[1]) < counts[:, None]]
        else:
            flat[one.name] = values
    return flat


def _compared(one: GraphOutput, found: Array, expected: Array, sure: Array) -> dict[str, Any]:
    if one.kind == "index":
        differ = found != expected
        wrong = int((differ & sure).sum())
        return {"kind": one.kind, "differ": int(differ.sum()), "differ_though_decided": wrong, "passed": wrong == 0}
    change = np.abs(found.astype(np.float64) - expected)
    change = np.where(found == expected, 0.0, change)  # equal infinities
    limit = TOLERANCES[one.kind]
    passed = bool((change <= limit["absolute"] + limit["relative"] * np.abs(expected.astype(np.float64))).all())
    some = change if change.size else np.zeros(1)
    logs = {}
    if "logarithm" in limit:
        shown = expected > SMALLEST
        with np.errstate(divide="ignore"):  # nothing, where there should be something, is infinitely far away
            logarithms = [np.log(np.maximum(one[shown].astype(np.float64), 0.0)) for one in (found, expected)]
        ratio = np.abs(logarithms[0] - logarithms[1])
        logs = {"largest_of_logarithm": float(ratio.max(initial=0.0))}
        passed = passed and logs["largest_of_logarithm"] <= limit["logarithm"]
    return {
        "kind": one.kind,
        "largest": float(some.max()),
        **logs,
        "mean": float(some.mean()),
        "quantile_99.9": float(np.quantile(some, 0.999)),
        "passed": passed,
    }


def _sides(
    interface: Interface,
    found: Mapping[str, Sequence[Array]],
    expected: Mapping[str, Sequence[Array]],
    working_points: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Jets on another side of each fixed cut; those on the cut itself are counted, not judged."""
    names = {one.terms[0][1].field: one.name for one in interface.outputs if one.kind == "discriminant"}
    sides = []
    for stored in working_points:
        for field, cuts in stored["discriminants"].items():
            if field not in names:
                continue
            ours, theirs = (np.concatenate(some[names[field]]) for some in (found, expected))
            for point in cuts["fixed"]:
                cut = float(point["cuts"][0])
                near = np.abs(theirs - cut) <= ON_THE_CUT * (1 + abs(cut))
                moved = (ours >= cut) != (theirs >= cut)
                sides.append(
                    {
                        "discriminant": field,
                        "sample": stored["sample"],
                        "efficiency": point["efficiency"],
                        "cut": cut,
                        "other_side": int((moved & ~near).sum()),
                        "on_the_cut": int(near.sum()),
                    }
                )
    return sides
