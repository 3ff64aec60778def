"""Transformer encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salt_like.encoders.base import Encoder
from salt_like.nn.checks import at_least, fraction
from salt_like.nn.norms import make_norm
from salt_like.nn.transformer import NormPlace, TransformerLayer
from salt_like.sets import Tokens

REGISTERS = "registers"


class Transformer(Encoder):
    """Transformer encoder (arXiv:1706.03762) without positional encoding, so that the order does not matter.

    Registers (arXiv:2309.16588) are learned tokens that every jet has. They come out as one more stream named
    ``"registers"``, and a jet without constituents is then described by them.

    Args:
        dim: Width D of the tokens.
        layers: Number of layers.
        heads: Number of attention heads.
        feedforward: Width inside the feed-forward networks, ``None`` for ``expansion * dim``.
        expansion: That width as a multiple of `dim`.
        norm: Name of the normalisation.
        norm_place: ``"pre"``, ``"post"`` or ``"hybrid"``; see `TransformerLayer`.
        final_norm: Whether the last layer's output is normalised, ``None`` for yes unless the layers end with a norm.
        gated: Whether the feed-forward networks are gated.
        activation: Name of the activation function.
        dropout: Probability of dropping an attention weight, a hidden value or a branch's output value.
        drop_path: Probability of dropping a branch of the last layer for a jet; grows linearly from 0 at the first.
        layer_scale: Initial scale of the residual branches, ``None`` for none.
        qk_norm: Whether query and key are normalised.
        registers: Number of registers.
        out_dim: Width after a last linear layer, ``None`` for no such layer.
    """

    def __init__(
        self,
        dim: int,
        layers: int = 4,
        heads: int = 8,
        feedforward: int | None = None,
        expansion: float = 2.0,
        norm: str = "LayerNorm",
        norm_place: NormPlace = "pre",
        final_norm: bool | None = None,
        gated: bool = False,
        activation: str = "SiLU",
        dropout: float = 0.0,
        drop_path: float = 0.0,
        layer_scale: float | None = None,
        qk_norm: bool = False,
        registers: int = 0,
        out_dim: int | None = None,
    ) -> None:
        super().__init__(dim, out_dim)
        at_least(1, layers=layers)
        at_least(0, registers=registers)
        fraction(drop_path=drop_path)
        self.layers = nn.ModuleList(
            TransformerLayer(
                dim,
                heads,
                feedforward,
                expansion,
                norm,
                norm_place,
                gated,
                activation,
                dropout,
                drop_path * number / max(layers - 1, 1),
                layer_scale,
                qk_norm,
            )
            for number in range(layers)
        )
        last = norm_place != "post" if final_norm is None else final_norm
        self.final_norm = make_norm(norm if last else None, dim)
        self.out = nn.Identity() if out_dim is None else nn.Linear(dim, out_dim)
        self.registers = nn.Parameter(torch.randn(registers, dim) * 0.02) if registers > 0 else None

    def forward(self, tokens: Tokens) -> Tokens:
        tokens = tokens.with_values(tokens.layout.finite(tokens.values))
        if self.registers is not None:
            tokens = self._with_registers(tokens, self.registers)
        x = tokens.values
        for layer in self.layers:
            x = layer(x, tokens.layout)
        return tokens.with_values(self.out(self.final_norm(x)))

    def _with_registers(self, tokens: Tokens, registers: Tensor) -> Tokens:
        layout = tokens.layout.constant(registers.shape[0])
        return tokens.joined(REGISTERS, layout.repeat(registers.to(tokens.values.dtype)), layout)
