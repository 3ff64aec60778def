"""A small Lightning module and data module, wired as the real ones are, for tests of the command line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import torch
from lightning import LightningDataModule, LightningModule
from torch import nn

from salt_like.spec import DataSpec, Request, Stream


class Block(nn.Module, ABC):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def kind(self) -> str: ...


class Attentive(Block):
    def __init__(self, dim: int, layers: int = 3, rate: float = 0.1, norm: Literal["pre", "post"] = "pre") -> None:
        super().__init__(dim)
        self.layers, self.rate, self.norm = layers, rate, norm

    def kind(self) -> str:
        return "attentive"


class Summing(Block):
    def __init__(self, dim: int, rate: float = 0.5, sizes: list[int] | None = None) -> None:
        super().__init__(dim)
        self.rate, self.sizes = rate, sizes

    def kind(self) -> str:
        return "summing"


class Head(nn.Module, ABC):
    def __init__(
        self, spec: DataSpec, token_dim: int, pooled_dim: int, *, stream: str, label: str, weight: float
    ) -> None:
        super().__init__()
        self.spec, self.dims = spec, (token_dim, pooled_dim)
        self.stream, self.label, self.weight = stream, label, weight

    @abstractmethod
    def kind(self) -> str: ...


class Sorting(Head):
    def __init__(
        self,
        spec: DataSpec,
        token_dim: int,
        pooled_dim: int,
        *,
        stream: str,
        label: str,
        weight: float = 1.0,
        label_map: dict[int, str] | None = None,
    ) -> None:
        super().__init__(spec, token_dim, pooled_dim, stream=stream, label=label, weight=weight)

    @classmethod
    def reads(cls, stream: str, label: str, label_map: dict[int, str] | None = None, **_: Any) -> tuple[Request, ...]:
        return (Request(stream, label, "class", label_map=label_map),)

    def kind(self) -> str:
        return "sorting"


@dataclass(frozen=True)
class VariableEntry:
    transform: str | None = None
    default: float | None = None


class Split(TypedDict):
    by: str
    fractions: list[float]


class Model(LightningModule):
    def __init__(
        self,
        spec: DataSpec,
        tasks: dict[str, Callable[[DataSpec, int, int], Head]],
        name: str = "tagger",
        dim: int = 64,
        encoder: Callable[[int], Block] = Attentive,
        optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer] = torch.optim.AdamW,
        weighting: Literal["fixed", "learned"] = "fixed",
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.spec, self.name, self.optimizer, self.weighting = spec, name, optimizer, weighting
        self.encoder = encoder(dim)
        self.tasks = nn.ModuleDict({key: task(spec, dim, 2 * dim) for key, task in tasks.items()})
        self.first_weight = float(torch.rand(1))
        if dim == 13:
            raise ValueError("dim must not be 13")


class Data(LightningDataModule):
    def __init__(
        self,
        train: str | list[str] | dict[str, str | list[str]] | None = None,
        inputs: dict[str, list[str] | dict[str, VariableEntry | str | None]] | None = None,
        batch_size: int = 1000,
        select: dict[str, str] | None = None,
        split: Split | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        requests: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.train, self.inputs, self.seed, self.requests = train, inputs, seed, requests
        self.spec = DataSpec((Stream("jets", is_global=True),))
