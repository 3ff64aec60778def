"""Hypergraph networks: messages through sets of neighbours."""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor
from torch_geometric.nn import HypergraphConv
from torch_geometric.nn.conv import MessagePassing

from salt_like.encoders.graph import GraphEncoder
from salt_like.nn.checks import divides
from salt_like.nn.graphs import Graph, NearestNeighbours


class HypergraphEncoder(GraphEncoder):
    """Constituents tell the sets that they belong to, and sets tell their members, in layers as in `GraphEncoder`.

    Every constituent is the centre of one hyperedge, which holds its neighbours in the graph (arXiv:1809.09401). With
    the incidence ``H`` (constituents by hyperedges, 1 for members), the number ``D`` of hyperedges of each constituent
    and the number ``B`` of members of each hyperedge, a layer's convolution is ``D⁻¹ H B⁻¹ Hᵀ X W``
    (arXiv:1901.08150): each hyperedge takes the mean of its members, each constituent the mean of its hyperedges. With
    `attention` the entries of H are weights, a softmax over the members of ``LeakyReLU(a · [W xᵢ, W x_centre])``.

    Args:
        dim: Width D of the tokens.
        layers: Number of layers.
        graph: Who are the members of the hyperedge around a constituent; ``loops: true`` for the centre itself.
            ``None`` for it and the 8 nearest in what was learned so far.
        attention: Whether membership has a learned weight.
        heads: Number of such weights, each for its share of the width.
        norm: Name of the normalisation, ``None`` for none.
        norm_place: ``"pre"`` or ``"post"``.
        residual: Whether layers add to what came in.
        feedforward: Width inside the feed-forward network of each layer, ``None`` for no such network.
        activation: Name of the activation function.
        dropout: Probability of dropping a value of a branch.
        out_dim: Width after a last linear layer, ``None`` for no such layer.
    """

    def __init__(
        self,
        dim: int,
        layers: int = 3,
        graph: Graph | None = None,
        attention: bool = False,
        heads: int = 1,
        norm: str | None = "LayerNorm",
        norm_place: Literal["pre", "post"] = "pre",
        residual: bool = True,
        feedforward: int | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        out_dim: int | None = None,
    ) -> None:
        divides(heads, dim)
        if heads > 1 and not attention:
            raise ValueError(f"heads are of the attention: set attention: true, or leave them out, got heads={heads}")
        super().__init__(
            dim,
            partial(_Neighbourhoods, attention=attention, heads=heads),
            layers,
            NearestNeighbours(8, loops=True) if graph is None else graph,
            None,
            norm,
            norm_place,
            residual,
            feedforward,
            activation,
            dropout,
            out_dim,
        )


class _Neighbourhoods(MessagePassing):  # type: ignore[misc]
    """Hypergraph convolution where the receiver of an edge stands for the hyperedge that its senders belong to."""

    def __init__(self, in_dim: int, out_dim: int, attention: bool, heads: int) -> None:
        super().__init__()
        self.attention = attention
        self.convolution = HypergraphConv(in_dim, out_dim // heads, use_attention=attention, heads=heads)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        # one hyperedge per node, the ghost too: their number is not looked up in the data
        return self.convolution(  # type: ignore[no-any-return]
            x, edge_index, hyperedge_attr=x if self.attention else None, num_edges=x.shape[0]
        )
