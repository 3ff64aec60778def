"""What a bundle is, takes and says, from its descriptions alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_like.bundle import read_bundle
from salt_like.cli.table import Table, number


def report(folder: Path) -> list[Table | str]:
    """Tables of a bundle.

    Args:
        folder: The bundle.

    Raises:
        UserError: It is damaged.
    """
    read = read_bundle(folder)
    told = read.manifest
    size = f"{len(read.model) / 1e6:.2f} MB"
    graph, golden, made = told["graph"], told["golden"], told["provenance"]
    facts = [
        ["model", f"{told['model']}, profile {told['profile']}"],
        ["graph", f"{size}, opset {graph['opset']}, onnxruntime {graph['oldest_runtime']} or newer"],
        ["tasks", ", ".join(told["tasks"])],
        ["golden jets", f"{golden['jets']}, {golden['edge_cases']} of them edge cases"],
        ["made from", f"{made['run']}, {made['checkpoint']}, salt-like {told['package_version']}"],
    ]
    return [
        Table(str(folder), ["what", "value"], facts, frozenset({0, 1})),
        *(_variables(one) for one in told["inputs"] if "variables" in one),
        Table(
            "outputs",
            ["output", "stream", "type", "shape", "column", "meaning"],
            [
                [one["name"], one["stream"], one["dtype"], _shape(one), one["column"] or "", one["meaning"]]
                for one in told["outputs"]
            ],
            frozenset(range(6)),
        ),
        f"to check it: train verify {folder}",
    ]


def _variables(one: Mapping[str, Any]) -> Table:
    """An input with its variables."""
    notes = [f"selected by the caller: {one['selection']}"] if one["selection"] else []
    notes += [f"ordered by the caller: {one['order_by']}"] if one.get("order_by") else []
    notes += [f"the first {one['truncated_to']} are looked at"] if one.get("truncated_to") else []
    title = f"input {one['name']} {_shape(one)}, {one['dtype']}" + "".join(f"; {note}" for note in notes)
    rows = [
        [variable["name"], variable["unit"], *(_text(variable[key]) for key in ("smallest", "largest", "not_measured"))]
        for variable in one["variables"]
    ]
    headings = ["variable", "unit", "smallest in training", "largest", "not measured"]
    return Table(title, headings, rows, frozenset({0, 1}))


def _shape(one: Mapping[str, Any]) -> str:
    return f"({', '.join(map(str, one['shape']))})"


def _text(value: Any) -> str:
    return number(value) if isinstance(value, float) else "" if value is None else str(value)
