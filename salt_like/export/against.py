"""A bundle beside the run that it comes from: the same interface, the same jets, the same graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file

from salt_like.data.columns import Columns
from salt_like.errors import UserError, nearest
from salt_like.export.graph import Graph
from salt_like.export.interface import GraphInput, GraphOutput, Interface
from salt_like.export.onnx_file import to_onnx
from salt_like.export.verify import Golden
from salt_like.loading.tagger import LoadedTagger
from salt_like.spec import DataSpec, Output
from salt_like.tagger import Tagger
from salt_like.training import checkpoint

Manifest = Mapping[str, Any]


def interface_of_bundle(manifest: Manifest, tagger: Tagger) -> Interface:
    """The interface with which a bundle was exported, for the tagger of a run.

    Args:
        manifest: The manifest.
        tagger: A tagger that should be the one of the bundle.

    Raises:
        UserError: It is another one: it reads other variables, or has no such task or output.
    """
    jets = tagger.spec.global_stream.name
    known = {(one.stream, one.field): one for one in tagger.outputs}
    known[jets, "embedding"] = Output(jets, "embedding", "embedding")
    for name in manifest["tasks"]:
        if name not in tagger.tasks:
            raise UserError(
                f"the run has no task '{name}', which the bundle has{nearest(name, tagger.tasks)}\n"
                "give the run that the bundle was exported from"
            )
    sizes = {(output.stream, output.field): size for output, (_, size) in tagger.spreads.items()}
    outputs = tuple(_output(one, known, sizes) for one in manifest["outputs"])
    inputs = tuple(_input(one, tagger.spec) for one in manifest["inputs"])
    return Interface(manifest["profile"], manifest["model"], inputs, outputs, tuple(manifest["tasks"]))


def _output(
    one: Manifest, known: Mapping[tuple[str, str], Output], sizes: Mapping[tuple[str, str], float]
) -> GraphOutput:
    if "terms" not in one:
        raise UserError(
            "the bundle does not say what its outputs are made of: it is from before releases could compare it"
        )
    terms, size = [], 0.0
    for factor, field in one["terms"]:
        if (one["stream"], field) not in known:
            raise UserError(
                f"the run has no output '{field}' for {one['stream']}, which the bundle has as '{one['name']}'\n"
                "give the run that the bundle was exported from"
            )
        terms.append((float(factor), known[one["stream"], field]))
        size += abs(float(factor)) * sizes.get((one["stream"], field), 0.0)
    return GraphOutput(one["name"], tuple(terms), bool(one["classes"]), one["dtype"], size)


def _input(one: Manifest, spec: DataSpec) -> GraphInput:
    streams = {stream.name: stream for stream in spec.streams}
    wanted = tuple(variable["name"] for variable in one.get("variables", ()))
    stream = streams.get(one["stream"])
    has = () if stream is None else tuple(variable.name for variable in stream.variables)
    is_mask = one["dtype"] == "bool"
    if stream is None or (has != wanted and not is_mask):
        raise UserError(
            f"the run reads other variables of '{one['stream']}' than the bundle\n"
            f"bundle: {', '.join(wanted)}\nrun: {', '.join(has) or 'none'}\n"
            "give the run that the bundle was exported from"
        )
    if is_mask:
        return GraphInput(one["name"], one["stream"], is_mask=True)
    limit = one.get("truncated_to")
    return GraphInput(one["name"], one["stream"], wanted, stream.is_global, one.get("mask"), truncated_to=limit)


def differing_facts(manifest: Manifest, tagger: LoadedTagger) -> list[str]:
    """What the bundle and a run do not share and why their probabilities differ, in words.

    Args:
        manifest: The manifest.
        tagger: The tagger of the run.
    """
    found = []
    for record in tagger.tasks:
        one = manifest["tasks"].get(record.name)
        if one is None:
            continue
        if not np.isclose(one["temperature"], record.temperature, rtol=1e-6):
            found.append(f"temperature of {record.name}: bundle {one['temperature']:.6g}, run {record.temperature:.6g}")
        prior = record.prior or tagger.tagger.task(record.name).trained_prior or ()
        fractions = dict(zip((output.of_class for output in record.outputs), prior, strict=False))
        given = one["class_fractions"]
        if set(fractions) != set(given) or any(abs(fractions[name] - given[name]) > 1e-6 for name in given):
            found.append(f"class fractions of {record.name}: others in the bundle, see its manifest; try --prior")
    return found


def golden_columns(golden: Golden, interface: Interface) -> Columns:
    """The golden jets as the training would see them.

    Args:
        golden: The golden jets.
        interface: The interface.
    """
    inputs: dict[str, NDArray[Any]] = {}
    counts, positions = {}, {}
    for one in interface.inputs:
        if one.is_global:
            inputs[one.stream] = golden.inputs[one.stream]
        elif not one.is_mask:
            valid = golden.valid[one.stream]
            if one.truncated_to is not None:
                valid = valid & (valid.cumsum(1) <= one.truncated_to)
            inputs[one.stream] = golden.inputs[one.stream][valid]
            counts[one.stream] = valid.sum(1).astype(np.int32)
            positions[one.stream] = np.nonzero(valid)[1].astype(np.int32)
    return Columns(np.arange(len(golden.cases)), inputs, counts, positions=positions)


def tagger_of_bundle(folder: Path, manifest: Manifest) -> LoadedTagger:
    """The tagger that the weights, the configuration and the description of data in a bundle make.

    Args:
        folder: The bundle.
        manifest: The manifest.

    Raises:
        UserError: They do not belong together.
    """
    spec = DataSpec.from_dict(json.loads((folder / "spec.json").read_text(encoding="utf-8")))
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    path = folder / "weights.safetensors"
    try:
        state = checkpoint.state(spec, config, load_file(path))
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise UserError(f"the weights of the bundle do not fit its configuration: {path}\nfound: {first}") from error
    data = {"inputs": config.get("inputs")}
    saved = checkpoint.Saved(config["name"], spec, config["model"], data, state, 0, path)
    tasks = manifest["tasks"]
    temperatures = {name: one["temperature"] for name, one in tasks.items() if one["temperature"] != 1}
    prior = {name: one["class_fractions"] for name, one in tasks.items() if one.get("assumed") == "given"}
    return LoadedTagger(saved, "cpu", temperatures, prior)


def exported_again(tagger: Tagger, interface: Interface) -> bytes:
    """A fresh export of a tagger, without metadata.

    Args:
        tagger: The tagger, in evaluation mode, on the CPU.
        interface: The interface.
    """
    return to_onnx(Graph(tagger, interface).eval(), {})
