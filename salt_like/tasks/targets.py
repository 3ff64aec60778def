"""Regression targets: between the label's unit and the scale on which the network works."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from salt_like.batch import Batch
from salt_like.errors import UserError, nearest
from salt_like.spec import DataSpec, Label, Stream

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
