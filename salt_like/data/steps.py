"""How the jets of a sample become steps: out of a packed copy, or straight from the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from salt_like.data.cache import Cache, CacheUnavailableError
from salt_like.data.loader import PackedSteps, Preparation, Steps
from salt_like.data.mixture import Mixture
from salt_like.data.packed import PackedColumns
from salt_like.data.sample import Sample
from salt_like.data.shuffle import Order, Shards
from salt_like.data.stream import FileSteps, StreamedSteps, block_counts


@dataclass(frozen=True)
class StepMaker:
    """Makes the steps of one process.

    Args:
        cache: Where packed copies are kept.
        policy: True to keep packed copies, False to read the files in each epoch, ``"auto"`` for True unless a copy
            cannot be written.
        prepare: What happens to the jets of each batch.
        batch_size: Jets in a batch of one process.
        accumulate: Batches per optimiser step, in training.
        world: Number of processes.
        rates: How often a jet of each cell is drawn in training, ``(cells + 1,)``; ``None`` to visit each jet once.
    """

    cache: Cache
    policy: bool | Literal["auto"]
    prepare: Preparation
    batch_size: int
    accumulate: int = 1
    world: int = 1
    rates: NDArray[np.float64] | None = None

    def shuffled(self, mixture: Mixture) -> Steps:
        """Steps of training: each epoch in another order.

        Raises:
            CacheUnavailableError: There must be a packed copy, but it cannot be written.
        """
        packed = self._packed(mixture, shuffle=True)
        if packed is not None:
            order = Order.of(len(packed), packed.nbytes, self.prepare.seed, self.cache.chunk)
            shards = self._shards(len(packed))
            return PackedSteps(packed, shards, self.prepare, order, self.accumulate, rates=self.rates)
        about = {"counts": mixture.fingerprint()}
        counts = self.cache.plain(about, lambda: {"jets": block_counts(mixture).tolist()})["jets"]
        shards = self._shards(sum(counts))
        return StreamedSteps(mixture, counts, shards, self.prepare, self.accumulate, rates=self.rates)

    def in_order(self, mixture: Mixture) -> Steps:
        """Steps of validation: the order of the files, in every epoch again.

        Raises:
            CacheUnavailableError: There must be a packed copy, but it cannot be written.
        """
        packed = self._packed(mixture, shuffle=False)
        if packed is None:
            return self.once(mixture)
        order = Order.of(len(packed), packed.nbytes, in_order=True)
        return PackedSteps(packed, self._shards(len(packed)), self.prepare, order)

    def once(self, sample: Sample | Mixture) -> Steps:
        """Steps of test and prediction: the order of the files, read once, so that no copy is worth its writing."""
        return FileSteps(sample, self.batch_size, self.prepare, self.prepare.rank, self.world)

    def _packed(self, mixture: Mixture, shuffle: bool) -> PackedColumns | None:
        if self.policy is False:
            return None
        files = {name: [part for part, _ in sample.source.parts] for name, sample in mixture.samples.items()}
        try:
            return self.cache.columns(mixture, {"sample": mixture.fingerprint(), "files": files}, shuffle)
        except CacheUnavailableError as error:
            if self.policy is True:
                raise
            self.cache.warn(f"no packed copy is kept, the files are read in each epoch: {error}")
            return None

    def _shards(self, size: int) -> Shards:
        return Shards(size, self.batch_size, self.prepare.rank, self.world)
