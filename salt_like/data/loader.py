"""Batches in the order of an epoch, prepared by any number of worker processes."""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from salt_like.batch import Batch
from salt_like.conditioning import ALWAYS
from salt_like.data.augment import Augmentation
from salt_like.data.collate import Collator
from salt_like.data.columns import Columns
from salt_like.data.hypothesis import conditioned
from salt_like.data.packed import PackedColumns
from salt_like.data.shuffle import EpochOrder, Order, Shards, grouped
from salt_like.data.transfer import Parcel, Step
from salt_like.data.windows import Windows
from salt_like.errors import UserError

Place: TypeAlias = "tuple[int, int]"  # epoch, item
TOGETHER = 2048  # jets that are fetched together
UNUSED = ("events", "positions")  # no part of a batch


class Steps(Dataset[list[Step]], ABC):
    """What a loader loads: the steps of an epoch in items, each made by one worker in one go."""

    @property
    @abstractmethod
    def length(self) -> int:
        """Number of optimiser steps of an epoch."""

    @abstractmethod
    def items(self, epoch: int, start: int) -> Iterator[tuple[Place, int]]:
        """The items from step `start` on, and how many steps to leave out at the beginning of each."""

    @abstractmethod
    def __getitem__(self, place: Place) -> list[Step]:
        """The steps of one item."""


@dataclass(frozen=True)
class Preparation:
    """What happens to the jets of a batch after they are read.

    Args:
        collator: Makes the batch.
        augment: Random changes, for training only.
        seed: Seed of the whole training.
        rank: Number of this process.
        factors: Factor on the weight of a jet of each cell, ``(cells + 1,)``; ``None`` for 1.
        parameter: Where jets of a parameterised network get values of its parameter: ``"each epoch"`` other ones,
            ``"once"`` for all, or not here.
    """

    collator: Collator
    augment: Sequence[Augmentation] = ()
    seed: int = 0
    rank: int = 0
    factors: NDArray[np.float64] | None = None
    parameter: Literal["each epoch", "once", "elsewhere"] = "elsewhere"

    def __call__(self, columns: Columns, epoch: int, batch: int) -> Batch:
        """The batch of these jets; `epoch` and `batch` (and not the worker) determine what is random."""
        return self.collator(self._changed(columns, epoch, batch))

    def batches(self, columns: Columns, sizes: Sequence[int], epoch: int, first: int) -> list[Batch]:
        """Batches of so many jets each, one after the other, of which `first` is the number of the first."""
        if not self.augment:
            return self.collator.batches(self._prepared(columns, epoch), sizes)
        parts = columns.split(sizes)
        return [self(part, epoch, batch) for batch, part in enumerate(parts, first)]

    def _changed(self, columns: Columns, epoch: int, batch: int) -> Columns:
        columns = self._prepared(columns, epoch)
        if self.augment:
            random = np.random.default_rng([self.seed, epoch, batch, self.rank])
            for change in self.augment:
                columns = change(columns, random, self.collator.spec)
        return columns

    def _prepared(self, columns: Columns, epoch: int) -> Columns:
        if self.parameter != "elsewhere":
            columns = conditioned(columns, self.collator.spec, epoch if self.parameter == "each epoch" else ALWAYS)
        return self._weighted(columns)

    def _weighted(self, columns: Columns) -> Columns:
        if self.factors is None:
            return columns
        factors = self.factors[columns.cells]
        weights = factors if columns.weights is None else columns.weights * factors
        return replace(columns, weights=weights.astype(np.float32))


