"""The network as it is deployed: arrays in, named arrays out; one jet at a time, or many with masks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from salt_like.batch import Batch
from salt_like.callbacks.tables import NO_CONSTITUENT
from salt_like.encoders import Transformer
from salt_like.export.interface import INT8_LIMIT, GraphOutput, Interface
from salt_like.export.slots import Slots
from salt_like.spec import Output
from salt_like.tagger import Tagger


class Graph(nn.Module):
    """A tagger with positional arguments and results, as `torch.onnx.export` needs it.

    Unless the encoder has registers and no task looks at sets itself (one that finds objects does), constituents are
    padded with one slot that is never real, so that no jet is an empty set; it is cut off again. Where the
    configuration truncates, only the first constituents of a jet are looked at. Where there is no constituent, or one
    that was cut off, real outputs are NaN and indices -2, as in prediction files.

    Args:
        tagger: The tagger, in evaluation mode.
        interface: Names, order and shapes of what goes in and comes out.
    """

    def __init__(self, tagger: Tagger, interface: Interface) -> None:
        super().__init__()
        self.tagger = tagger
        self.interface = interface
        registers = isinstance(tagger.encoder, Transformer) and tagger.encoder.registers is not None
        self.ghosts = not registers or any(tagger.task(name).objects for name in interface.tasks)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs and outputs in the order of the interface."""
        given = dict(zip((one.name for one in self.interface.inputs), inputs, strict=True))
        batch, real = self._batch(given)
        tokens, pooled = self.tagger.encode(batch)
        logits = {name: self.tagger.task(name)(tokens, pooled) for name in self.interface.tasks}
        said = self.tagger.said(logits, batch)
        said[Output(self.tagger.spec.global_stream.name, "embedding", "embedding")] = pooled
        return tuple(self._result(one, said, batch, real) for one in self.interface.outputs)

    def _batch(self, given: Mapping[str, Tensor]) -> tuple[Batch, dict[str, Tensor | None]]:
        """The batch, and for each stream of constituents which slots of the caller's are looked at; `None` for all."""
        values: dict[str, Tensor] = {}
        layouts: dict[str, Slots] = {}
        real: dict[str, Tensor | None] = {}
        for one in self.interface.inputs:
            if one.is_mask:
                continue
            tensor = given[one.name]
            if one.is_global:
                values[one.stream] = tensor
                continue
            tensor = tensor if self.interface.batched else tensor[None]
            valid = given[one.mask] if one.mask else None
            if one.truncated_to is not None:
                valid = _all(tensor) if valid is None else valid
                valid = valid & (valid.long().cumsum(1) <= one.truncated_to)
            real[one.stream] = valid
            if self.ghosts:
                valid = _all(tensor) if valid is None else valid
                valid = torch.cat([valid, valid.new_zeros(valid.shape[0], 1)], 1)
                tensor = torch.cat([tensor, tensor.new_zeros(tensor.shape[0], 1, tensor.shape[2])], 1)
            layouts[one.stream] = Slots(tensor.shape[0], tensor.shape[1], valid)
            values[one.stream] = tensor.flatten(0, 1)
        some = next(iter(values.values()))
        rows = torch.arange(some.shape[0], device=some.device)
        return Batch(rows=rows, inputs=values, layouts=layouts), real

    def _result(
        self, one: GraphOutput, said: Mapping[Output, Tensor], batch: Batch, real: Mapping[str, Tensor | None]
    ) -> Tensor:
        """One output, in the slots of the caller."""
        if one.largest:
            value = torch.stack([said[output] for _, output in one.terms], -1).argmax(-1)
        else:
            (factor, first), *others = one.terms
            value = said[first] if factor == 1 else factor * said[first]
            for factor, output in others:
                value = value + factor * said[output]
        if one.stream in real:
            (value,) = batch.layouts[one.stream].grids(value)
            value = value[:, :-1] if self.ghosts else value
            looked = real[one.stream]
            if looked is not None:
                absent = NO_CONSTITUENT if one.kind == "index" else torch.nan
                looked = looked.reshape(*looked.shape, *[1] * (value.dim() - 2))
                value = torch.where(looked, value, torch.full_like(value, absent))
        if one.dtype == "int8":
            value = value.clamp(max=INT8_LIMIT).to(torch.int8)
        elif one.kind == "index":
            value = value.to(torch.int32)
        return value if self.interface.batched else value[0]


def _all(tensor: Tensor) -> Tensor:
    """A mask that is true for all slots of ``(B, N, F)``, ``(B, N)``."""
    return torch.ones_like(tensor[:, :, 0], dtype=torch.bool)
