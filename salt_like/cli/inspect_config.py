"""What a configuration would build, what that costs, and which fields it needs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from salt_like.batch import Batch
from salt_like.cli import assumed, build, configuration, messages, needs, paths
from salt_like.cli.table import Table, count, number
from salt_like.data.collate import collate
from salt_like.data.columns import Columns
from salt_like.data.files import Files, Source, named
from salt_like.encoders import GraphEncoder
from salt_like.errors import UserError
from salt_like.export import onnx_file
from salt_like.export.trial import what_keeps_from_export
from salt_like.spec import DataSpec, Request, Stream
from salt_like.training import checkpoint

if TYPE_CHECKING:
    from salt_like.tagger import Tagger

JETS = 32  # of the batch with which the cost is measured
_ROWS_LOOKED_AT = 20_000


def report(name: str, overrides: Sequence[tuple[str, Any]] = ()) -> list[Table | str]:
    """Tables of a configuration.

    Args:
        name: File or shipped configuration.
        overrides: Keys and values of the command line.

    Raises:
        UserError: The configuration is wrong.
    """
    loaded = configuration.load([name], overrides)
    wiring, resolved = build.resolve(loaded, *build.classes())
    data = resolved["data"]
    requests = [Request(**one) for one in build.requests(resolved["model"]["tasks"])]
    wanted = needs.of(data, requests)
    sources = _sources(data)
    train = next((source for key, source in sources.items() if key == "train" or key.startswith("train.")), None)
    parts: list[Table | str] = [f"{name}: model '{resolved['name']}'"]
    if train is None or needs.missing(wanted, train):
        spec, notes = assumed.spec(data, requests)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tagger = checkpoint.build(resolved["name"], spec, resolved["model"]).tagger
            except ValueError as error:
                raise UserError(messages.from_constructor(error)) from error
        notes += [f"{stream.length} constituents at most in {stream.name}" for stream in spec.set_streams]
        parts.append("no usable training file: not checked; assumed: " + ", ".join(notes or ["nothing"]))
        means = {stream.name: min(assumed.MEAN_MULTIPLICITY, stream.length) for stream in spec.set_streams}
    else:
        parsed = build.instantiate(wiring, resolved)
        spec, tagger = parsed.data.spec, parsed.model.tagger
        means = {stream.name: _mean_multiplicity(train, stream) for stream in spec.set_streams}
    pairs = sorted({request.stream for request in requests if request.pairs})
    parts += [*_model(tagger, spec, means, pairs), _outputs(tagger, resolved["name"]), needs.table(wanted, sources)]
    return parts + _export(tagger)


def _export(tagger: Tagger) -> list[Table | str]:
    """Whether the convolution of a graph encoder, which is others' code, can be exported: better known before."""
    if not isinstance(tagger.encoder, GraphEncoder) or not onnx_file.can_export():
        return []
    reason = what_keeps_from_export(tagger.encoder)
    name = type(tagger.encoder.convolution).__name__.lstrip("_")
    if reason is None:
        return [f"export: {name} has an ONNX form that says the same"]
    return [f"export: NOT POSSIBLE with {name}: it would train, but `train export` would fail\nfound: {reason}"]


def _sources(data: Mapping[str, Any]) -> dict[str, Source]:
    """Each configured sample that is there, by its first file."""
    found: dict[str, Source] = {}
    for key in paths.SAMPLES:
        value = data.get(key)
        present = [path for path in paths.files(value) if paths.exists(path)]
        if value is None or len(present) < len(paths.files(value)):
            continue
        for sample, files in named(value, "", f"data.{key}").items():
            found[f"{key}.{sample}" if sample else key] = Files(files[:1])
    return found


def _mean_multiplicity(source: Source, stream: Stream) -> float:
    """Mean number of constituents that are kept, before any selection."""
    rows = source.read(stream.name, 0, 0, min(source.parts[0][1], _ROWS_LOOKED_AT))
    valid = rows["valid"] if "valid" in (rows.dtype.names or ()) else np.ones(rows.shape, bool)
    return float(np.minimum(valid.sum(axis=1), stream.length).mean())


