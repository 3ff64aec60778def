"""A discriminant of all jets of a prediction file, with what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.reader import PredictionFile, decode
from salt_like.evaluation.rejection import discriminant
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.task_metrics import label_of
from salt_like.spec import Discriminant


@dataclass(frozen=True)
class Scores:
    """What one discriminant needs, of all jets.

    Args:
        task: The task that says the probabilities.
        classes: Class names in order of the index.
        signal_class: Class in the numerator.
        probabilities: Class → ``(n,)``.
        labels: Class index, ``(n,)``; negative for none.
        values: The discriminant, ``(n,)``.
        weights: ``(n,)``, ``None`` for 1.
    """

    task: TaskRecord
    classes: tuple[str, ...]
    signal_class: str
    probabilities: Mapping[str, Floats]
    labels: NDArray[np.integer]
    values: Floats
    weights: Floats | None

    @property
    def is_signal(self) -> NDArray[np.bool_]:
        """True for jets of the signal class, ``(n,)``."""
        chosen: NDArray[np.bool_] = self.labels == self.classes.index(self.signal_class)
        return chosen

    def signal(self) -> tuple[Floats, Floats | None]:
        """Values and weights of the signal jets."""
        chosen = self.is_signal
        return self.values[chosen], None if self.weights is None else self.weights[chosen]


def scores(file: PredictionFile, wanted: Discriminant) -> Scores | None:
    """What a discriminant needs of all jets of a file; ``None`` when no task has the classes."""
    jets = file.contents.spec.global_stream.name
    needed = {wanted.signal, *wanted.background}
    for task in file.contents.tasks:
        columns = {output.of_class: output.column(file.contents.model) for output in task.outputs}
        if task.stream == jets and needed <= set(columns):
            label = label_of(file, task, "class")
            read = file.columns([*columns.values(), file.column_of(label)])
            probabilities = {name: read[column] for name, column in columns.items()}
            labels = decode(label, read[file.column_of(label)])
            values = discriminant(probabilities, wanted.signal, wanted.background)
            return Scores(task, label.classes, wanted.signal, probabilities, labels, values, file.weights())
    return None
