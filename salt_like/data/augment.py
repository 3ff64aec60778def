"""Random changes of the training data; validation and test data are never changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.errors import UserError, nearest
from salt_like.spec import DataSpec

Array = NDArray[Any]


class Augmentation(ABC):
    """A random change of training jets.

    It is called in the loader's workers with a random generator that depends on seed, epoch and batch number alone, so
    that the result does not depend on the number of workers. It returns new columns and leaves those it is given alone.
    """

    def check(self, spec: DataSpec) -> None:  # noqa: B027 - a class of the user's own need not have it
        """Refuse, before training begins, what does not fit the data; by default nothing.

        Args:
            spec: What the data is.

        Raises:
            UserError: Such as a stream or variable that does not exist.
        """

    @abstractmethod
    def __call__(self, columns: Columns, random: np.random.Generator, spec: DataSpec) -> Columns:
        """Changed columns.

        Args:
            columns: Jets of one batch.
            random: The only source of randomness to use.
            spec: What the data is: order, means and widths of the variables.
        """


class ConstituentDropout(Augmentation):
    """Leaves out each constituent with some probability, as if it had not been reconstructed.

    Args:
        stream: Stream whose constituents are left out.
        probability: Probability of leaving out a constituent, from 0 up to but excluding 1.
    """

    def __init__(self, stream: str, probability: float = 0.1) -> None:
        if not 0 <= probability < 1:
            raise ValueError(f"data.augment: probability must be in [0, 1), not {probability}")
        self.stream = stream
        self.probability = probability

    def check(self, spec: DataSpec) -> None:
        """Refuse a stream that has no constituents."""
        known = [stream.name for stream in spec.streams if not stream.is_global]
        if self.stream not in known:
            raise UserError(
                f"no constituents '{self.stream}' to leave out{nearest(self.stream, known)}\n"
                f"in data.augment; the streams of constituents are: {', '.join(known) or 'none'}"
            )

    def __call__(self, columns: Columns, random: np.random.Generator, spec: DataSpec) -> Columns:
        self.check(spec)
        counts = columns.counts[self.stream]
        kept = random.random(int(counts.sum())) >= self.probability
        ends = np.concatenate([[0], np.cumsum(kept)])[np.cumsum(counts, dtype=np.int64)]
        labels = {key: values[kept] for key, values in columns.labels.get(self.stream, {}).items()}
        inputs, positions = dict(columns.inputs), dict(columns.positions)
        for arrays in (inputs, positions):
            if self.stream in arrays:
                arrays[self.stream] = arrays[self.stream][kept]
        return replace(
            columns,
            inputs=inputs,
            positions=positions,
            counts={**columns.counts, self.stream: np.diff(ends, prepend=0).astype(counts.dtype)},
            labels={**columns.labels, self.stream: labels} if labels else columns.labels,
        )


class Smearing(Augmentation):
    """Adds Gaussian noise to some variables, in units of each variable's standard deviation on the training file.

    For a variable that the model transforms (``log`` and the like) the noise is added to the transformed value, which
    is where its standard deviation is known. Default values and values that are not finite stay as they are.

    Args:
        stream: Stream of the variables.
        widths: Variable → width of the noise over the variable's standard deviation.
    """

    def __init__(self, stream: str, widths: Mapping[str, float]) -> None:
        for name, width in widths.items():
            if width < 0:
                raise ValueError(f"data.augment: the width of the noise of '{name}' must not be negative, not {width}")
        self.stream = stream
        self.widths = dict(widths)

    def check(self, spec: DataSpec) -> None:
        """Refuse a stream or a variable that is no input."""
        streams = [stream.name for stream in spec.streams if stream.variables]
        if self.stream not in streams:
            raise UserError(
                f"no inputs of a stream '{self.stream}' to smear{nearest(self.stream, streams)}\n"
                f"in data.augment; the streams with inputs are: {', '.join(streams)}"
            )
        names = [variable.name for variable in spec.stream(self.stream).variables]
        for name in self.widths:
            if name not in names:
                raise UserError(
                    f"no input '{name}' of stream '{self.stream}' to smear{nearest(name, names)}\n"
                    f"in data.augment; the inputs are: {', '.join(names)}"
                )

    def __call__(self, columns: Columns, random: np.random.Generator, spec: DataSpec) -> Columns:
        self.check(spec)
        variables = spec.stream(self.stream).variables
        names = [variable.name for variable in variables]
        values = columns.inputs[self.stream].copy()
        for name, width in self.widths.items():
            index = names.index(name)
            variable = variables[index]
            forward, back = _TRANSFORMS[variable.transform]
            column = values[:, index]
            noise = random.normal(0.0, width * variable.std, column.shape)
            with np.errstate(invalid="ignore", divide="ignore"):
                smeared = back(forward(column.astype(np.float64)) + noise).astype(values.dtype)
            real = np.isfinite(smeared) & (column != variable.default)
            values[:, index] = np.where(real, smeared, column)
        return replace(columns, inputs={**columns.inputs, self.stream: values})


_TRANSFORMS: dict[str | None, tuple[Any, Any]] = {
    None: (lambda x: x, lambda x: x),
    "log": (np.log, np.exp),
    "log1p": (np.log1p, np.expm1),
    "asinh": (np.arcsinh, np.sinh),
}
