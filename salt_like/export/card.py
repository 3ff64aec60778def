"""The model card of a bundle: what it is, how to feed it, how well it does, and what it is not for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from salt_like.evaluation.table import with_error


def text(described: Mapping[str, Any], compared: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """The card as Markdown.

    Args:
        described: The manifest.
        compared: What the comparison of graph and tagger found.
        metrics: Metrics of the run by sample.
    """
    parts = [
        f"# {described['model']}",
        _introduction(described),
        "## Check it",
        "```sh\npython verify.py   # needs numpy, h5py and onnxruntime; nothing else\n```",
        "## What goes in",
        *_inputs(described),
        "## What comes out",
        _outputs(described),
        *_working_points(described),
        "## How well it does",
        *_metrics(metrics),
        "## How well the graph agrees with the trained tagger",
        _parity(compared),
        "## Where it comes from",
        _provenance(described["provenance"]),
        "## Latency",
        "Depends on the machine: `train bench BUNDLE --write` and `train export RUN --bench` write it here.",
        "## Limits",
        _limits(described),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(described: Mapping[str, Any]) -> str:
    tasks = ", ".join(f"{name} ({one['stream']})" for name, one in described["tasks"].items())
    how = {
        "batched": "many jets at a time, constituents padded, with a mask that is True for real ones",
        "single": "one jet at a time, all of whose constituents are real; there may be none",
        "athena": "one jet at a time, with the names and types of the ATLAS software (`gnn_config` in the metadata)",
    }[described["profile"]]
    graph = described["graph"]
    return (
        f"A tagger of particle jets as an ONNX graph (opset {graph['opset']}, IR {graph['ir_version']}, onnxruntime "
        f"{graph['oldest_runtime']} or newer), profile `{described['profile']}`: {how}.\n\nTasks: {tasks}."
    )


def _inputs(described: Mapping[str, Any]) -> list[str]:
    found = []
    for one in described["inputs"]:
        shape = ", ".join(map(str, one["shape"]))
        if "variables" not in one:
            found.append(f"`{one['name']}` ({shape}), {one['dtype']}: {one['meaning']}.")
            continue
        notes = ["raw values, in this order"]
        if one.get("selection"):
            notes.append(f"only what fulfils `{one['selection']}`, which the caller selects")
        if one.get("order_by"):
            notes.append(f"ordered by `{one['order_by']}` by the caller")
        if one.get("truncated_to"):
            notes.append(f"the first {one['truncated_to']} are looked at, which the graph sees to")
        rows = [
            (v["name"], v["unit"], _plain(v["smallest"]), _plain(v["largest"]), _plain(v["not_measured"]))
            for v in one["variables"]
        ]
        headings = ("variable", "unit", "smallest in training", "largest", "means not measured")
        found.append(f"`{one['name']}` ({shape}), {one['dtype']}: {'; '.join(notes)}.")
        found.append(_table(headings, rows))
    found.append(
        "Values that are not finite are taken for not measured, which the training knew only of variables that say so. "
        "Normalisation is inside the graph."
    )
    return found


def _outputs(described: Mapping[str, Any]) -> str:
    rows = [
        (f"`{one['name']}`", ", ".join(map(str, one["shape"])) or "one number", one["dtype"], one["meaning"])
        for one in described["outputs"]
    ]
    return _table(("output", "shape", "type", "meaning"), rows)


def _working_points(described: Mapping[str, Any]) -> list[str]:
    rows = []
    for stored in described["working_points"]:
        for name, cuts in stored["discriminants"].items():
            for point in cuts["fixed"]:
                rows.append((name, f"{point['efficiency']:.0%}", f"{point['cuts'][0]:.4g}", stored["sample"]))
    if not rows:
        return []
    return ["## Working points", _table(("discriminant", "efficiency", "cut", "made on"), rows)]


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    if not metrics:
        yield "Not tested: `train test RUN` before the export puts its metrics here."
    for sample, one in metrics.items():
        # a metric stands there once for each trivial prediction that it is compared with
        rows = {
            (task, metric["name"]): (task, metric["name"], _with_error(metric))
            for task, found in one["tasks"].items()
            for metric in found["metrics"]
            if metric.get("value") is not None
        }
        made = f" ({one['generator']})" if one.get("generator") else ""
        yield f"On {sample}{made}, {one['jets']:g} jets, errors of one standard deviation:"
        yield _table(("task", "metric", "value"), rows.values())
        for name, found in one["discriminants"].items():
            yield from _rejections(name, found)


def _rejections(name: str, found: Mapping[str, Any]) -> Iterable[str]:
    if not found["points"]:
        return
    place = found["cuts_range"]
    where = f"{_plain(place['low'])} to {_plain(place['high'])} {place['unit']} in {place['field']}" if place else "all"
    yield (
        f"Rejections of {name}, cuts made on {found['cuts_from']}, jets of {where}; in brackets the 68 % interval, "
        "limits at 95 %:"
    )
    classes = list(found["points"][0]["rejections"])
    rows = [
        (
            f"{point['efficiency']:.0%}",
            with_error(point["signal_efficiency"], point["signal_error"]),
            *(_rejection(point["rejections"][one]) for one in classes),
        )
        for point in found["points"]
    ]
    yield _table(("working point", f"{found['signal']} efficiency", *classes), rows)


def _rejection(one: Mapping[str, Any]) -> str:
    """With its 68 % interval; the 95 % limit where too few jets pass."""
    if one["limit"]:
        return f"> {one['low']:.3g}"
    if one["value"] is None:
        return ""
    return f"{one['value']:.3g} ({one['low']:.3g} to {one['high']:.3g})"


def _with_error(metric: Mapping[str, Any]) -> str:
    error = metric.get("error")
    return with_error(metric["value"], math.nan if error is None else error)


def _parity(compared: Mapping[str, Any]) -> str:
    rows = []
    for name, one in compared["outputs"].items():
        if one["kind"] == "index":
            rows.append((f"`{name}`", f"{one['differ']} constituents differ", ""))
        else:
            rows.append((f"`{name}`", f"{one['largest']:.2g}", f"{one['mean']:.2g}"))
    moved = sum(one["other_side"] for one in compared["working_points"])
    cuts = (
        f" {moved} change side at one of {len(compared['working_points'])} cuts." if compared["working_points"] else ""
    )
    head = f"On {compared['jets']} jets; {compared['undecided']} have vertices that rounding may decide.{cuts}"
    return f"{head}\n\n{_table(('output', 'largest difference', 'mean'), rows)}"


def _provenance(found: Mapping[str, Any]) -> str:
    return _table(("what", "value"), [(key, _plain(value)) for key, value in found.items()])


def _limits(described: Mapping[str, Any]) -> str:
    most = ", ".join(
        f"{one['most_in_training']} {one['stream']}" for one in described["inputs"] if "most_in_training" in one
    )
    lines = [
        "- Probabilities hold for the class fractions in `manifest.json` (`tasks`, `class_fractions`), no others.",
        "- Jets outside the ranges of the training are answered, and the answer was never tested.",
    ]
    if most:
        lines.append(f"- The training knew at most {most} per jet; more are accepted.")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return str(value)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
