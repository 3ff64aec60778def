"""Normalisation of raw input variables inside the model."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from salt_like.spec import Stream, Variable

# per transform: function, smallest value (exclusive) of its domain, a value inside the domain
TRANSFORMS = {
    "log": (torch.log, 0.0, 1.0),
    "log1p": (torch.log1p, -1.0, 0.0),
    "asinh": (torch.asinh, -math.inf, 0.0),
}


class InputNorm(nn.Module):
    """Turns the raw variables of a stream into the numbers that the network sees.

    Each variable is clipped, transformed, and shifted and scaled to zero mean and unit variance. A default value, a
    value that is not finite, and one outside the transform's domain become 0. One column follows for each variable
    with ``flag_default``: 1 where the value is the default or not finite, 0 elsewhere.

    Args:
        stream: Description of the stream: variables with transform, clip, default, mean and std in the file's units.

    Raises:
        ValueError: A transform is unknown, bounds are reversed, or a std is not positive or a mean not finite.
    """

    mean: Tensor
    std: Tensor
    lower: Tensor
    upper: Tensor
    default: Tensor
    neutral: Tensor
    domain: Tensor
    flagged: Tensor

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        for variable in stream.variables:
            _check(stream.name, variable)
        variables = stream.variables
        bounds = [variable.clip or (None, None) for variable in variables]
        self._buffer("mean", [variable.mean for variable in variables])
        self._buffer("std", [variable.std for variable in variables])
        self._buffer("lower", [-math.inf if low is None else low for low, _ in bounds])
        self._buffer("upper", [math.inf if high is None else high for _, high in bounds])
        # NaN equals nothing, so that a variable without a default never matches
        self._buffer("default", [math.nan if one.default is None else one.default for one in variables])
        self._buffer("neutral", [0.0 if one.transform is None else TRANSFORMS[one.transform][2] for one in variables])
        self._buffer(
            "domain", [-math.inf if one.transform is None else TRANSFORMS[one.transform][1] for one in variables]
        )
        flagged = [number for number, variable in enumerate(variables) if variable.flag_default]
        self.register_buffer("flagged", torch.tensor(flagged, dtype=torch.long), persistent=False)
        self.transforms = {
            name: [variable.transform == name for variable in variables]
            for name in TRANSFORMS
            if any(variable.transform == name for variable in variables)
        }
        for name, columns in self.transforms.items():
            self.register_buffer(f"uses_{name}", torch.tensor(columns), persistent=False)
        self.plain = (
            all(v.transform is None and v.clip is None and v.default is None for v in variables) and not flagged
        )
        self.in_dim = len(variables)
        self.out_dim = stream.width

    def forward(self, raw: Tensor) -> Tensor:
        """Shapes: ``(..., F)`` raw values in the file's units → ``(..., width)``."""
        if self.plain:
            x = (raw - self.mean) / self.std
            return torch.where(_finite(x), x, 0.0)
        measured = _finite(raw) & (raw != self.default)
        # what cannot be used is replaced before the arithmetic, since the gradient of a masked NaN is NaN
        clipped = torch.minimum(torch.maximum(raw, self.lower), self.upper)
        usable = measured & (clipped > self.domain)
        x = torch.where(usable, clipped, self.neutral)
        for name in self.transforms:
            columns = self.get_buffer(f"uses_{name}")
            inside = torch.where(columns, x, torch.full_like(x, TRANSFORMS[name][2]))
            x = torch.where(columns, TRANSFORMS[name][0](inside), x)
        x = (x - self.mean) / self.std
        x = torch.where(usable & _finite(x), x, torch.zeros_like(x))
        if self.out_dim == self.in_dim:
            return x
        return torch.cat([x, (~measured).index_select(-1, self.flagged).to(x.dtype)], -1)

    def extra_repr(self) -> str:
        return f"{self.in_dim} variables, {self.out_dim} values"

    def _buffer(self, name: str, values: list[float]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float32))


def _finite(x: Tensor) -> Tensor:
    """`torch.isfinite`, in two operations of an exported graph in place of five."""
    return x.abs() <= torch.finfo(x.dtype).max


def _check(stream: str, variable: Variable) -> None:
    where = f"of variable '{variable.name}' of stream '{stream}'"
    if variable.transform is not None and variable.transform not in TRANSFORMS:
        raise ValueError(f"transform {where} must be one of {', '.join(TRANSFORMS)}, got {variable.transform!r}")
    if not (variable.std > 0 and math.isfinite(variable.std)):
        raise ValueError(f"std {where} must be positive and finite, got {variable.std}")
    if not math.isfinite(variable.mean):
        raise ValueError(f"mean {where} must be finite, got {variable.mean}")
    low, high = variable.clip or (None, None)
    if low is not None and high is not None and low > high:
        raise ValueError(f"clip {where} must be (lower, upper), got {variable.clip}")
