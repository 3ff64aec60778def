"""What a bundle says about itself, for programs: `manifest.json`, and the metadata inside the graph."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salt_like.bundle import FORMAT, SCHEMA_VERSION
from salt_like.export.interface import GraphInput, GraphOutput, Interface
from salt_like.export.onnx_file import IR_VERSION, OLDEST_RUNTIME, OPSET
from salt_like.loading.tagger import LoadedTagger
from salt_like.spec import Output, Variable
from salt_like.version import __version__

METADATA = "salt_like"


@dataclass(frozen=True)
class Facts:
    """What the manifest holds besides what follows from the tagger.

    Args:
        operators: How often each operator stands in the graph.
        golden: Number of golden jets, of edge cases among them, and of those left out as undecided.
        working_points: Cuts of the run, as `train test` stored them.
        provenance: Where the tagger comes from.
    """

    operators: Mapping[str, int]
    golden: Mapping[str, int]
    working_points: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]


def manifest(tagger: LoadedTagger, interface: Interface, facts: Facts) -> dict[str, Any]:
    """The content of `manifest.json`.

    Args:
        tagger: The tagger.
        interface: What goes in and comes out.
        facts: All else.
    """
    return {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "package_version": __version__,
        "model": interface.model,
        "profile": interface.profile,
        "graph": {
            "file": "model.onnx",
            "opset": OPSET,
            "ir_version": IR_VERSION,
            "operators": dict(facts.operators),
            "oldest_runtime": OLDEST_RUNTIME,
        },
        "units": tagger.spec.units,
        "inputs": [_input(tagger, interface, one) for one in interface.inputs],
        "outputs": [_output(tagger, interface, one) for one in interface.outputs],
        "tasks": _tasks(tagger, interface),
        "discriminants": {
            output.field: {"signal": one.signal, "background": one.background, "task": name}
            for output, (name, one) in tagger.tagger.discriminants.items()
            if name in interface.tasks
        },
        "working_points": list(facts.working_points),
        "golden": dict(facts.golden),
        "provenance": dict(facts.provenance),
    }


def metadata(interface: Interface, described: Mapping[str, Any]) -> dict[str, str]:
    """Keys and values inside the graph: what a program needs that has the graph alone.

    Args:
        interface: What goes in and comes out.
        described: The manifest.
    """
    own = {name: described[name] for name in ("format", "schema_version", "model", "profile", "inputs", "outputs")}
    found = {METADATA: json.dumps(own, sort_keys=True)}
    if interface.profile == "athena":
        found["gnn_config"] = json.dumps(_gnn_config(interface), sort_keys=True)
    return found


def shape_of(interface: Interface, stream: str, is_global: bool) -> list[str | int]:
    """Names of the axes of one value per row of a stream."""
    axes: list[str | int] = ["jets"] if interface.batched else []
    return axes if is_global else [*axes, stream]


def _input(tagger: LoadedTagger, interface: Interface, one: GraphInput) -> dict[str, Any]:
    stream = tagger.spec.stream(one.stream)
    axes = shape_of(interface, one.stream, stream.is_global)
    if one.is_mask:
        meaning = f"True for each real constituent of {one.stream}"
        return {"name": one.name, "stream": one.stream, "dtype": "bool", "shape": axes, "meaning": meaning}
    if stream.is_global and not interface.batched:
        axes = [1]
    found: dict[str, Any] = {
        "name": one.name,
        "stream": one.stream,
        "dtype": "float32",
        "shape": [*axes, len(one.variables)],
        "mask": one.mask,
        "variables": [_variable(variable) for variable in stream.variables],
        "selection": stream.selection,
    }
    if not stream.is_global:
        found |= {
            "order_by": stream.order_by,
            "truncated_to": stream.max_constituents,
            "most_in_training": stream.length,
        }
    return found


def _variable(one: Variable) -> dict[str, Any]:
    return {
        "name": one.name,
        "unit": one.unit,
        "smallest": _number(one.low),
        "largest": _number(one.high),
        "not_measured": "NaN" if one.default is not None and math.isnan(one.default) else one.default,
        "transform_inside": one.transform,
        "clipped_inside": None if one.clip is None else list(one.clip),
    }


def _output(tagger: LoadedTagger, interface: Interface, one: GraphOutput) -> dict[str, Any]:
    first = one.terms[0][1]
    if first.objects:
        axes = [*shape_of(interface, one.stream, is_global=True), first.objects]
    else:
        axes = shape_of(interface, one.stream, tagger.spec.stream(one.stream).is_global)
    width = tagger.tagger.pooled_dim if one.kind == "embedding" else first.width
    if width:
        axes = [*axes, width]
    same = all(output.unit == first.unit for _, output in one.terms)
    itself = [factor for factor, _ in one.terms] == [1] and not one.largest
    return {
        "name": one.name,
        "stream": one.stream,
        "dtype": one.dtype,
        "shape": axes,
        "kind": one.kind,
        "unit": first.unit if same and not one.largest else "",
        "class": first.of_class if len(one.terms) == 1 else "",
        "classes": [output.of_class for _, output in one.terms] if one.largest else [],
        "terms": [[factor, output.field] for factor, output in one.terms],  # what it is made of, for a comparison
        "column": first.column(interface.model) if itself else None,
        "meaning": _meaning(tagger, one),
        "tolerance": one.tolerance,
    }


def _meaning(tagger: LoadedTagger, one: GraphOutput) -> str:
    first = one.terms[0][1]
    if one.largest:
        return f"place of the largest probability among: {', '.join(output.of_class for _, output in one.terms)}"
    if len(one.terms) > 1 or one.terms[0][0] != 1:
        return "sum of " + ", ".join(f"{factor:g} {output.field}" for factor, output in one.terms)
    if first.kind == "discriminant":
        return _formula(tagger, first)
    if first in tagger.tagger.spreads:
        return f"standard deviation of {first.field.removesuffix('_spread')} among the members of the ensemble"
    if first.objects or first.width:
        return _of_objects(first)
    finder = next((task for task in tagger.tasks if task.objects and first in task.outputs), None)
    if finder is not None:
        array = next(output.stream for output in finder.outputs if output.objects)
        return f"place of its object in '{array}', from 0; -1 for none, -2 where there is no constituent"
    return {
        "probability": f"probability of {first.of_class}",
        "value": f"{first.field}{f' in {first.unit}' if first.unit else ''}",
        "sigma": f"standard deviation: {first.field}{f' in {first.unit}' if first.unit else ''}",
        "index": "vertex within the jet, from 0 by its first constituent; -2 where there is no constituent",
        "embedding": "vector that describes the jet",
    }[one.kind]


def _of_objects(one: Output) -> str:
    if one.width:
        return f"probability that the constituent belongs to each of the {one.width} objects"
    if one.kind == "probability":
        return f"probability of {one.of_class}, for each of the {one.objects} objects"
    return f"{one.field}{f' in {one.unit}' if one.unit else ''} of each of the {one.objects} objects"


def _formula(tagger: LoadedTagger, output: Output) -> str:
    _, one = tagger.tagger.discriminants[output]
    below = " + ".join(f"{fraction:g} p({name})" for name, fraction in one.background.items() if fraction)
    return f"ln p({one.signal}) / ({below})"


def _tasks(tagger: LoadedTagger, interface: Interface) -> dict[str, Any]:
    found = {}
    for record in tagger.tasks:
        if record.name not in interface.tasks:
            continue
        task = tagger.tagger.task(record.name)
        prior = list(record.prior or task.trained_prior)
        found[record.name] = {
            "stream": record.stream,
            "outputs": [one.field for one in record.outputs],
            "labels": list(record.labels),
            "temperature": record.temperature,
            "class_fractions": dict(zip([one.of_class for one in record.outputs], prior, strict=True)) if prior else {},
            "assumed": "given" if record.given else "class weights" if record.prior else "training",
        }
        if record.objects:
            array = next(one.stream for one in record.outputs if one.objects)
            found[record.name]["objects"] = {
                "array": array,
                "truth": record.objects,
                "labels": list(record.object_labels),
            }
    return found


def _gnn_config(interface: Interface) -> dict[str, Any]:
    """The interface as the ATLAS software reads it: its own names, and no normalisation, which the graph does."""

    def described(one: GraphInput) -> dict[str, Any]:
        names = [name.removesuffix("_btagJes") for name in one.variables]
        suffix = "var" if one.is_global else f"{interface.track_selection}_sd0sort"
        stream = one.stream.removesuffix("s") if one.is_global else one.stream
        return {
            "name": f"{stream}_{suffix}",
            "variables": [{"name": name, "offset": 0.0, "scale": 1.0} for name in names],
        }

    return {
        "model_name": interface.model,
        "output_names": [one.name for one in interface.outputs],
        "inputs": [described(one) for one in interface.inputs if one.is_global],
        "input_sequences": [described(one) for one in interface.inputs if not one.is_global],
        "onnx_model_version": "v1",
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
