"""One pass over the training sample: moments of the inputs and targets, class counts, ranges."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.extract import is_default
from salt_like.data.sample import ROWS_PER_CHUNK, Progress, Sample
from salt_like.data.spectra import Spectra, SpectraMeter
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Stream, Variable

Values = NDArray[np.float64]

TRANSFORMS: dict[str, Callable[[Values], Values]] = {"log": np.log, "log1p": np.log1p, "asinh": np.arcsinh}
_SCHEMA = 2  # of what is kept in the cache
_LOWEST = {"log": 0.0, "log1p": -1.0}


@dataclass(frozen=True)
class Range:
    """What was seen of one quantity.

    Args:
        number: Values that count: finite and not the default.
        missing: Values left out.
        mean: Mean of the transformed values.
        std: Standard deviation of the transformed values.
        low: Smallest value as the file has it.
        high: Largest value as the file has it.
    """

    number: int
    missing: int
    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class Statistics:
    """What one pass over the training sample found; plain data, so that it can be kept in a file.

    Args:
        jets: Number of jets after selection.
        constituents: Constituents per set stream.
        truncated: Constituents dropped because a jet had more than the maximum, per set stream.
        variables: Stream → input variable → what was seen.
        targets: Stream → key of a real label → what was seen.
        entries: Stream → key of a class label → number of entries of each class.
        counts: The same with each entry weighted by its jet, weights scaled to a mean absolute value of 1.
        weight_scale: Mean absolute weight of a jet.
        negative: Number of jets whose weight is negative.
        spectra: Sums by class and kinematic bin, where jets are to be reweighted.
    """

    jets: int
    constituents: dict[str, int]
    truncated: dict[str, int]
    variables: dict[str, dict[str, Range]]
    targets: dict[str, dict[str, Range]]
    entries: dict[str, dict[str, list[int]]]
    counts: dict[str, dict[str, list[float]]]
    weight_scale: float = 1.0
    negative: int = 0
    spectra: Spectra | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Statistics:
        """The inverse of `to_dict`."""
        ranges = {
            which: {stream: {name: Range(**one) for name, one in some.items()} for stream, some in plain[which].items()}
            for which in ("variables", "targets")
        }
        spectra = None if plain.get("spectra") is None else Spectra(**plain["spectra"])
        return cls(**{**plain, **ranges, "spectra": spectra})


class Moments:
    """Number, mean and spread of several quantities, merged piece by piece (Chan et al. 1979).

    The result depends on the pieces only by rounding (about 1e-15 relative).

    Args:
        width: Number of quantities ``F``.
    """

    def __init__(self, width: int) -> None:
        self.number = np.zeros(width, np.int64)
        self.missing = np.zeros(width, np.int64)
        self.mean = np.zeros(width)
        self.squares = np.zeros(width)
        self.low = np.full(width, np.inf)
        self.high = np.full(width, -np.inf)

    def add(self, raw: Values, values: Values, used: NDArray[np.bool_]) -> None:
        """Take in more entries.

        Args:
            raw: Values whose range is kept, ``(n, F)``.
            values: Values whose moments are kept, ``(n, F)``.
            used: Which of them count, ``(n, F)``.
        """
        number = used.sum(0)
        share = np.maximum(number, 1)
        mean = np.where(used, values, 0.0).sum(0) / share
        squares = np.square(np.where(used, values - mean, 0.0)).sum(0)
        total = np.maximum(self.number + number, 1)
        step = mean - self.mean
        self.squares += squares + step**2 * (self.number * number / total)
        self.mean += step * (number / total)
        self.number += number
        self.missing += used.shape[0] - number
        self.low = np.minimum(self.low, np.where(used, raw, np.inf).min(0, initial=np.inf))
        self.high = np.maximum(self.high, np.where(used, raw, -np.inf).max(0, initial=-np.inf))

    def ranges(self) -> list[Range]:
        """What was seen of each quantity."""
        std = np.sqrt(self.squares / np.maximum(self.number, 1))
        columns = (self.number, self.missing, self.mean, std, self.low, self.high)
        return [Range(*one) for one in zip(*(column.tolist() for column in columns), strict=True)]


def measure(
    samples: Sequence[Sample], progress: Progress | None = None, rows_per_chunk: int = ROWS_PER_CHUNK
) -> Statistics:
    """Read samples once and say what is in them.

    Args:
        samples: The training samples; they share one spec.
        progress: Called with the number of rows done and the number of rows in total.
        rows_per_chunk: Rows that are read at once.

    Raises:
        UserError: There are no jets, or a logarithm meets a value that has none.
    """
    meter = _Meter(samples[0].spec)
    total, before = sum(sample.rows for sample in samples), 0
    for sample in samples:
        for columns in sample.chunks(rows_per_chunk):
            meter.add(columns, sample)
            if progress is not None and len(columns):
                progress(min(before + int(columns.rows[-1]) + 1, total), total)
        before += sample.rows
    if meter.jets == 0:
        raise UserError(f"no jets in {samples[0].source.parts[0][0]}")
    return meter.result({stream: sum(sample.truncated[stream] for sample in samples) for stream in meter.constituents})


def statistics_key(samples: Sequence[Sample]) -> str:
    """A hash of everything that decides what `measure` finds."""
    prepared = [(v.name, v.transform, v.clip) for stream in samples[0].spec.streams for v in stream.variables]
    wanted = json.dumps([_SCHEMA, [sample.fingerprint() for sample in samples], prepared])
    return hashlib.sha256(wanted.encode()).hexdigest()


class _Meter:
    """Running sums of everything that `Statistics` holds."""

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec
        self.jets = 0
        self.weight = 0.0
        self.negative = 0
        self.constituents = {stream.name: 0 for stream in spec.streams if not stream.is_global}
        self.inputs = {stream.name: Moments(len(stream.variables)) for stream in spec.streams if stream.variables}
        self.targets = {(label.stream, label.key): Moments(1) for label in spec.labels if label.kind == "real"}
        classes = [label for label in spec.labels if label.kind == "class"]
        self.entries = {(label.stream, label.key): np.zeros(len(label.classes), np.int64) for label in classes}
        self.counts = {(label.stream, label.key): np.zeros(len(label.classes)) for label in classes}
        self.spectra = None if spec.reweighting is None else SpectraMeter(spec, spec.reweighting)

    def add(self, columns: Columns, sample: Sample) -> None:
        self.jets += len(columns)
        weights = np.ones(len(columns)) if columns.weights is None else columns.weights.astype(np.float64)
        self.weight += float(np.abs(weights).sum())
        self.negative += int((weights < 0).sum())
        if self.spectra is not None:
            self.spectra.add(columns, weights)
        for name in self.constituents:
            self.constituents[name] += int(columns.counts[name].sum())
        for name, moments in self.inputs.items():
            raw = columns.inputs[name]
            moments.add(*prepared(raw, self.spec.stream(name), columns, sample))
        for (stream, key), moments in self.targets.items():
            target = columns.labels[stream][key].astype(np.float64)[:, None]
            moments.add(target, target, np.isfinite(target))
        for (stream, key), entries in self.entries.items():
            label = columns.labels[stream][key]
            each = np.repeat(weights, columns.counts[stream]) if stream in columns.counts else weights
            real = label >= 0
            entries += np.bincount(label[real], minlength=len(entries))
            self.counts[stream, key] += np.bincount(label[real], each[real], minlength=len(entries))

    def result(self, truncated: dict[str, int]) -> Statistics:
        scale = self.weight / self.jets
        if scale == 0:
            raise UserError(f"all {self.jets} jets have weight 0")
        variables: dict[str, dict[str, Range]] = {}
        for stream, moments in self.inputs.items():
            names = [variable.name for variable in self.spec.stream(stream).variables]
            variables[stream] = dict(zip(names, moments.ranges(), strict=True))
        return Statistics(
            jets=self.jets,
            constituents=self.constituents,
            truncated=truncated,
            variables=variables,
            targets=_nested({where: moments.ranges()[0] for where, moments in self.targets.items()}),
            entries=_nested({where: entries.tolist() for where, entries in self.entries.items()}),
            counts=_nested({where: (counts / scale).tolist() for where, counts in self.counts.items()}),
            weight_scale=scale,
            negative=self.negative,
            spectra=None if self.spectra is None else self.spectra.result(),
        )


def prepared(
    raw: NDArray[np.float32], stream: Stream, columns: Columns, sample: Sample
) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Raw values, values after clip and transform, and which of them count; float64, ``(n, F)`` each.

    Raises:
        UserError: A logarithm meets a value that has none.
    """
    exact = raw.astype(np.float64)
    used = np.isfinite(raw)
    values = exact
    for column, variable in enumerate(stream.variables):
        if variable.default is not None:
            used[:, column] &= ~is_default(raw[:, column], variable.default)
        if variable.clip is None and variable.transform is None:
            continue
        if values is exact:
            values = exact.copy()
        one = values[:, column]
        if variable.clip is not None:
            low, high = variable.clip
            one = one.clip(-np.inf if low is None else low, np.inf if high is None else high)
        if variable.transform is not None:
            _check_domain(one, used[:, column], variable, stream, columns, sample)
            with np.errstate(all="ignore"):
                one = TRANSFORMS[variable.transform](one)
        values[:, column] = one
    return exact, values, used


def _check_domain(
    values: Values, used: NDArray[np.bool_], variable: Variable, stream: Stream, columns: Columns, sample: Sample
) -> None:
    lowest = _LOWEST.get(variable.transform or "", -np.inf)
    bad = used & (values <= lowest)
    if bad.any():
        first = int(bad.argmax())
        jet = (
            first if stream.is_global else int(np.searchsorted(np.cumsum(columns.counts[stream.name]), first, "right"))
        )
        raise UserError(
            f"the input '{variable.name}' is {values[first]:g}, of which there is no {variable.transform} "
            f"({int(bad.sum())} values among those read together)\n"
            f"in {sample.place(stream.name, int(columns.rows[jet]))}\n"
            f"clip it, such as {{transform: {variable.transform}, clip: [1e-3, null]}}, or use asinh"
        )


def _nested(flat: dict[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    result: dict[str, dict[str, Any]] = {}
    for (stream, key), value in flat.items():
        result.setdefault(stream, {})[key] = value
    return result
