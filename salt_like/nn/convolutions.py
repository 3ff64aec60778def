"""Graph convolutions of torch_geometric, or of one's own, built and tried out before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn import EdgeConv, GINConv, GINEConv, HypergraphConv, NNConv
from torch_geometric.nn.conv import MessagePassing

from salt_like.nn.checks import at_least
from salt_like.nn.dense import Dense

OfNetworks = Literal["EdgeConv", "GINConv", "GINEConv", "NNConv"]
NETWORKS: dict[str, type[MessagePassing]] = {one.__name__: one for one in (EdgeConv, GINConv, GINEConv, NNConv)}
WITH_EDGES = ("GINEConv", "NNConv")


class MLPConv(MessagePassing):  # type: ignore[misc]
    """A convolution of torch_geometric that is made of a fully connected network, with that network.

    With ``h`` the network, over neighbours j of i, and e the features of the edge:

    - ``EdgeConv`` (arXiv:1801.07829): ``max_j h(x_i, x_j - x_i)``;
    - ``GINConv`` (arXiv:1810.00826): ``h((1 + ε) x_i + sum_j x_j)``;
    - ``GINEConv`` (arXiv:1905.12265): ``h((1 + ε) x_i + sum_j ReLU(x_j + W e_ij))``;
    - ``NNConv`` (arXiv:1704.01212): ``W x_i + sum_j h(e_ij) x_j``, where h makes a matrix.

    Args:
        in_dim: Width of what comes in.
        out_dim: Width of what goes out.
        kind: Which of them.
        hidden: Widths of the hidden layers of the network, ``None`` for one as wide as what goes out.
        activation: Name of the activation function.
        norm: Name of the normalisation before each activation, ``None`` for none.
        dropout: Probability of dropping a hidden value.
        aggregate: ``"max"``, ``"mean"`` or ``"sum"`` over neighbours, ``None`` for that of the formula.
        edge_dim: Number of features of an edge, ``None`` for none.

    Raises:
        ValueError: There is no such kind, or it needs features of edges and has none or the other way round.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kind: OfNetworks = "EdgeConv",
        hidden: Sequence[int] | None = None,
        activation: str = "ReLU",
        norm: str | None = None,
        dropout: float = 0.0,
        aggregate: str | None = None,
        edge_dim: int | None = None,
    ) -> None:
        super().__init__()
        if kind not in NETWORKS:
            raise ValueError(f"kind must be one of {', '.join(NETWORKS)}, got {kind!r}")
        if (edge_dim is not None) != (kind in WITH_EDGES):
            needs = "needs features of edges: set pairs" if edge_dim is None else "takes no features of edges"
            raise ValueError(f"{kind} {needs} (with them: {', '.join(WITH_EDGES)})")
        ends = {"EdgeConv": (2 * in_dim, out_dim), "NNConv": (edge_dim or 0, in_dim * out_dim)}
        network = Dense(
            *ends.get(kind, (in_dim, out_dim)), [out_dim] if hidden is None else hidden, activation, norm, dropout
        )
        more: dict[str, Any] = {} if aggregate is None else {"aggr": aggregate}
        if kind == "NNConv":
            self.convolution = NNConv(in_dim, out_dim, network, **more)
        elif kind == "GINEConv":
            # the width of what comes in is read from the first layer of a plain sequence
            self.convolution = GINEConv(nn.Sequential(*network), edge_dim=edge_dim, **more)
        else:
            self.convolution = NETWORKS[kind](network, **more)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None = None) -> Tensor:
        """Shapes: ``(N, in_dim)``, ``(2, E)``, ``(E, edge_dim)`` → ``(N, out_dim)``."""
        given = (x, edge_index) if edge_attr is None else (x, edge_index, edge_attr)
        return self.convolution(*given)  # type: ignore[no-any-return]


