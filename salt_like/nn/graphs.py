"""Which constituents of a jet exchange messages.

A graph has a fixed number K of places for neighbours of each constituent, and says which of them are taken. So its
shape does not depend on the data: it can be exported and compiled, and it is never empty.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from salt_like.nn.checks import at_least
from salt_like.nn.distances import Distance, between
from salt_like.rows import take_rows
from salt_like.sets import Layout, Tokens

# stands for an infinite squared distance, and is finite so that no arithmetic makes NaN of it
FAR = 1e30


@dataclass(frozen=True)
class Edges:
    """Directed edges within jets, from neighbours j to each constituent i, in the grids of a layout.

    Args:
        layout: Which constituents belong to which jet.
        senders: Slot of each neighbour in its grid, ``(B_k, N_k, K_k)`` int64; any slot where there is no neighbour.
        real: Where there is a neighbour, ``(B_k, N_k, K_k)`` bool.
    """

    layout: Layout
    senders: tuple[Tensor, ...]
    real: tuple[Tensor, ...]

    def sent(self, x: Tensor) -> tuple[Tensor, ...]:
        """Values of the neighbours of each constituent: ``(T, ...)`` or ``(B, N, ...)`` → ``(B_k, N_k, K_k, ...)``."""
        return tuple(_rows(grid, senders) for grid, senders in zip(self.layout.grids(x), self.senders, strict=True))

    def of_pairs(self, pairs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What is known of pairs (receiver, sender), ``(B_k, N_k, N_k, F)`` → ``(B_k, N_k, K_k, F)``."""
        return tuple(
            _rows(grid.flatten(0, 1), senders.flatten(0, 1)[:, None]).reshape(*senders.shape, grid.shape[-1])
            for grid, senders in zip(pairs, self.senders, strict=True)
        )

    def gather(self, messages: Sequence[Tensor], aggregate: str) -> Tensor:
        """The messages that each constituent gets, made one; 0 for a constituent without neighbours.

        Args:
            messages: One of each place, ``(B_k, N_k, K_k, D)``.
            aggregate: ``"max"``, ``"mean"`` or ``"sum"``.

        Returns:
            ``(T, D)`` or ``(B, N, D)``.
        """
        combine = AGGREGATES[aggregate]
        return self.layout.from_grids(
            [combine(message, real[..., None]) for message, real in zip(messages, self.real, strict=True)]
        )

    def softmax(self, scores: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Softmax over the neighbours of each constituent, ``(B_k, N_k, K_k, H)``; 0 where there is no neighbour."""
        weights = []
        for score, real in zip(scores, self.real, strict=True):
            mask = real[..., None]
            low = torch.where(mask, score, torch.full_like(score, torch.finfo(score.dtype).min))
            raised = torch.where(mask, low - low.amax(2, keepdim=True).detach(), torch.zeros_like(low))
            part = torch.where(mask, raised.exp(), torch.zeros_like(raised))
            weights.append(part / part.sum(2, keepdim=True).clamp(min=torch.finfo(part.dtype).tiny))
        return tuple(weights)

    def index(self) -> Tensor:
        """Positions of sender and receiver of each edge, ``(2, E)`` int64, as torch_geometric wants them.

        Positions count the rows of values ``(T, D)``, or of ``(B, N, D)`` flattened. A place without a neighbour is an
        edge from one further node to itself, whose position is their number; so the graph is never empty.
        """
        valid = self.layout.valid
        numbers = torch.arange(valid.numel(), device=valid.device).reshape(valid.shape)
        ghost = valid.numel()
        ends = []
        for grid, senders, real in zip(self.layout.grids(numbers), self.senders, self.real, strict=True):
            sender = _rows(grid[..., None], senders)[..., 0]
            receiver = grid[..., None].expand(senders.shape)
            both = torch.stack([sender, receiver])
            ends.append(torch.where(real, both, torch.full_like(both, ghost)).flatten(1))
        return torch.cat([*ends, numbers.new_full((2, 1), ghost)], 1)


class Graph(nn.Module, ABC):
    """Chooses the neighbours of each constituent among those of its jet.

    Args:
        reads: Variables whose raw values it looks at.
        dynamic: Whether it looks at the tokens, so that each layer has edges of its own.
    """

    def __init__(self, reads: Sequence[str] = (), dynamic: bool = False) -> None:
        super().__init__()
        self.reads = tuple(dict.fromkeys(reads))
        self.dynamic = dynamic

    @abstractmethod
    def forward(self, tokens: Tokens) -> Edges:
        """The edges among the tokens of each jet."""


class CompleteGraph(Graph):
    """Every constituent is a neighbour of every other of its jet.

    Args:
        loops: Whether each is its own neighbour too.
    """

    def __init__(self, loops: bool = False) -> None:
        super().__init__()
        self.loops = loops

    def forward(self, tokens: Tokens) -> Edges:
        senders, reals = [], []
        for valid in tokens.layout.grid_valid():
            number = valid.shape[1]
            slots = torch.arange(number, device=valid.device)
            real = valid[:, :, None] & valid[:, None, :]
            senders.append(slots.expand(valid.shape[0], number, number))
            reals.append(real if self.loops else real & (slots[:, None] != slots))
        return Edges(tokens.layout, tuple(senders), tuple(reals))


class NearestNeighbours(Graph):
    """The k nearest other constituents are neighbours; all others where a jet has no more than k + 1 constituents.

    Without coordinates the distance is that of the tokens themselves, so that the graph changes from layer to layer
    (arXiv:1801.07829). Of several that are equally near, those that stand first in the jet are taken.

    Args:
        k: Largest number of neighbours.
        coordinates: Variables that span the space, such as ``[deta, dphi]``; ``None`` for the tokens.
        angles: Those of them that are angles in rad, whose difference is wrapped to [-π, π].
        loops: Whether each is its own neighbour too, besides the k others.
    """

    def __init__(
        self, k: int, coordinates: Sequence[str] | None = None, angles: Sequence[str] = (), loops: bool = False
    ) -> None:
        super().__init__(coordinates or (), dynamic=coordinates is None)
        at_least(1, k=k)
        self.k = k
        self.loops = loops
        self.distance = None if coordinates is None else Distance(coordinates, angles)

    def forward(self, tokens: Tokens) -> Edges:
        squared = between(tokens) if self.distance is None else self.distance(tokens)
        return _nearest(tokens.layout, squared, self.k, FAR, self.loops)


class RadiusGraph(Graph):
    """Constituents within a distance are neighbours; of more than `most` the nearest, of equally near ones the first.

    Args:
        radius: Largest distance, in the unit of the coordinates.
        coordinates: Variables that span the space.
        angles: Those of them that are angles in rad, whose difference is wrapped to [-π, π].
        most: Largest number of neighbours.
        loops: Whether each is its own neighbour too, besides the others.
    """

    def __init__(
        self,
        radius: float,
        coordinates: Sequence[str],
        angles: Sequence[str] = (),
        most: int = 16,
        loops: bool = False,
    ) -> None:
        super().__init__(coordinates)
        at_least(1, most=most)
        if not 0 < radius < math.inf:
            raise ValueError(f"radius must be positive, got {radius}")
        self.radius = radius
        self.most = most
        self.loops = loops
        self.distance = Distance(coordinates, angles)

    def forward(self, tokens: Tokens) -> Edges:
        return _nearest(tokens.layout, self.distance(tokens), self.most, self.radius**2, self.loops)


def _nearest(layout: Layout, squared: Sequence[Tensor], k: int, most: float, loops: bool) -> Edges:
    senders, reals = [], []
    for distance, valid in zip(squared, layout.grid_valid(), strict=True):
        jets, number = valid.shape
        slots = torch.arange(number, device=valid.device)
        there = valid[:, :, None] & valid[:, None, :] & (slots[:, None] != slots) & (distance <= most)
        # k further slots far away, so that there are always k to choose from
        far = distance.new_full((jets, number, k), FAR)
        sender, real = _first(torch.cat([torch.where(there, distance, FAR), far], 2).detach(), k)
        sender = sender.clamp(max=max(number - 1, 0))
        if loops:
            sender = torch.cat([slots[:, None].expand(jets, number, 1), sender], 2)
            real = torch.cat([valid[:, :, None], real], 2)
        senders.append(sender)
        reals.append(real)
    return Edges(layout, tuple(senders), tuple(reals))


def _first(distance: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Slots of the k smallest, the first of equal ones, and whether they are nearer than `FAR`.

    What `torch.topk` takes of equal ones is not defined, and other runtimes take others. So it is asked for the k-th
    smallest distance, and then for slots, which are all different.
    """
    number = distance.shape[2]
    last = distance.topk(k, largest=False).values[:, :, -1:]
    slots = torch.arange(number, device=distance.device, dtype=distance.dtype)
    later = torch.where(distance == last, slots + number, slots + 2 * number)
    found, slot = torch.where(distance < last, slots, later).topk(k, largest=False)
    return slot, (found < number) | (last < FAR)


def _rows(grid: Tensor, slots: Tensor) -> Tensor:
    """Rows of each jet by slot: ``(B, N, ...)`` and ``(B, M, K)`` → ``(B, M, K, ...)``."""
    jets, number = grid.shape[:2]
    first = torch.arange(jets, device=grid.device)[:, None, None] * number
    return take_rows(grid.flatten(0, 1), (first + slots).flatten()).reshape(*slots.shape, *grid.shape[2:])


def _largest(messages: Tensor, real: Tensor) -> Tensor:
    low = torch.where(real, messages, torch.full_like(messages, torch.finfo(messages.dtype).min)).amax(2)
    return torch.where(real.any(2), low, torch.zeros_like(low))


def _sum(messages: Tensor, real: Tensor) -> Tensor:
    return torch.where(real, messages, torch.zeros_like(messages)).sum(2)


def _mean(messages: Tensor, real: Tensor) -> Tensor:
    return _sum(messages, real) / real.sum(2).clamp(min=1).to(messages.dtype)


AGGREGATES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"max": _largest, "mean": _mean, "sum": _sum}
