"""Which of some candidates belongs to which of some objects: the cheapest assignment, on the processor."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

NONE = -1
_LARGEST = 1e30  # of a cost: a network that has diverged says NaN, for which there is no assignment


def solve(costs: Tensor, asked: Tensor) -> Tensor:
    """The cheapest one-to-one assignment of each problem (Kuhn, Naval Res. Logist. Q. 2 (1955) 83), by scipy.

    The costs are copied to the processor all at once, so a device is waited for, once.

    Args:
        costs: Cost of giving object m to candidate q in problem r, ``(R, Q, M)``.
        asked: Which objects there are, ``(R, M)`` bool.

    Returns:
        Candidate of each object, ``(R, M)`` int64; -1 for objects that are not there, and for those that are left over
        where there are more than candidates.
    """
    marked = torch.where(asked[:, None], costs.detach().float().nan_to_num(_LARGEST, _LARGEST, -_LARGEST), torch.inf)
    return torch.from_numpy(_solved(marked.cpu().numpy())).to(costs.device)


def _solved(costs: NDArray[np.float32]) -> NDArray[np.int64]:
    found = np.full((costs.shape[0], costs.shape[2]), NONE, np.int64)
    asked = np.isfinite(costs[:, 0])
    numbers = asked.sum(1)
    alone = np.flatnonzero(numbers == 1)
    if len(alone):  # one object takes the cheapest candidate: most jets that have any have one
        objects = asked[alone].argmax(1)
        found[alone, objects] = costs[alone, :, objects].argmin(1)
    for problem in np.flatnonzero(numbers > 1):
        objects = np.flatnonzero(asked[problem])
        candidates, chosen = linear_sum_assignment(costs[problem][:, objects])
        found[problem, objects[chosen]] = candidates
    return found
