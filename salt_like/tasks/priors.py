"""Class fractions that probabilities are made for, and the temperature of their likelihood ratios."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from salt_like.errors import nearest
from salt_like.spec import Label


def trained_prior(label: Label, weights: Sequence[float]) -> tuple[float, ...]:
    """Class fractions that a loss with these class weights sees: those of the training, weighted; else all equal.

    Args:
        label: The label.
        weights: One per class.
    """
    fractions = next((one for one in (label.prior, label.counts) if any(one)), (1.0,) * len(label.classes))
    weighted = [one * weight for one, weight in zip(fractions, weights, strict=True)]
    return tuple(one / sum(weighted) for one in weighted)


def given_prior(given: Mapping[str, float], label: Label, trained: Sequence[float]) -> tuple[float, ...]:
    """Class fractions in the order of the label's classes.

    Args:
        given: Class → fraction, for every class that the loss saw.
        label: The label.
        trained: Class fractions that the loss saw.

    Raises:
        ValueError: They are not exactly these classes, a fraction is not above 0, or the sum is not 1.
    """
    known = [name for name, one in zip(label.classes, trained, strict=True) if one > 0]
    allowed = f"a fraction above 0 for each of {', '.join(known)}, of sum 1"
    for name, value in given.items():
        if name not in label.classes:
            raise ValueError(f"prior: no class '{name}'{nearest(name, label.classes)}\nallowed: {allowed}")
        if name not in known:
            raise ValueError(f"prior: the loss saw nothing of class '{name}', so leave it out\nallowed: {allowed}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise ValueError(f"prior: the fraction of '{name}' is {value}\nallowed: {allowed}")
    missing = [name for name in known if name not in given]
    if missing:
        raise ValueError(f"prior: no fraction for {', '.join(missing)}\nallowed: {allowed}")
    total = sum(given.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"prior: the fractions sum to {total:.6g}\nallowed: {allowed}")
    return tuple(given.get(name, 0.0) / total for name in label.classes)


def adjusted(logits: Tensor, trained: Sequence[float], wanted: Sequence[float], temperature: float) -> Tensor:
    """Logits of ``p(c|x) ∝ wanted_c (p_c / trained_c)^(1 / temperature)``.

    A class with a trained fraction of 0 has no likelihood ratio: it keeps its probability, and the others share the
    rest.

    Args:
        logits: Of probabilities for the trained fractions, ``(..., C)`` float32.
        trained: Class fractions for which they are, ``(C,)``.
        wanted: Class fractions for which the result is, ``(C,)``, above 0 for the same classes.
        temperature: The temperature T.
    """
    known = [one > 0 for one in trained]
    offsets = [
        math.log(new) - math.log(old) / temperature if old > 0 else 0.0
        for old, new in zip(trained, wanted, strict=True)
    ]
    # made here and not kept as a buffer, which a model in half precision would round
    result = logits / temperature + torch.tensor(offsets, dtype=logits.dtype, device=logits.device)
    if all(known):
        return result
    mask = torch.tensor(known, device=logits.device)
    before, after = (one.masked_fill(~mask, -math.inf).logsumexp(-1, keepdim=True) for one in (logits, result))
    return torch.where(mask, result, logits - before + after)
