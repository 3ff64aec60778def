"""How fast a model and its data are on this machine."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from salt_like.batch import Batch
from salt_like.training.module import Model
from salt_like.training.optimisers import make_optimizer

T = TypeVar("T")


@dataclass(frozen=True)
class Rate:
    """Speed of one kind of work.

    Args:
        work: What was timed.
        jets_per_second: Median over the batches.
        low: 16 % quantile over the batches.
        high: 84 % quantile over the batches.
        flops_per_jet: Floating-point operations per jet in matrix products, 0 where there are none.
        peak_memory: Growth of the process's peak memory in bytes since before the first work.
    """

    work: str
    jets_per_second: float
    low: float
    high: float
    flops_per_jet: float
    peak_memory: int

    @property
    def flops_per_second(self) -> float:
        """Floating-point operations per second."""
        return self.flops_per_jet * self.jets_per_second


def matrix_rate(device: torch.device | str = "cpu", size: int = 1024, seconds: float = 0.5) -> float:
    """Floating-point operations per second of a large float32 matrix product on this device."""
    first, second = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    durations = _durations(lambda matrix: matrix @ second, itertools.repeat(first), device, seconds)
    return 2 * size**3 / sorted(durations)[len(durations) // 2]


def measure(
    model: Model, loader: Iterable[Batch | Sequence[Batch]], batches: int = 8, seconds: float = 5.0
) -> list[Rate]:
    """Speed of the loader alone, of the forward pass, of a training step and of a prediction.

    Args:
        model: The model, on its device; its weights are changed.
        loader: Batches of training.
        batches: Number of different batches that are kept in memory for what is timed without the loader.
        seconds: Time spent on each kind of work.
    """
    device = next(model.parameters()).device
    before = _peak()
    kept: list[Batch] = []
    durations, sizes = [], []
    clock = time.perf_counter()
    for item in loader:
        parts = (item,) if isinstance(item, Batch) else item
        now = time.perf_counter()
        durations.append(now - clock)
        sizes.append(sum(part.size for part in parts))
        kept.extend(part.to(device) for part in parts[: max(0, batches - len(kept))])
        clock = time.perf_counter()
        if sum(durations) > seconds and len(kept) >= batches:
            break
    # the first batch also pays for starting workers
    rates = [_rate("loader alone", durations[1:] or durations, sizes[1:] or sizes, 0.0, before)]

    optimizer = make_optimizer(model.optimizer, model)

    def forward(batch: Batch) -> None:
        with torch.inference_mode():
            model(batch)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        loss, _ = model.objective((batch,))
        loss.backward()
        optimizer.step()

    def predict(batch: Batch) -> None:
        with torch.inference_mode():
            model.deployed.predict(batch)

    for name, work in {"forward": forward, "training step": step, "prediction": predict}.items():
        model.train(name == "training step")
        flops = _flops(work, kept[0]) / kept[0].size
        for batch in kept:
            work(batch)
        durations = _durations(work, itertools.cycle(kept), device, seconds)
        sizes = [batch.size for batch in itertools.islice(itertools.cycle(kept), len(durations))]
        rates.append(_rate(name, durations, sizes, flops, before))
    return rates


def _durations(
    work: Callable[[T], object], items: Iterator[T], device: torch.device | str, seconds: float
) -> list[float]:
    durations: list[float] = []
    while sum(durations) < seconds or len(durations) < 3:
        item = next(items)
        start = time.perf_counter()
        work(item)
        if torch.device(device).type == "cuda":  # pragma: needs cuda
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - start)
    return durations


def _rate(work: str, durations: list[float], sizes: list[int], flops: float, before: int) -> Rate:
    rates = torch.tensor(sizes, dtype=torch.float64) / torch.tensor(durations, dtype=torch.float64)
    low, median, high = torch.quantile(rates, torch.tensor([0.16, 0.5, 0.84], dtype=torch.float64)).tolist()
    return Rate(work, median, low, high, flops, _peak() - before)


def _flops(work: Callable[[Batch], object], batch: Batch) -> float:
    """Operations in matrix products; 0 where torch is too old to count them (before 2.1)."""
    try:
        from torch.utils.flop_counter import FlopCounterMode
    except ModuleNotFoundError:
        work(batch)
        return 0.0
    with FlopCounterMode(display=False) as counter:
        work(batch)
    return float(counter.get_total_flops())


def _peak() -> int:
    """Largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
