"""Calibration of a task of a prediction file, for the class fractions that its probabilities assume and its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.calibration import Calibration, calibration
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.priors import shares, transfer
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.statistics import Floats
from salt_like.spec import Label


def of_jets(
    file: PredictionFile, task: TaskRecord, label: Label, probabilities: Floats, labels: NDArray[np.integer]
) -> tuple[Calibration, ...]:
    """Calibration as predicted, and after transfer to the class fractions of these jets.

    There is no second one where the fractions assumed are unknown, or where a class of the jets has none.

    Args:
        file: The prediction file, or its jets in a range.
        task: A task that classifies jets.
        label: Its label.
        probabilities: ``(n, C)``.
        labels: ``(n,)``, negative for none.
    """
    assumed, prior = task.assumes(label)
    weights, group = file.weights(), file.groups()
    found = [calibration(probabilities, labels, label.classes, prior, assumed, group, weights)]
    own = shares(labels, len(label.classes), weights)
    if own and prior and all(old > 0 or new == 0 for old, new in zip(prior, own, strict=True)):
        moved = transfer(probabilities, prior, own)
        found.append(calibration(moved, labels, label.classes, own, "sample", group, weights))
    return tuple(one for one in found if one is not None)
