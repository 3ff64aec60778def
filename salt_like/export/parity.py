"""How far the exported graph is from the trained tagger on many jets, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.export import verify
from salt_like.export.golden import MARGIN
from salt_like.export.interface import GraphOutput, Interface
from salt_like.export.replay import Replay
from salt_like.loading.calls import Signature

Array = NDArray[Any]

JETS = 10_000
BATCH = 500


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
    signature = Signature(
        inputs={one.name: one.stream for one in interface.inputs},
        masks=frozenset(one.name for one in interface.inputs if one.is_mask),
        outputs={one.name: one.stream for one in interface.outputs},
        batched=interface.batched,
    )
    rows = [np.arange(len(jets))] if interface.batched else np.arange(len(jets))[:, None]
    parts = [signature.call(session, jets.select(some)) for some in rows]
    return {name: np.concatenate([part[name] for part in parts]) for name in signature.outputs}


def _compared(one: GraphOutput, found: Array, expected: Array, sure: Array) -> dict[str, Any]:
    if one.kind == "index":
        differ = found != expected
        wrong = int((differ & sure).sum())
        return {"kind": one.kind, "differ": int(differ.sum()), "differ_though_decided": wrong, "passed": wrong == 0}
    apart = verify.apart(one.tolerance, expected, found)
    some = apart.change if apart.change.size else np.zeros(1)
    logs = {} if apart.logarithm is None else {"largest_of_logarithm": float(apart.logarithm.max(initial=0.0))}
    # nothing is left to compare where the tagger itself says NaN
    passed = bool((apart.used <= 1).all() and not np.isnan(expected).any())
    with np.errstate(invalid="ignore"):  # infinite is how far nothing is from something
        quantile = float(np.quantile(some, 0.999))
    return {
        "kind": one.kind,
        "largest": float(some.max()),
        **logs,
        "mean": float(some.mean()),
        "quantile_99.9": quantile,
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
                moved, near = verify.crossing(cut, theirs, ours)
                sides.append(
                    {
                        "discriminant": field,
                        "sample": stored["sample"],
                        "efficiency": point["efficiency"],
                        "cut": cut,
                        "other_side": int(moved.sum()),
                        "on_the_cut": int(near.sum()),
                    }
                )
    return sides