def make_convolution(factory: Callable[..., nn.Module], dim: int, edge_dim: int | None = None) -> nn.Module:
    """A convolution that leaves the width as it is, built and tried on a graph of four nodes.

    One with several heads side by side returns their number times the width that it is given; it is given so much less.

    Args:
        factory: Called with the width that comes in and the one that goes out.
        dim: Width that comes in, and that of all heads together.
        edge_dim: Number of features of an edge, ``None`` for none.

    Raises:
        ValueError: It cannot be built or run, returns another width, lets nodes see others that they have no path to,
            or keeps the edges of the first batch.
    """
    at_least(1, dim=dim)
    kind = _class_of(factory)
    name = "convolution" if kind is None else kind.__name__
    if kind is not None:
        _refuse_other_kinds(kind, name)
        factory = _with_own_defaults(factory, kind)
    wanted = factory.keywords.get("edge_dim") if isinstance(factory, partial) else None
    if wanted is not None and wanted != edge_dim:
        raise ValueError(f"edge_dim of {name} is the number of features of pairs, {edge_dim or 0}, got {wanted}")
    built = _built(factory, name, dim, dim, edge_dim)
    width = _try(built, name, dim, edge_dim)
    heads = width // dim
    if width == heads * dim and heads > 1 and dim % heads == 0:
        built = _built(factory, name, dim, dim // heads, edge_dim)
        width = _try(built, name, dim, edge_dim)
    if width != dim:
        raise ValueError(
            f"{name} returns {width} values per constituent instead of {dim}: with heads, write concat: false, "
            "or take a width that is a multiple of their number"
        )
    return built


def _built(factory: Callable[..., nn.Module], name: str, in_dim: int, out_dim: int, edge_dim: int | None) -> nn.Module:
    more = {} if edge_dim is None else {"edge_dim": edge_dim}
    try:
        built = factory(in_dim, out_dim, **more)
    except Exception as error:
        if more and "edge_dim" in str(error):
            raise ValueError(f"{name} takes no features of edges: leave out pairs, or take another") from error
        raise ValueError(f"{name} cannot be built as ({in_dim}, {out_dim}, …): {_first_line(error)}") from error
    _refuse_memory(built, name)
    return built


def _class_of(factory: Callable[..., Any]) -> type | None:
    """The class that a factory makes, where it can be seen."""
    if isinstance(factory, partial):
        inner = [factory.func, *factory.args]
        return next((one for one in inner if inspect.isclass(one)), None)
    return factory if inspect.isclass(factory) else None


def _with_own_defaults(factory: Callable[..., nn.Module], kind: type) -> Callable[..., nn.Module]:
    """A factory that leaves defaults to the class.

    A configuration that was read has all defaults, also those of the base class; but a class may give the base class
    others, as FeaStConv does with ``aggr``. Whoever wants its sum writes ``aggr: add``.
    """
    if not isinstance(factory, partial):
        return factory
    own, usual = inspect.signature(kind).parameters, inspect.signature(MessagePassing).parameters
    kept = {
        key: value
        for key, value in factory.keywords.items()
        if key in own or key not in usual or value != usual[key].default
    }
    return partial(factory.func, *factory.args, **kept)


def _refuse_other_kinds(kind: type, name: str) -> None:
    if name in NETWORKS and issubclass(kind, NETWORKS[name]):
        raise ValueError(f"{name} is made of a network: write class_path: MLPConv, init_args: {{kind: {name}}}")
    if issubclass(kind, HypergraphConv):
        raise ValueError(f"{name} acts on hyperedges: use the encoder HypergraphEncoder")
    takes = list(inspect.signature(kind.forward).parameters)  # type: ignore[attr-defined]
    if "edge_index" not in takes:
        raise ValueError(
            f"{name} is not given edges but {', '.join(takes[1:])}: take another, and say in graph who are neighbours"
        )
    first = list(inspect.signature(kind).parameters)[:2]
    if kind.__module__.startswith("torch_geometric.") and first != ["in_channels", "out_channels"]:
        raise ValueError(f"{name} begins with {' and '.join(first)}, and not with the widths in and out: take another")


def _refuse_memory(built: nn.Module, name: str) -> None:
    if vars(built).get("cached"):
        raise ValueError(f"{name} with cached: true would keep the edges of the first batch: leave it out")
    for module in built.modules():
        if isinstance(module, (nn.modules.batchnorm._NormBase, nn.SyncBatchNorm)):
            raise ValueError(
                f"{name} has a {type(module).__name__}, which would count padding too: choose another norm for it"
            )


def _try(built: nn.Module, name: str, dim: int, edge_dim: int | None) -> int:
    """The width that it returns for two pairs of neighbours, and one that is alone."""
    index = torch.tensor([[0, 1, 2, 3, 4], [1, 0, 3, 2, 4]])
    x = torch.linspace(-1, 1, 5 * dim).reshape(5, dim)
    further = {} if edge_dim is None else {"edge_attr": torch.linspace(-1, 1, 5 * edge_dim).reshape(5, edge_dim)}
    moved = x + torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0])[:, None]
    training = built.training
    try:
        with torch.no_grad():
            first, other = (built.eval()(one, index, **further) for one in (x, moved))
    except Exception as error:
        if "edge_attr" in str(error):
            takes = "takes no features of edges: leave out pairs" if further else "needs features of edges: set pairs"
            raise ValueError(f"{name} {takes}, or take another") from error
        raise ValueError(f"{name} cannot be run on a graph: {type(error).__name__}: {_first_line(error)}") from error
    finally:
        built.train(training)
    if not isinstance(first, Tensor) or first.dim() != 2 or len(first) != len(x):
        found = f"shape {tuple(first.shape)}" if isinstance(first, Tensor) else type(first).__name__
        raise ValueError(f"{name} returns {found} for {len(x)} constituents instead of a row of values for each")
    if not torch.allclose(first[:2], other[:2], atol=1e-5):
        raise ValueError(f"{name} lets constituents see others without an edge to them, so jets would see each other")
    return first.shape[1]


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