class PackedSteps(Steps):
    """Steps out of a packed cache, several per item: jets that are fetched together cost less.

    Args:
        columns: The cache.
        shards: How an epoch is cut into batches.
        prepare: What happens to the jets of each batch.
        order: Order of the jets in each epoch.
        accumulate: Batches per optimiser step; with more than one, a step is a tuple of batches.
        together: Jets of an item, unless a single step has more.
        rates: How often a jet of each cell is drawn, ``(cells + 1,)``; ``None`` to visit each jet once.
    """

    def __init__(
        self,
        columns: PackedColumns,
        shards: Shards,
        prepare: Preparation,
        order: Order,
        accumulate: int = 1,
        together: int = TOGETHER,
        rates: NDArray[np.float64] | None = None,
    ) -> None:
        self.rates = rates
        self.columns = columns
        self.shards = shards
        self.prepare = prepare
        self.order = order
        self.accumulate = accumulate
        self.steps = max(1, together // (shards.batch_size * accumulate))  # in one item
        self._epoch: EpochOrder | None = None
        self._windows: Windows | None = None

    def __getstate__(self) -> dict[str, Any]:
        # another process reads for itself
        return {**self.__dict__, "_epoch": None, "_windows": None}

    @property
    def length(self) -> int:
        return -(-self.shards.batches // self.accumulate)

    def items(self, epoch: int, start: int) -> Iterator[tuple[Place, int]]:
        first = start // self.steps
        items = range(first, -(-self.length // self.steps))
        return (((epoch, item), start - item * self.steps if item == first else 0) for item in items)

    def __getitem__(self, place: Place) -> list[Step]:
        epoch, item = place
        per_item = self.steps * self.accumulate
        numbers = range(item * per_item, min((item + 1) * per_item, self.shards.batches))
        bounds = [self.shards.bounds(number) for number in numbers]
        columns = self._take(epoch, bounds)
        batches = self.prepare.batches(columns, [stop - start for start, stop in bounds], epoch, numbers.start)
        return [group[0] if self.accumulate == 1 else tuple(group) for group in grouped(batches, self.accumulate)]

    def _take(self, epoch: int, bounds: Sequence[tuple[int, int]]) -> Columns:
        if self._epoch is None or self._epoch.number != epoch:
            self._epoch = self.order.epoch(epoch)
        if self._windows is None or self._windows.process != os.getpid():
            worker = get_worker_info()
            alone = self.shards.world == 1 and (worker is None or worker.num_workers == 1)
            self._windows = Windows(self.columns, () if self.prepare.augment else UNUSED, alone, self.rates)
        if self.shards.world == 1:
            bounds = [(bounds[0][0], bounds[-1][1])]
        return Columns.concatenate([self._windows.take(self._epoch, *one) for one in bounds])


class Progress(Sampler["Place"]):
    """Where a loader is: the epoch, and how many of its steps have been handed out.

    Args:
        steps: What the loader loads.
    """

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.epoch = 0
        self.done = 0
        self._next_epoch = 0
        self._next_start = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; called by Lightning at the beginning of each."""
        if epoch != self._next_epoch:
            self._next_epoch, self._next_start = epoch, 0

    def begin(self) -> None:
        """Start the next epoch, in the middle after `load_state_dict`."""
        self.epoch, self.done = self._next_epoch, self._next_start
        self._next_epoch, self._next_start = self.epoch + 1, 0

    def __iter__(self) -> Iterator[Place]:
        return (place for place, _ in self.steps.items(self.epoch, self.done))

    def state_dict(self) -> dict[str, int]:
        """Epoch, steps handed out, and how many steps that epoch has."""
        return {"epoch": self.epoch, "done": self.done, "of": self.steps.length}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where another loader of the same data was.

        Raises:
            UserError: That loader cut its epochs into another number of steps, so its position means nothing here.
        """
        epoch, done = state["epoch"], state["done"]
        if done >= state["of"]:
            epoch, done = epoch + 1, 0
        if done and self.steps.length != state["of"]:
            raise UserError(
                f"the run was interrupted after {done} of {state['of']} steps of epoch {epoch}, but now an epoch has "
                f"{self.steps.length} steps\n"
                f"resume with the same training files, selections, batch_size, accumulate and number of processes"
            )
        self.epoch, self.done = epoch, done
        self._next_epoch, self._next_start = epoch, done


class Loader:
    """Yields the batches of one epoch after the other.

    Each iteration is the next epoch; Lightning says which through ``sampler.set_epoch``. The position in the middle of
    an epoch can be saved and restored.

    Args:
        steps: What is loaded.
        workers: Worker processes; 0 prepares the batches in this process.
        start_method: How workers are started: ``"fork"``, ``"spawn"``, ``"forkserver"`` or the system's default.
        pin_memory: Put batches into page-locked memory, from which a CUDA device reads faster.
    """

    def __init__(
        self,
        steps: Steps,
        workers: int = 0,
        start_method: Literal["fork", "spawn", "forkserver"] | None = None,
        pin_memory: bool = False,
    ) -> None:
        self.steps = steps
        self.sampler = Progress(steps)
        self.batch_sampler = None  # Lightning looks for it where it finds a sampler
        self.workers = workers
        self.start_method = start_method
        self.pin_memory = pin_memory
        self._loader: DataLoader[Any] | None = None
        self._epochs: weakref.WeakSet[Generator[Step, None, None]] = weakref.WeakSet()

    def __len__(self) -> int:
        return self.steps.length

    def __iter__(self) -> Iterator[Step]:
        epoch = self._epoch()
        self._epochs.add(epoch)
        return epoch

    def close(self) -> None:
        """End the workers; iterating starts them again."""
        # left to the garbage collector, torch waits five seconds for each of them
        for epoch in list(self._epochs):
            epoch.close()
        self._loader = None

    def _epoch(self) -> Generator[Step, None, None]:
        # nothing happens before the first batch is asked for, so that set_epoch may still come
        self.sampler.begin()
        skips = (skip for _, skip in self.steps.items(self.sampler.epoch, self.sampler.done))
        for steps, skip in zip(self._items(), skips, strict=True):
            for step in steps[skip:]:
                self.sampler.done += 1
                yield step

    def _items(self) -> Iterator[list[Step]]:
        if self.workers == 0:
            for place in self.sampler:
                steps = self.steps[place]
                yield [_pinned(step) for step in steps] if self.pin_memory else steps
            return
        if self._loader is None:
            self._loader = self._started()
        for parcel in self._loader:
            yield parcel.open()

    def _started(self) -> DataLoader[Any]:
        return DataLoader(
            self.steps,
            batch_size=None,
            sampler=self.sampler,
            num_workers=self.workers,
            collate_fn=Parcel.of,
            pin_memory=self.pin_memory,
            persistent_workers=True,
            multiprocessing_context=self.start_method,
            # torch's own generator would move by one with every iteration, also with the one that a resumed run begins
            generator=torch.Generator(),
        )

    def state_dict(self) -> dict[str, int]:
        """Epoch and position within it."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue at this epoch and position."""
        self.sampler.load_state_dict(state)


def _pinned(step: Step) -> Step:
    return tuple(batch.pin_memory() for batch in step) if isinstance(step, tuple) else step.pin_memory()
