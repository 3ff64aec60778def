"""Regression targets: between the label's unit and the scale on which the network works."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from salt_like.batch import Batch
from salt_like.errors import UserError, nearest
from salt_like.spec import DataSpec, Label, Stream
from salt_like.tasks.means import mean_exponential

Scale = Literal["none", "standardise", "log", "ratio"]

SMALLEST_SIGMA = 1e-3
_ONE = math.log(math.e - 1)  # softplus of it is 1


@dataclass(frozen=True)
class Target:
    """One real label and its scale ``t = (y - shift) / (factor d)``, or the logarithm of that.

    ==============  =======  ==================  =====================  =========
    scale           shift    factor              d                      logarithm
    ==============  =======  ==================  =====================  =========
    ``none``        0        1                   1                      no
    ``standardise`` mean     standard deviation  1                      no
    ``log``         0        mean                1                      yes
    ``ratio``       0        1                   an input of the row    no
    ==============  =======  ==================  =====================  =========

    Args:
        label: The label ``y``.
        shift: Subtracted from the label, in its unit.
        factor: Divides the label, in its unit.
        logarithmic: Whether the logarithm is taken.
        denominator: Position of ``d`` among the stream's inputs, ``None`` for 1.
        missing: Value of the denominator that means "not measured", ``None`` when it has none.
    """

    label: Label
    shift: float = 0.0
    factor: float = 1.0
    logarithmic: bool = False
    denominator: int | None = None
    missing: float | None = None

    @classmethod
    def build(cls, spec: DataSpec, label: Label, scale: Scale, denominator: str | None) -> Target:
        """The target for a `label` on a `scale`.

        Raises:
            ValueError: The scale does not exist, or does not fit the label or the denominator.
        """
        if label.kind != "real":
            raise ValueError(
                f"label '{label.name}' must be a real number for a regression, it is of kind '{label.kind}'"
            )
        if (scale == "ratio") != (denominator is not None):
            raise ValueError(
                f"denominator goes with scale 'ratio' only, got denominator={denominator!r}, scale={scale!r}"
            )
        if scale == "none":
            return cls(label)
        if scale == "standardise":
            return cls(label, shift=label.mean, factor=_width(label))
        if scale == "log":
            return cls(label, factor=_centre(label), logarithmic=True)
        if scale == "ratio" and denominator is not None:
            stream = spec.stream(label.stream)
            position = _position(stream, label, denominator)
            return cls(label, denominator=position, missing=stream.variables[position].default)
        raise ValueError(f"scale must be 'none', 'standardise', 'log' or 'ratio', got {scale!r}")

    def scaled(self, batch: Batch) -> Tensor:
        """The targets ``t`` of a batch, shaped as the label; not finite where there is no target.

        There is none where the label or the denominator is missing, or where a logarithm does not exist.
        """
        ratio = (batch.labels[self.label.stream][self.label.key].float() - self.shift) / self._unit(batch)
        return ratio.log() if self.logarithmic else ratio

    def physical(self, scaled: Tensor, batch: Batch) -> Tensor:
        """The inverse of `scaled`: ``y = shift + factor d t``, or with ``exp(t)`` in place of ``t``."""
        return (scaled.exp() if self.logarithmic else scaled) * self._unit(batch) + self.shift

    def sigma(self, scaled: Tensor, sigma: Tensor, batch: Batch) -> Tensor:
        """Standard deviation in the label's unit, to first order: ``|dy/dt| sigma``.

        That is ``factor |d| sigma``, which is exact, and for a logarithm ``y(t) sigma``: ``y`` is then log-normal with
        median ``y(t)``, and this is its standard deviation as long as sigma is small against 1.
        """
        slope = sigma * self._unit(batch)
        return (slope * scaled.exp() if self.logarithmic else slope).abs()

    def unlike(self, other: Target) -> str:
        """Why values on this scale and on another one have no mean on this one; empty where they have."""
        same = (self.logarithmic, self.denominator) == (other.logarithmic, other.denominator)
        return "" if same else f"the scales of '{self.label.name}' are of different kinds"

    def stretch(self, other: Target) -> float:
        """Width on this scale of something as wide as 1 on another one: of a linear scale, or of a logarithm."""
        return 1.0 if self.logarithmic else other.factor / self.factor

    def rescaled(self, scaled: Tensor, other: Target) -> Tensor:
        """Values on another scale, on this one.

        Args:
            scaled: On the other scale.
            other: The other scale, which is not `unlike` this one.
        """
        if self.logarithmic:
            return scaled + math.log(other.factor / self.factor)
        shift = (other.shift - self.shift) / self.factor
        return scaled if (shift, self.stretch(other)) == (0, 1) else scaled * self.stretch(other) + shift

    def mean(self, scaled: Sequence[Tensor]) -> Tensor:
        """The mean, of values in the label's unit, on this scale."""
        return mean_exponential(scaled) if self.logarithmic else torch.stack(list(scaled), -1).mean(-1)

    def mixture(self, scaled: Sequence[Tensor], sigmas: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of a mixture of equal parts, in the label's unit and then on this scale.

        For a logarithmic scale the width of each part is that of `sigma`, so what is predicted are these moments.

        Args:
            scaled: Mean of each part.
            sigmas: Its standard deviation.
        """
        mean = self.mean(scaled)
        # values and widths over the mean value, or on a linear scale themselves
        values = [(one - mean).exp() - 1 if self.logarithmic else one - mean for one in scaled]
        widths = [
            sigma * (value + 1) if self.logarithmic else sigma for sigma, value in zip(sigmas, values, strict=True)
        ]
        squares = [value.square() + width.square() for value, width in zip(values, widths, strict=True)]
        return mean, torch.stack(squares, -1).mean(-1).sqrt()

    def _unit(self, batch: Batch) -> Tensor | float:
        """``factor d``."""
        if self.denominator is None:
            return self.factor
        value = batch.inputs[self.label.stream][..., self.denominator].float()
        if self.missing is not None:
            value = torch.where(value == self.missing, torch.full_like(value, torch.nan), value)
        return value * self.factor


def sigma_of(raw: Tensor) -> Tensor:
    """Positive width from a logit: softplus, shifted so that 0 gives 1, and at least 1e-3 on the target's scale."""
    return F.softplus(raw + _ONE) + SMALLEST_SIGMA


def logit_of(sigma: Tensor) -> Tensor:
    """The inverse of `sigma_of`; of a smaller width the logit of one just above the smallest."""
    above = (sigma - SMALLEST_SIGMA).clamp(min=1e-6)
    return above + (-torch.expm1(-above)).log() - _ONE


def _width(label: Label) -> float:
    if not label.std > 0 or not math.isfinite(label.std):
        raise UserError(
            f"the regression target '{label.name}' of '{label.stream}' cannot be standardised: "
            f"its standard deviation in the training sample is {label.std}\n"
            "allowed: a target that varies, or scale: none"
        )
    return label.std


def _centre(label: Label) -> float:
    if math.isfinite(label.low) and label.low <= 0:
        raise UserError(
            f"the regression target '{label.name}' of '{label.stream}' has no logarithm: "
            f"its smallest value in the training sample is {label.low:g}\n"
            f'allowed: positive targets (for example with where: "{label.name} > 0"), or another scale'
        )
    return label.mean if label.mean > 0 else 1.0  # without statistics the logarithm is only not centred


def _position(stream: Stream, label: Label, name: str) -> int:
    names = [variable.name for variable in stream.variables]
    if name not in names:
        raise UserError(
            f"the denominator '{name}' of target '{label.name}' is no input variable of '{stream.name}'"
            f"{nearest(name, names)}\nallowed: {', '.join(names) or 'none, as the stream has no inputs'}"
        )
    return names.index(name)
