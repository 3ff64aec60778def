"""Batches in the order of an epoch, prepared by any number of worker processes."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from salt_like.batch import Batch
from salt_like.data.augment import Augmentation
from salt_like.data.collate import Collator
from salt_like.data.columns import Columns
from salt_like.data.packed import PackedColumns
from salt_like.data.shuffle import EpochOrder, Order, Shards
from salt_like.data.transfer import Parcel, Step
from salt_like.errors import UserError

Place: TypeAlias = "tuple[int, int]"  # epoch, item


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
    """

    collator: Collator
    augment: Sequence[Augmentation] = ()
    seed: int = 0
    rank: int = 0

    def __call__(self, columns: Columns, epoch: int, batch: int) -> Batch:
        """The batch of these jets; `epoch` and `batch` (and not the worker) determine what is random."""
        if self.augment:
            random = np.random.default_rng([self.seed, epoch, batch, self.rank])
            for change in self.augment:
                columns = change(columns, random, self.collator.spec)
        return self.collator(columns)


class PackedSteps(Steps):
    """Steps out of a packed cache, one per item.

    Args:
        columns: The cache.
        shards: How an epoch is cut into batches.
        prepare: What happens to the jets of each batch.
        order: Order of the jets in each epoch; ``None`` for the order of the cache.
        accumulate: Batches per optimiser step; with more than one, a step is a tuple of batches.
    """

    def __init__(
        self,
        columns: PackedColumns,
        shards: Shards,
        prepare: Preparation,
        order: Order | None = None,
        accumulate: int = 1,
    ) -> None:
        self.columns = columns
        self.shards = shards
        self.prepare = prepare
        self.order = order
        self.accumulate = accumulate
        self._epoch: EpochOrder | None = None

    @property
    def length(self) -> int:
        return -(-self.shards.batches // self.accumulate)

    def items(self, epoch: int, start: int) -> Iterator[tuple[Place, int]]:
        return (((epoch, step), 0) for step in range(start, self.length))

    def __getitem__(self, place: Place) -> list[Step]:
        epoch, step = place
        first = step * self.accumulate
        numbers = range(first, min(first + self.accumulate, self.shards.batches))
        batches = tuple(self._batch(epoch, number) for number in numbers)
        return [batches[0] if self.accumulate == 1 else batches]

    def _batch(self, epoch: int, number: int) -> Batch:
        start, stop = self.shards.bounds(number)
        if self.order is None:
            index = np.arange(start, stop)
        else:
            fresh = self._epoch is None or self._epoch.number != epoch
            if self._epoch is None or fresh:
                self._epoch = self.order.epoch(epoch)
            window = self.order.window
            # read while others compute: what is needed one window later, at first also what is needed until then
            ahead = (start, start + window) if fresh else (start + window, stop + window)
            self.columns.prefetch(*self._epoch.ahead(*ahead))
            index = self._epoch.take(start, stop)
        return self.prepare(self.columns.take(index), epoch, number)


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
        if self._loader is None:
            self._loader = self._started()
        for item, skip in zip(self._loader, skips, strict=True):
            steps: list[Step] = item.open() if self.workers else item
            for step in steps[skip:]:
                self.sampler.done += 1
                yield step

    def _started(self) -> DataLoader[Any]:
        return DataLoader(
            self.steps,
            batch_size=None,
            sampler=self.sampler,
            num_workers=self.workers,
            collate_fn=Parcel.of if self.workers else _as_it_is,
            pin_memory=self.pin_memory,
            persistent_workers=self.workers > 0,
            multiprocessing_context=self.start_method if self.workers else None,
            # torch's own generator would move by one with every iteration, also with the one that a resumed run begins
            generator=torch.Generator(),
        )

    def state_dict(self) -> dict[str, int]:
        """Epoch and position within it."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue at this epoch and position."""
        self.sampler.load_state_dict(state)


def _as_it_is(steps: list[Step]) -> list[Step]:
    return steps
