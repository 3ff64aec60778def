"""The parameter of a parameterised network: what is configured, and how it is distributed in the signal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.conditioning import Conditioning, quantiles
from salt_like.data.config import ParameterConfig
from salt_like.data.hypothesis import known, place, variable_of
from salt_like.data.sample import Sample
from salt_like.data.statistics import TRANSFORMS
from salt_like.errors import UserError, nearest
from salt_like.spec import DataSpec, Label, Stream

STEPS = 200  # of probability between the quantiles of a bin
FEWEST = 20  # jets of the signal in a bin, of which it has a distribution of its own
MOST_BINS = 1000  # the table is in every checkpoint


def resolve_parameter(
    config: ParameterConfig | None, streams: Sequence[Stream], labels: Iterable[Label], seed: int
) -> Conditioning | None:
    """What the configuration says about the parameter; its distribution is found by `fitted`.

    Args:
        config: ``data.parameter`` of the configuration.
        streams: The resolved streams.
        labels: The resolved labels.
        seed: Of everything random.

    Raises:
        UserError: Input, label or class do not exist, or edges are not in order.
    """
    if config is None:
        return None
    jets = next(one for one in streams if one.is_global)
    inputs = [one.name for one in jets.variables]
    for key, name in (("field", config.field), *(("bins", name) for name in config.bins)):
        if name not in inputs:
            raise UserError(
                f"data.parameter.{key} names '{name}'{nearest(name, inputs)}, which is no input of '{jets.name}'\n"
                f"inputs: {', '.join(inputs) or 'none'}\nput it into data.inputs.{jets.name} too"
            )
    if config.field in config.bins:
        raise UserError(f"data.parameter.bins names '{config.field}', the parameter itself")
    classified = [one for one in labels if one.stream == jets.name and one.kind == "class"]
    label = next((one for one in classified if config.label in (one.key, one.name)), None)
    if label is None:
        names = [one.key for one in classified]
        raise UserError(
            f"data.parameter.label is '{config.label}'{nearest(config.label, names)}\n"
            f"which is no class of the jets ('{jets.name}') that a task learns: {', '.join(names) or 'none'}"
        )
    for name in config.signal:
        if name not in label.classes:
            raise UserError(
                f"data.parameter.signal names '{name}'{nearest(name, label.classes)}, no class of '{label.name}'\n"
                f"classes: {', '.join(label.classes)}"
            )
    signal = tuple(index for index, name in enumerate(label.classes) if name in config.signal)
    if not 0 < len(signal) < len(label.classes):
        raise UserError(
            "data.parameter.signal must name some of the classes, and leave at least one to the background\n"
            f"found: {', '.join(config.signal) or 'none'} of {', '.join(label.classes)}"
        )
    edges = {name: _edges(name, one) for name, one in config.bins.items()}
    found = Conditioning(config.field, label.key, signal, tuple(edges), tuple(edges.values()), seed=seed)
    if found.bins > MOST_BINS:
        raise UserError(f"data.parameter.bins makes {found.bins} bins; at most {MOST_BINS} are allowed")
    return found


def fitted(spec: DataSpec, found: Conditioning, samples: Iterable[Sample]) -> dict[str, Any]:
    """The distribution of the parameter of the signal, weighted as the loss weighs jets; plain data, fit for JSON.

    Args:
        spec: Description of the data.
        found: What is configured.
        samples: Training samples that read the jets alone (`alone`), with their own values.

    Returns:
        ``quantiles`` by bin, and ``mean``, ``std``, ``low`` and ``high`` of the parameter as `Variable` has them.

    Raises:
        UserError: Too few jets of the signal have a value, or one of which the transform is no number.
    """
    variable = variable_of(spec, found.field)
    values, bins, weights = _signal(spec, found, samples)
    if len(values) < FEWEST:
        raise UserError(
            f"only {len(values)} jets of the signal have a value of the parameter '{found.field}'\n"
            f"data.parameter needs at least {FEWEST} of them"
        )
    low, high = variable.clip or (None, None)
    shown = TRANSFORMS[variable.transform](np.clip(values, low, high)) if variable.transform else values
    if not np.isfinite(shown).all():
        raise UserError(f"the parameter '{found.field}' has values of which there is no {variable.transform}")
    mean = float(np.average(shown, weights=weights))
    std = math.sqrt(float(np.average((shown - mean) ** 2, weights=weights)))
    if not std > 1e-12 * abs(mean):
        raise UserError(f"the parameter '{found.field}' is {values[0]:g} for all jets of the signal: it tells nothing")
    whole = quantiles(values, weights, STEPS)
    tables = []
    for number in range(found.bins):
        inside = bins == number
        own = inside.sum() >= FEWEST and weights[inside].sum() > 0
        tables.append(quantiles(values[inside], weights[inside], STEPS) if own else whole)
    return {"quantiles": tables, "mean": mean, "std": std, "low": float(values.min()), "high": float(values.max())}


def completed(spec: DataSpec, found: Conditioning, content: Mapping[str, Any]) -> DataSpec:
    """The description of the data with the distribution of the parameter, by which it is normalised too.

    Args:
        spec: Description of the data.
        found: What is configured.
        content: What `fitted` found.
    """
    parameter = replace(found, quantiles=tuple(tuple(one) for one in content["quantiles"]))
    changes = {name: content[name] for name in ("mean", "std", "low", "high")}
    jets = spec.global_stream
    variables = tuple(replace(one, **changes) if one.name == found.field else one for one in jets.variables)
    streams = tuple(replace(one, variables=variables) if one.is_global else one for one in spec.streams)
    return replace(spec, streams=streams, parameter=parameter)


def alone(spec: DataSpec, found: Conditioning) -> DataSpec:
    """The description of what `fitted` reads: jets without constituents."""
    labels = tuple(one for one in spec.labels if one.stream == spec.global_stream.name)
    return replace(spec, streams=(spec.global_stream,), labels=labels, discriminants=(), parameter=found)


def _signal(
    spec: DataSpec, found: Conditioning, samples: Iterable[Sample]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Value, bin and weight of each jet of the signal that has a value."""
    jets, parts = spec.global_stream.name, []
    for sample in samples:
        for columns in sample.chunks():
            inputs = columns.inputs[jets]
            values = inputs[:, place(spec, found.field)]
            used = np.isin(columns.labels[jets][found.label], found.signal)
            used &= known(values, variable_of(spec, found.field))
            bins = found.bin({name: inputs[:, place(spec, name)] for name in found.variables}, len(columns))
            weights = np.ones(len(columns)) if columns.weights is None else columns.weights.astype(np.float64)
            if spec.reweighting is not None and columns.cells is not None:
                weights = weights * spec.reweighting.factors()[columns.cells]
            parts.append((values[used].astype(np.float64), bins[used], weights[used].clip(min=0)))
    values, bins, weights = (np.concatenate(some) for some in zip(*parts, strict=True))
    kept = weights > 0
    return values[kept], bins[kept], weights[kept]


def _edges(name: str, edges: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(edge) for edge in edges)
    rising = all(low < high for low, high in pairwise(numbers))
    if len(numbers) < 2 or not rising or not all(math.isfinite(edge) for edge in numbers):
        raise UserError(
            f"data.parameter.bins.{name} must be two or more edges of bins in increasing order\nfound: {list(edges)}"
        )
    return numbers
