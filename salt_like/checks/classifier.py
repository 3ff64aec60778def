"""A small network that tries to tell two samples apart: what it finds, a difference in one variable may not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from salt_like.checks.drawn import Draw, Key
from salt_like.checks.finding import Check, Finding, Options
from salt_like.data.conventions import IDENTITY_FIELDS
from salt_like.data.watch import watch

APART = Check(
    "auc",
    "error",
    "a classifier tells two samples apart",
    "look at the variables that drive it; leave out with --ignore what is meant to differ, or allow it: --max-auc",
)
FOLDS = 3
WIDTH = 64
EPOCHS = 8
SMALLEST_BATCH, LARGEST_BATCH = 64, 512
PERMUTED = 20_000  # jets that the importance of variables is measured on, per fold
FEWEST = 60  # jets of each sample
SURE = 2.0  # standard deviations by which the AUC must be beyond a threshold

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """How well two samples can be told apart.

    Args:
        auc: Area under the ROC curve on jets that the network was not trained on, 0.5 for samples of one distribution.
        error: Standard deviation of it, events taken as a whole.
        jets: Jets of each sample that were used.
        importance: Variable → how much of the AUC is lost when its values are exchanged among jets, largest first.
            Variables that say the same share it.
    """

    auc: float
    error: float
    jets: tuple[int, int]
    importance: Mapping[str, float] = field(default_factory=dict)

    @property
    def surely(self) -> float:
        """The AUC that is exceeded even if chance helped by two standard deviations."""
        return self.auc - SURE * self.error


def separate(first: Draw, second: Draw, seed: int, is_weighted: bool = False) -> Separation | None:
    """Train a classifier between two samples, and test it on other events.

    A network of two hidden layers of 64 sees the variables of the jet, and of each constituents' variable mean and
    largest value. All jets of one event are on the same side of the division into training and test.

    Args:
        first: Jets of one sample.
        second: Jets of another one.
        seed: Of initial weights, batches and permutations; nothing global is seeded.
        is_weighted: True where jets have weights.

    Returns:
        ``None`` where there are too few jets or no common variable.
    """
    keys = [key for key in first.features if key in second.features and key[1] not in IDENTITY_FIELDS]
    if not keys or min(first.jets, second.jets) < FEWEST:
        return None
    columns, values = _features(first, second, keys)
    is_second = np.arange(len(values)) >= first.jets
    events = np.concatenate([first.events, second.events])
    weights = np.concatenate([first.weights, second.weights]) if is_weighted else np.ones(len(values))
    fold_of = (np.unique(events, return_inverse=True)[1].reshape(-1) * 2654435761 % 2**32) * FOLDS // 2**32
    random = torch.Generator().manual_seed(seed)
    areas, errors, scored = [], [], []
    with watch("telling two samples apart") as progress:
        for fold in range(FOLDS):
            test = fold_of == fold
            network = _Network(values[~test], is_second[~test], weights[~test], random)
            scores = network(values[test])
            area, error = auc_of_events(scores, is_second[test], events[test], weights[test])
            areas.append(area)
            errors.append(error)
            scored.append((network, np.flatnonzero(test)))
            progress(fold + 1, FOLDS + 1)
        area, error = float(np.mean(areas)), float(np.sqrt(np.square(errors).sum())) / FOLDS
        importance = {}
        if area - SURE * error > 0.5:
            importance = _importance(scored, values, is_second, weights, columns, random)
    return Separation(area, error, (first.jets, second.jets), importance)


def auc_of_events(
    scores: Floats, positive: NDArray[np.bool_], events: NDArray[np.uint64], weights: Floats
) -> tuple[float, float]:
    """Area under the ROC curve and its error, with all jets of an event taken together.

    The error is that of DeLong et al. (Biometrics 44 (1988) 837) for clustered data (Obuchowski, Biometrics 53 (1997)
    567).

    Args:
        scores: ``(n,)``.
        positive: ``(n,)``.
        events: Event of each entry, ``(n,)``.
        weights: ``(n,)``.

    Returns:
        NaN, NaN when either kind is missing.
    """
    sums = [float(weights[chosen].sum()) for chosen in (positive, ~positive)]
    if min(sums) <= 0:
        return float("nan"), float("nan")
    _, index = np.unique(scores, return_inverse=True)
    index = index.reshape(-1)
    up, down = (np.bincount(index[one], weights[one], minlength=index.max() + 1) for one in (positive, ~positive))
    below = (np.cumsum(down) - down / 2) / sums[1]
    above = (np.cumsum(up[::-1])[::-1] - up / 2) / sums[0]
    area = float((up * below).sum() / sums[0])
    won = np.where(positive, below[index], above[index]) - area
    shares = weights * won / np.where(positive, *sums)
    _, event = np.unique(events, return_inverse=True)
    per_event = np.bincount(event.reshape(-1), shares)
    number = len(per_event)
    return area, float(np.sqrt(np.square(per_event).sum() * number / (number - 1))) if number > 1 else float("nan")


def _features(first: Draw, second: Draw, keys: Sequence[Key]) -> tuple[dict[str, list[int]], NDArray[np.float32]]:
    """Columns of each variable, and all variables of both samples in a range that a network likes, ``(n, F)``."""
    columns: dict[str, list[int]] = {}
    made: list[NDArray[np.float32]] = []
    for stream, name in keys:
        both = np.concatenate([first.features[stream, name], second.features[stream, name]])
        for column in both.T:
            finite = np.isfinite(column)
            low, middle, high = np.percentile(column[finite], [16, 50, 84]) if finite.any() else (0.0, 0.0, 0.0)
            width = (high - low) / 2 or float(column[finite].std(dtype=np.float64)) if finite.any() else 0.0
            scaled = np.arcsinh((np.where(finite, column, middle) - middle) / (width or 1.0)).astype(np.float32)
            parts = [scaled] if finite.all() else [scaled, (~finite).astype(np.float32)]
            columns.setdefault(f"{stream}.{name}" if name else f"number of {stream}", []).extend(
                range(len(made), len(made) + len(parts))
            )
            made += parts
    return columns, np.stack(made, 1)


class _Network:
    """Two hidden layers, trained when made; scores are logits."""

    def __init__(
        self, values: NDArray[np.float32], is_second: NDArray[np.bool_], weights: Floats, random: torch.Generator
    ) -> None:
        sizes = [values.shape[1], WIDTH, WIDTH, 1]
        self.layers = [
            (
                (torch.randn(out, into, generator=random) * (2 / into) ** 0.5).requires_grad_(),
                torch.zeros(out, requires_grad=True),
            )
            for into, out in pairwise(sizes)
        ]
        # negative weights have no meaning in a loss; both samples count the same
        absolute = np.abs(weights)
        for chosen in (is_second, ~is_second):
            absolute[chosen] /= max(float(absolute[chosen].mean()), 1e-30) if chosen.any() else 1.0
        self._train(torch.from_numpy(values), torch.from_numpy(is_second).float(), torch.from_numpy(absolute), random)

    def _train(self, values: Tensor, targets: Tensor, weights: Tensor, random: torch.Generator) -> None:
        number = len(values)
        size = min(LARGEST_BATCH, max(SMALLEST_BATCH, number // 20))
        steps = EPOCHS * -(-number // size)
        optimiser = torch.optim.AdamW([one for layer in self.layers for one in layer], lr=5e-3, weight_decay=0.05)
        share = float(targets.mean())
        weights = weights.float() * torch.where(targets > 0, 0.5 / max(share, 1e-9), 0.5 / max(1 - share, 1e-9))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(EPOCHS):
            for chosen in torch.randperm(number, generator=random).split(size):
                logits = self._logits(values[chosen])
                loss = F.binary_cross_entropy_with_logits(logits, targets[chosen], weights[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()

    def _logits(self, values: Tensor) -> Tensor:
        for weight, bias in self.layers[:-1]:
            values = F.relu(F.linear(values, weight, bias))
        return F.linear(values, *self.layers[-1]).squeeze(-1)

    @torch.no_grad()
    def __call__(self, values: NDArray[np.float32]) -> Floats:
        found: Floats = self._logits(torch.from_numpy(np.ascontiguousarray(values))).double().numpy()
        return found


def _importance(
    scored: Sequence[tuple[_Network, NDArray[np.intp]]],
    values: NDArray[np.float32],
    is_second: NDArray[np.bool_],
    weights: Floats,
    columns: Mapping[str, Sequence[int]],
    random: torch.Generator,
) -> dict[str, float]:
    """AUC lost when one variable after the other is exchanged among the jets of the test part."""
    lost = dict.fromkeys(columns, 0.0)
    for network, rows in scored:
        rows = rows[torch.randperm(len(rows), generator=random).numpy()[:PERMUTED]]
        part = values[rows]
        fixed = (is_second[rows], np.arange(len(rows), dtype=np.uint64), weights[rows])
        area, _ = auc_of_events(network(part), *fixed)
        for name, chosen in columns.items():
            changed = part.copy()
            order = torch.randperm(len(part), generator=random).numpy()
            changed[:, chosen] = part[order][:, chosen]
            lost[name] += (area - auc_of_events(network(changed), *fixed)[0]) / len(scored)
    return dict(sorted(lost.items(), key=lambda one: -one[1]))


def findings(pair: str, found: Separation, options: Options) -> list[Finding]:
    """That two samples can be told apart, if they can.

    Args:
        pair: What messages call the two samples.
        found: How well.
        options: The threshold.
    """
    if not found.surely > options.max_auc:
        return []
    driver = next(iter(found.importance), "all")
    return [
        Finding(
            APART,
            pair,
            "all inputs",
            value=f"{found.auc:.3f}",
            detail=f"AUC ± {found.error:.3f}, allowed {options.max_auc:g}; mostly {driver}",
        )
    ]