def _model(tagger: Tagger, spec: DataSpec, means: Mapping[str, float], pairs: Sequence[str]) -> list[Table | str]:
    most = {stream.name: float(stream.length) for stream in spec.set_streams}
    blocks = _blocks(tagger)
    shapes: dict[str, str] = {}
    at_mean, counted = _cost(tagger, synthetic(spec, means, pairs), blocks, shapes)
    at_most, _ = _cost(tagger, synthetic(spec, most, pairs), blocks, {})
    rows = [
        [
            name,
            type(block).__name__,
            shapes.get(name, "-"),
            f"{_parameters(block):,}",
            count(counted.get(name, 0.0)),
        ]
        for name, block in blocks.items()
    ]
    rows.append(["total", type(tagger).__name__, "", f"{_parameters(tagger):,}", count(at_mean)])
    headings = ["module", "class", "output", "parameters", "FLOPs per jet at mean"]
    cost = [
        ["mean", *(number(means[name]) for name in most), count(at_mean)],
        ["maximum", *(number(most[name]) for name in most), count(at_most)],
    ]
    return [
        Table("model (B jets, T constituents; forward pass)", headings, rows, frozenset({0, 1, 2})),
        Table("cost per jet", ["multiplicity", *most, "FLOPs"], cost),
    ]


def _blocks(tagger: Tagger) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for name, module in tagger.named_children():
        parts = module.items() if isinstance(module, nn.ModuleDict) else [("", module)]
        found |= {f"{name}.{key}" if key else name: part for key, part in parts}
    return found


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _cost(
    tagger: Tagger, batch: Batch, blocks: Mapping[str, nn.Module], shapes: dict[str, str]
) -> tuple[float, dict[str, float]]:
    """FLOPs per jet of the whole and of each block; fills in the shapes of the blocks' outputs."""
    try:
        from torch.utils.flop_counter import FlopCounterMode
    except ModuleNotFoundError as error:
        raise UserError("train inspect CONFIG counts operations, which needs torch 2.1 or newer") from error

    counter = FlopCounterMode(display=False)
    spent: dict[str, float] = {}
    begun: dict[str, float] = {}
    letters = {batch.size: "B", **{int(offsets[-1]): "T" for offsets in batch.offsets.values()}}

    def before(name: str) -> Any:
        return lambda *_: begun.update({name: counter.get_total_flops()})

    def after(name: str) -> Any:
        def run(module: nn.Module, inputs: Any, output: Any) -> None:
            del module, inputs
            spent[name] = spent.get(name, 0.0) + (counter.get_total_flops() - begun[name]) / batch.size
            values = output if isinstance(output, torch.Tensor) else output.values
            first, *rest = values.shape
            shapes[name] = f"({', '.join([letters.get(first, 'T'), *map(str, rest)])})"

        return run

    handles = [block.register_forward_pre_hook(before(name)) for name, block in blocks.items()]
    handles += [block.register_forward_hook(after(name)) for name, block in blocks.items()]
    learned = [parameter for parameter in tagger.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)  # the counter looks for the gradients of whatever a module is given
    try:
        with torch.no_grad(), counter:
            tagger.eval()(batch)
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)
        for handle in handles:
            handle.remove()
    return counter.get_total_flops() / batch.size, spent


def synthetic(spec: DataSpec, multiplicity: Mapping[str, float], pairs: Sequence[str]) -> Batch:
    """A packed batch of ones with a given mean number of constituents per jet.

    Args:
        spec: Description of the data.
        multiplicity: Mean number of constituents per set stream.
        pairs: Streams whose pairs are listed.
    """
    counts = {}
    for name, mean in multiplicity.items():
        ends = np.floor(mean * np.arange(1, JETS + 1) + 0.5).astype(np.int32)
        counts[name] = np.diff(ends, prepend=np.int32(0)).astype(np.int32)
    jets = spec.global_stream
    inputs = {
        name: np.ones((int(number.sum()), len(spec.stream(name).variables)), np.float32)
        for name, number in counts.items()
    }
    inputs[jets.name] = np.ones((JETS, len(jets.variables)), np.float32)
    return collate(Columns(np.arange(JETS), inputs, counts), spec, pair_streams=[one for one in pairs if one in counts])


def _outputs(tagger: Tagger, name: str) -> Table:
    rows = [[one.stream, one.column(name), one.kind, one.unit] for one in tagger.outputs]
    return Table("outputs", ["stream", "column", "kind", "unit"], rows, frozenset(range(4)))
