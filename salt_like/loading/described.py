"""What a bundle's manifest says about outputs and tasks, in the words of prediction files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from salt_like.evaluation.contents import TaskRecord
from salt_like.spec import DataSpec, Output


@dataclass(frozen=True)
class Described:
    """Columns and tasks of a prediction file that a bundle makes.

    Args:
        names: What it says, in order → the output of the graph.
        tasks: The tasks all of whose outputs the graph has.
        widths: Length of the outputs that are vectors, by column.
    """

    names: Mapping[Output, str]
    tasks: tuple[TaskRecord, ...]
    widths: Mapping[str, int]


def described(manifest: Mapping[str, Any], spec: DataSpec) -> Described:
    """Columns and tasks that follow from a manifest.

    An output of the tagger has the column that `train test` gives it. One that was renamed is there under its own name
    as well, as are those that only the export knows: sums, and places of the largest probability.

    Args:
        manifest: The manifest.
        spec: Description of the data.
    """
    model = manifest["model"]
    names: dict[Output, str] = {}
    taken: set[tuple[str, str]] = set()
    others, widths = [], {}
    for one in manifest["outputs"]:
        stream, column = one["stream"], one["column"]
        # a sum of a single term names the term's column too, but stands behind it
        if column is None or (stream, column) in taken:
            others.append(one)
            continue
        taken.add((stream, column))
        output = _output(one, column, model, spec)
        names[output] = one["name"]
        if one["kind"] == "embedding" or output.width:
            widths[column] = one["shape"][-1]
        if one["kind"] == "embedding":
            continue
        if one["name"] not in (column, f"{stream}_{column}", f"{model}_{column}"):
            others.append(one)
    tasks = _tasks(manifest, spec, {(one.stream, one.field): one for one in names})
    for one in others:
        output = _output(one, one["name"].removeprefix(f"{one['stream']}_"), model, spec)
        if (output.stream, output.column(model)) not in taken:
            names[replace(output, of_class="")] = one["name"]
    return Described(names, tasks, widths)


def _output(one: Mapping[str, Any], column: str, model: str, spec: DataSpec) -> Output:
    """An output of the graph as one of the tagger that has this column."""
    field = column if one["kind"] == "index" else column.removeprefix(f"{model}_")
    stream = next((known for known in spec.streams if known.name == one["stream"]), None)
    sizes = [axis for axis in one["shape"] if isinstance(axis, int)]
    objects = sizes[0] if stream is None else 0
    width = sizes[-1] if stream is not None and sizes and one["kind"] != "embedding" else 0
    return Output(one["stream"], field, one["kind"], one["unit"], one["class"], objects, width)


def _tasks(
    manifest: Mapping[str, Any], spec: DataSpec, known: Mapping[tuple[str, str], Output]
) -> tuple[TaskRecord, ...]:
    found = []
    for name, one in manifest["tasks"].items():
        stream = one["stream"]
        told = one.get("objects") or {"array": "", "truth": "", "labels": ()}
        found_in = {
            (array, field): known.get((array, field)) for array in (told["array"], stream) for field in one["outputs"]
        }
        outputs = tuple(output for output in found_in.values() if output is not None)
        if len(outputs) < len(one["outputs"]):
            continue  # such as the probabilities of which only the largest one's place was exported
        fractions = tuple(one["class_fractions"].values())
        assumed = one.get("assumed") or _assumed(fractions, spec, one)
        prior = () if assumed == "training" else fractions
        labels, given = tuple(one["labels"]), assumed == "given"
        objects = told["truth"], tuple(told["labels"])
        found.append(TaskRecord(name, stream, labels, outputs, prior, one["temperature"], given, *objects))
    return tuple(found)


def _assumed(fractions: tuple[float, ...], spec: DataSpec, task: Mapping[str, Any]) -> str:
    """Where class fractions come from, for a manifest that does not say."""
    labels = [spec.label(task["stream"], key) for key in task["labels"]]
    trained = next((one.prior for one in labels if one.kind == "class"), ())
    same = len(trained) in (0, len(fractions)) and np.allclose(fractions or trained, trained)
    return "training" if not fractions or same else "given"
