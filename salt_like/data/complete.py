"""From a draft and what the pass over the training sample found to the finished description of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from salt_like.data.config import DataConfig, LabelConfig
from salt_like.data.labels import from_convention
from salt_like.data.spectra import effective_counts, weighed
from salt_like.data.statistics import Range, Statistics
from salt_like.errors import UserError, nearest
from salt_like.reweighting import Reweighting
from salt_like.spec import DataSpec, Label, Stream, Variable


def complete(
    draft: DataSpec,
    statistics: Statistics,
    config: DataConfig,
    norm_dict: str | Path | None = None,
    class_dict: str | Path | None = None,
    source: str = "the training sample",
) -> DataSpec:
    """Fill normalisation, ranges, class counts and priors in.

    Args:
        draft: What `draft_spec` made.
        statistics: What `measure` found.
        config: The `data:` section.
        norm_dict: YAML ``{dataset: {variable: {mean, std}}}`` that replaces the measured ones.
        class_dict: YAML ``{dataset: {label: [weight of class 0, 1, ...]}}`` that replaces the measured frequencies.
        source: What messages call the training file.

    Raises:
        UserError: A variable or target is constant, there are no constituents, a class is absent, or an entry of
            `norm_dict` or `class_dict` is missing, or jets cannot be reweighted as wanted.
    """
    norm = None if norm_dict is None else _Table(norm_dict, "norm_dict")
    weights = None if class_dict is None else _Table(class_dict, "class_dict")
    streams = tuple(_stream(stream, statistics, norm, source) for stream in draft.streams)
    reweighting = None
    if draft.reweighting is not None and statistics.spectra is not None:
        reweighting = weighed(draft.reweighting, statistics.spectra, source)
        statistics = _reweighted(statistics, reweighting, draft.global_stream.name)
    labels = tuple(
        _real(label, statistics, source)
        if label.kind == "real"
        else _classes(label, statistics, config, weights, draft, source)
        if label.kind == "class"
        else label
        for label in draft.labels
    )
    return replace(draft, streams=streams, labels=labels, reweighting=reweighting)


def _reweighted(statistics: Statistics, reweighting: Reweighting, jets: str) -> Statistics:
    """The same with the class counts that the loss sees; those of the reweighted label itself do not change."""
    sums = {} if statistics.spectra is None else statistics.spectra.labels
    counts = {
        stream: {
            key: found
            if (stream, key) == (jets, reweighting.label)
            else [one / statistics.weight_scale for one in effective_counts(reweighting, sums[stream][key])]
            for key, found in some.items()
        }
        for stream, some in statistics.counts.items()
    }
    return replace(statistics, counts=counts)


def _stream(stream: Stream, statistics: Statistics, norm: _Table | None, source: str) -> Stream:
    if stream.variables and statistics.constituents.get(stream.name) == 0:
        chosen = f" that fulfils '{stream.selection}'" if stream.selection else ""
        raise UserError(f"none of the {statistics.jets} jets has a constituent in '{stream.name}'{chosen}\nin {source}")
    seen = statistics.variables.get(stream.name, {})
    return replace(
        stream,
        variables=tuple(_variable(stream.name, one, seen[one.name], norm, source) for one in stream.variables),
    )


def _variable(stream: str, variable: Variable, seen: Range, norm: _Table | None, source: str) -> Variable:
    where = f"dataset '{stream}' of {source}"
    if seen.number == 0:
        raise UserError(
            f"the input '{variable.name}' is never measured: all {seen.missing} values are the default\nin {where}"
        )
    if norm is not None:
        mean, std = norm.normalisation(stream, variable.name)
    else:
        mean, std = seen.mean, seen.std
        # a spread this small is the rounding of a constant
        if std <= 1e-12 * abs(mean) or seen.low == seen.high:
            how = "" if seen.low == seen.high else " after its clip and transform"
            raise UserError(
                f"the input '{variable.name}' is constant{how}: {seen.low:g} in all {seen.number} values\nin {where}\n"
                f"it tells the model nothing: take it out of data.inputs.{stream}"
            )
    return replace(variable, mean=mean, std=std, low=seen.low, high=seen.high)


def _real(label: Label, statistics: Statistics, source: str) -> Label:
    seen = statistics.targets[label.stream][label.key]
    where = f"dataset '{label.stream}' of {source}"
    if seen.number == 0:
        raise UserError(f"the target '{label.key}' has no value: {seen.missing} times NaN or left out\nin {where}")
    if seen.low == seen.high:
        raise UserError(f"the target '{label.key}' is constant: {seen.low:g} in all {seen.number} values\nin {where}")
    return replace(label, mean=seen.mean, std=seen.std, low=seen.low, high=seen.high)


def _classes(
    label: Label, statistics: Statistics, config: DataConfig, weights: _Table | None, draft: DataSpec, source: str
) -> Label:
    entries = statistics.entries[label.stream][label.key]
    counts = statistics.counts[label.stream][label.key]
    absent = [name for name, number in zip(label.classes, entries, strict=True) if number == 0]
    found = ", ".join(f"{name} {number}" for name, number in zip(label.classes, entries, strict=True))
    where = f"dataset '{label.stream}' of {source}"
    if sum(entries) == 0 or (absent and not may_be_absent(label, config.labels, draft)):
        raise UserError(
            f"no entry of class {', '.join(absent)} of the label '{label.name}' ({found})\nin {where}\n"
            f"add such jets, read fewer classes (a label map), or accept it: "
            f"data.labels.{label.name}.allow_absent: true"
        )
    for name, number, count in zip(label.classes, entries, counts, strict=True):
        if number > 0 and count <= 0:
            raise UserError(
                f"the weights of the {number} entries of class {name} of '{label.name}' sum to {count:g}\nin {where}"
            )
    prior = tuple(count / sum(counts) for count in counts)
    if weights is not None:
        # counts whose inverse are the given weights
        given = weights.class_weights(label)
        counts = [sum(counts) / weight if weight > 0 else 0.0 for weight in given]
    return replace(label, counts=tuple(counts), prior=prior)


def may_be_absent(label: Label, labels: Mapping[str, LabelConfig], spec: DataSpec) -> bool:
    """Whether a sample need not have every class of a label.

    Args:
        label: The label.
        labels: The `data.labels` section.
        spec: Description of the data.
    """
    own = labels.get(label.name) or labels.get(label.key) or LabelConfig()
    # the conventions list every kind of constituent that there can be, such as photons among tracks
    return own.allow_absent or (from_convention(label) and not spec.stream(label.stream).is_global)


class _Table:
    """A YAML of numbers by dataset and field.

    Args:
        path: The file.
        key: Its YAML key in the configuration, for messages.
    """

    def __init__(self, path: str | Path, key: str) -> None:
        self.where = f"{path} (data.{key})"
        try:
            self.content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"cannot read {self.where}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{self.where} is no YAML: {str(error).splitlines()[0]}") from error
        if not isinstance(self.content, Mapping):
            raise UserError(f"{self.where} must be {{dataset: {{field: ...}}}}")

    def normalisation(self, stream: str, name: str) -> tuple[float, float]:
        """Mean and width of one variable."""
        entry = self._entry(stream, name)
        if not isinstance(entry, Mapping) or not {"mean", "std"} <= set(entry):
            raise UserError(f"{stream}.{name} must be {{mean, std}}, not {entry!r}\nin {self.where}")
        mean, std = self._number(stream, name, entry["mean"]), self._number(stream, name, entry["std"])
        if std <= 0:
            raise UserError(f"{stream}.{name} has std {std:g}: it must be positive\nin {self.where}")
        return mean, std

    def class_weights(self, label: Label) -> list[float]:
        """Weight of each class."""
        entry = self._entry(label.stream, label.name)
        if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != len(label.classes):
            raise UserError(
                f"{label.stream}.{label.name} must be a list of {len(label.classes)} weights, not {entry!r}\n"
                f"in {self.where} (classes: {', '.join(label.classes)})"
            )
        weights = [self._number(label.stream, label.name, weight) for weight in entry]
        if min(weights) < 0 or max(weights) == 0:
            raise UserError(f"{label.stream}.{label.name} has weights {weights}: none may be negative\nin {self.where}")
        return weights

    def _entry(self, stream: str, name: str) -> Any:
        content = self.content
        for key, place in ((stream, "dataset"), (name, f"entry of '{stream}'")):
            known = [str(one) for one in content] if isinstance(content, Mapping) else []
            if key not in known:
                raise UserError(f"no {place} '{key}'{nearest(key, known)}\nin {self.where}")
            content = content[key]
        return content

    def _number(self, stream: str, name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise UserError(f"{stream}.{name} holds {value!r}, which is no number\nin {self.where}")
        return float(value)
