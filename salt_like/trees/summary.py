"""From jets with any number of constituents to a fixed number of features, for models that need one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from salt_like.sets import Layout
from salt_like.spec import DataSpec, Stream

MOMENTS = ("sum", "mean", "std", "min", "max")


class Summary(nn.Module):
    """Summary features of the inputs of a tagger, and of nothing else.

    The features are, in this order: the variables of the jets; then for each stream of constituents their number, for
    each moment (sum, mean, standard deviation, smallest and largest value) the moment of every variable, and for each
    of the leading constituents, in the order of the stream, the value of every variable. Values are in the file's
    units. What was not measured (the default value, or no finite number) is left out of the moments. A feature of
    nothing is NaN: a moment of no values, a leading constituent that a jet does not have.

    Sums are made in double precision and features rounded to single, so that the two layouts and an exported graph
    give the same bits: a tree that asks on which side of a threshold a feature lies knows no small differences.

    Args:
        spec: Description of the data.
        leading: Number ``n`` of leading constituents of each stream whose variables are features.

    Raises:
        ValueError: `leading` is negative.

    Attributes:
        names: Name of each feature, such as ``jets.pt``, ``tracks.number``, ``tracks.d0.mean`` and ``tracks.d0[0]``.
    """

    def __init__(self, spec: DataSpec, leading: int = 5) -> None:
        super().__init__()
        if leading < 0:
            raise ValueError(f"leading must be a number of constituents, got {leading}")
        self.jets = spec.global_stream
        self.sets = spec.set_streams
        self.leading = leading
        for stream in (self.jets, *self.sets):
            defaults = [float("nan") if one.default is None else one.default for one in stream.variables]
            self.register_buffer(f"default_{stream.name}", torch.tensor(defaults), persistent=False)
        self.names = (
            *(f"{self.jets.name}.{variable.name}" for variable in self.jets.variables),
            *(name for stream in self.sets for name in self._names(stream)),
        )

    def forward(self, inputs: Mapping[str, Tensor], layouts: Mapping[str, Layout]) -> Tensor:
        """The features, ``(B, F)`` float32.

        Args:
            inputs: Raw values by stream: ``(B, V)`` of the jets, ``(T, V)`` or ``(B, N, V)`` of constituents.
            layouts: Layout of each stream of constituents.
        """
        parts = []
        if self.jets.variables:
            values = inputs[self.jets.name].float()
            parts.append(_or_nan(values, self._measured(self.jets, values)))
        for stream in self.sets:
            parts += self._of(stream, inputs[stream.name].float(), layouts[stream.name])
        features = torch.cat(parts, 1)
        return _or_nan(features, features.isfinite())

    def _of(self, stream: Stream, values: Tensor, layout: Layout) -> list[Tensor]:
        """The features of one stream, in groups."""
        values = layout.blank(values)
        measured = self._measured(stream, values) & layout.valid[..., None]
        exact = torch.where(measured, values, torch.zeros_like(values)).double()
        number = layout.sum(measured.double())
        some = number > 0
        divisor = number.clamp(min=1)
        total = layout.sum(exact)
        mean = total / divisor
        away = torch.where(measured, exact - layout.spread(mean), torch.zeros_like(exact))
        std = (layout.sum(away * away) / divisor).sqrt()
        moments = (total, mean, std, -_largest(-values, measured, layout), _largest(values, measured, layout))
        leading = []
        for rank in range(self.leading):
            # a constituent that is not there has no measured value
            chosen = measured & (layout.ranks == rank)[..., None]
            found = layout.sum(torch.where(chosen, exact, torch.zeros_like(exact)))
            leading.append(_or_nan(found.float(), layout.sum(chosen.double()) > 0))
        return [layout.counts[:, None].float(), *(_or_nan(one.float(), some) for one in moments), *leading]

    def _measured(self, stream: Stream, values: Tensor) -> Tensor:
        return values.isfinite() & (values != self.get_buffer(f"default_{stream.name}"))

    def _names(self, stream: Stream) -> list[str]:
        variables = [one.name for one in stream.variables]
        found = [f"{stream.name}.number"]
        found += [f"{stream.name}.{name}.{moment}" for moment in MOMENTS for name in variables]
        return found + [f"{stream.name}.{name}[{rank}]" for rank in range(self.leading) for name in variables]


def _or_nan(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, values, torch.full_like(values, float("nan")))


def _largest(values: Tensor, measured: Tensor, layout: Layout) -> Tensor:
    lowest = torch.finfo(values.dtype).min
    return layout.max(torch.where(measured, values, torch.full_like(values, lowest)))
