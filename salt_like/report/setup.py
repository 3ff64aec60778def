"""What runs were made of: facts, data and configuration, with what is not the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from salt_like.figures import words
from salt_like.report import page
from salt_like.report.gather import Reported
from salt_like.spec import DataSpec, Stream, Variable

_FACTS = ("state", "reason", "epochs_done", "steps_done", "started", "stopped", "command", "seed", "salt_like")
_SAID = {"epochs_done": "epochs", "steps_done": "steps", "salt_like": "version"}
_NONE = "-"


def facts(runs: Sequence[Reported]) -> str:
    """What the runs are, and what of them is missing.

    Args:
        runs: The runs.
    """
    rows: list[list[str]] = [["model", *(one.model for one in runs)], ["from", *(str(one.where) for one in runs)]]
    for key in _FACTS:
        said = [one.record.get(key) for one in runs]
        if any(one not in (None, "") for one in said):
            rows.append([_SAID.get(key, key), *(_NONE if one is None else str(one) for one in said)])
    columns = range(len(runs) + 1)
    table = page.table("", ["", *(one.name for one in runs)], rows, columns)
    notes = [f"{one.name}: {note}" for one in runs for note in one.notes]
    return table + "".join(page.paragraph(note, "missing") for note in notes)


def configuration(runs: Sequence[Reported]) -> str:
    """The resolved configurations, after what is not the same in all of them.

    Args:
        runs: The runs.
    """
    known = [one for one in runs if one.config]
    content = ""
    if len(known) > 1:
        flat = [dict(_flat(yaml.safe_load(one.config) or {})) for one in known]
        keys = dict.fromkeys(key for one in flat for key in one)
        rows = [
            [key, *(one.get(key, _NONE) for one in flat)]
            for key in keys
            if len({one.get(key, _NONE) for one in flat}) > 1
        ]
        if rows:
            columns = range(len(known) + 1)
            content += page.table("what is not the same", ["key", *(one.name for one in known)], rows, columns)
        else:
            content += page.paragraph("The same for all.")
    return content + page.beside(
        (page.heading(one.name) if len(known) > 1 else "") + page.code(one.config.strip()) for one in known
    )


def _flat(content: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and values as text."""
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _flat(value, f"{above}.{key}" if above else str(key))
    else:
        yield above, str(content)


def data(runs: Sequence[Reported]) -> str:
    """Files, classes and inputs of the first run, and of others where they differ.

    Args:
        runs: The runs.
    """
    content = _files(runs)
    shown: list[DataSpec] = []
    for one in runs:
        spec = next((measured.spec for measured in one.samples.values() if measured.spec is not None), None)
        if spec is None or spec in shown:
            continue
        shown.append(spec)
        of = f" of {one.name}" if len(runs) > 1 else ""
        content += page.heading(f"Classes{of}") + _classes(one, spec)
        content += page.heading(f"Inputs{of}") + _inputs(spec)
        content += page.paragraph(
            "As found in the training file: lowest and highest value, and mean and width after the transform, without "
            "default values. train inspect FILE checks data files for what is wrong with them.",
            "soft",
        )
    return content


def _files(runs: Sequence[Reported]) -> str:
    rows = []
    for one in runs:
        for kind in ("train", "val"):
            said = (one.record.get("files") or {}).get(kind)
            if said:
                rows.append([one.name, kind, "", "", str(said)])
        for name, measured in one.samples.items():
            metrics = measured.metrics
            rows.append(
                [
                    one.name,
                    f"test: {name}",
                    f"{metrics['jets']:,}",
                    str(metrics.get("generator") or ""),
                    ", ".join(metrics["sources"]),
                ]
            )
    return page.table("", ["run", "sample", "jets", "made by", "files"], rows, (0, 1, 3, 4))


def _classes(run: Reported, spec: DataSpec) -> str:
    """Classes in training and in each sample."""
    rows: list[list[str]] = []
    for label in spec.labels:
        if label.kind != "class" or not label.classes:
            continue
        rows.append([f"{label.stream}: {label.key}"])
        sums = {
            name: confusion["sums"]
            for name, measured in run.samples.items()
            for task in measured.metrics["tasks"].values()
            if (confusion := task["confusion"]) and tuple(confusion["classes"]) == label.classes
        }
        for place, name in enumerate(label.classes):
            counts = f"{label.counts[place]:,.0f}" if label.counts else _NONE
            share = f"{100 * label.prior[place]:.2f} %" if label.prior else _NONE
            cells = [name, counts, share]
            for sample in run.samples:
                found = sums.get(sample)
                total = sum(map(sum, found)) if found else 0
                cells.append(f"{100 * sum(found[place]) / total:.2f} %" if found and total else _NONE)
            rows.append(cells)
    headings = ["class", "in training", "share in training", *(f"share in {name}" for name in run.samples)]
    return page.table("", headings, rows) if rows else ""


def _inputs(spec: DataSpec) -> str:
    rows: list[list[str]] = []
    for stream in spec.streams:
        rows.append([_said(stream)])
        for one in stream.variables:
            transform = one.transform or ""
            default = _NONE if one.default is None else f"{one.default:g}"
            numbers = (f"{value:.4g}" for value in (one.low, one.high, one.mean, one.std))
            rows.append([words.with_unit(one.name, one.unit), transform, _clip(one), default, *numbers])
    headings = ["input", "transform", "clip", "default", "lowest", "highest", "mean", "width"]
    return page.table("", headings, rows, (0, 1, 2, 3))


def _said(stream: Stream) -> str:
    parts = [stream.name, "one per jet" if stream.is_global else f"at most {stream.length} per jet"]
    parts += [f"ordered by {stream.order_by}"] if stream.order_by else []
    parts += [f"selected: {stream.selection}"] if stream.selection else []
    parts += [] if stream.variables else ["no inputs in this description"]
    return ", ".join(parts)


def _clip(one: Variable) -> str:
    if one.clip is None:
        return ""
    low, high = one.clip
    return f"{'' if low is None else f'{low:g}'} … {'' if high is None else f'{high:g}'}"
