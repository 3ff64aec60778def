"""From configuration and header of the training file to the description of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from salt_like.data.cells import resolve_reweighting
from salt_like.data.config import DataConfig, VariableConfig, VariableEntry
from salt_like.data.discriminants import resolve_discriminants
from salt_like.data.expressions import Expression
from salt_like.data.labels import resolve_label
from salt_like.data.parameter import resolve_parameter
from salt_like.data.source import Source
from salt_like.data.statistics import TRANSFORMS
from salt_like.data.truth import refuse_truth
from salt_like.data.units import units_of
from salt_like.errors import UserError, nearest
from salt_like.spec import DataSpec, Label, Stream, Variable


def draft_spec(config: DataConfig, source: Source) -> DataSpec:
    """Everything that configuration and header say; what needs a pass over the data is filled in by `complete`.

    Args:
        config: The `data:` section.
        source: The training sample.

    Raises:
        UserError: Something that is asked for does not exist, is truth, or contradicts something else.
    """
    inputs = {stream: _entries(stream, asked) for stream, asked in config.inputs.items()}
    _check_streams(config, source, inputs)
    jets = inputs.get(config.global_stream, {})
    for request in config.requests:
        source.require(request.stream, (), request.asked)
    # a hypothesis is no truth: jets that have none by themselves are given one, and in tests all are
    allowed = [config.parameter.field] if config.parameter and config.parameter.field in jets else []
    refuse_truth(inputs, source, config.requests, config.weight, [*config.allow_truth_inputs, *allowed])
    _check_defaults(config.defaults, source, inputs)
    units = {name: units_of(source.header(name), source.attributes) for name in source.headers}
    names = dict.fromkeys([*inputs, *(request.stream for request in config.requests)])
    if config.global_stream not in names:
        names = dict.fromkeys([config.global_stream, *names])
    streams = tuple(_stream(name, inputs.get(name, {}), config, source, units[name]) for name in names)
    for key, known in (
        ("select", config.select),
        ("order", config.order),
        ("max_constituents", config.max_constituents),
    ):
        _check_keys(f"data.{key}", known, names)
    labels = _labels(config, source, units)
    classes = [one.classes for one in labels if one.stream == config.global_stream and one.kind == "class"]
    return DataSpec(
        streams=streams,
        labels=labels,
        discriminants=resolve_discriminants(config.discriminants, classes),
        event=_event(config, source),
        units=str(source.attributes.get("units", "")),
        reweighting=resolve_reweighting(config.reweight, labels, config.global_stream, source),
        parameter=resolve_parameter(config.parameter, streams, labels, config.seed),
    )


def _entries(stream: str, asked: object) -> dict[str, VariableConfig]:
    """Variables of one stream with their preparation, whichever way the user wrote them."""
    where = f"data.inputs.{stream}"
    if isinstance(asked, Mapping):
        return {name: _variable_config(f"{where}.{name}", entry) for name, entry in asked.items()}
    if isinstance(asked, str) or not isinstance(asked, Iterable):
        raise UserError(f"{where} must be a list of variables or {{variable: transform}}, not {asked!r}")
    names = [str(name) for name in asked]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{where} lists {', '.join(twice)} more than once")
    return {name: VariableConfig() for name in names}


def _variable_config(where: str, entry: VariableEntry) -> VariableConfig:
    config = VariableConfig(transform=entry) if isinstance(entry, str) or entry is None else entry
    if config.transform is not None and config.transform not in TRANSFORMS:
        raise UserError(
            f"{where}: no transform '{config.transform}'{nearest(config.transform, TRANSFORMS)}\n"
            f"allowed: {', '.join(TRANSFORMS)}, or null for none"
        )
    if config.clip is not None:
        bounds = [-np.inf if low is None else float(low) for low in config.clip[:1]]
        bounds += [np.inf if high is None else float(high) for high in config.clip[1:]]
        if len(bounds) != 2 or not bounds[0] < bounds[1]:
            raise UserError(f"{where}: clip needs a lower and a higher bound (null for none), not {list(config.clip)}")
    return config


def _check_streams(config: DataConfig, source: Source, inputs: Mapping[str, Mapping[str, VariableConfig]]) -> None:
    if not any(inputs.values()):
        raise UserError("data.inputs names no variable")
    for stream, names in inputs.items():
        source.require(stream, names, f"data.inputs.{stream}")
        source.require_numbers(stream, names)
    if source.header(config.global_stream).capacity:
        raise UserError(
            f"data.global_stream is '{config.global_stream}', which has many rows per jet\nin {source.parts[0][0]}"
        )
    for stream in inputs:
        if stream != config.global_stream and not source.header(stream).capacity:
            raise UserError(
                f"'{stream}' has one row per jet, as the global stream '{config.global_stream}' has\n"
                f"in {source.parts[0][0]}: only one stream is global (data.global_stream)"
            )


def _check_keys(where: str, entries: Mapping[str, object], streams: Iterable[str]) -> None:
    for name in entries:
        if name not in list(streams):
            raise UserError(
                f"{where} names the stream '{name}'{nearest(name, streams)}\nwhich is neither input nor has labels"
            )


def _stream(
    name: str, entries: Mapping[str, VariableConfig], config: DataConfig, source: Source, units: Mapping[str, str]
) -> Stream:
    header = source.header(name)
    selection, order, most = config.select.get(name), config.order.get(name), config.max_constituents.get(name)
    where = f"dataset '{name}' of {source.parts[0][0]}"
    if selection is not None:
        Expression(selection, f"data.select.{name}").check(header.fields, where)
    if name == config.global_stream and (order or most):
        raise UserError(f"data.order and data.max_constituents are for sets of constituents, not for '{name}'")
    if order is not None:
        source.require(name, [order.removeprefix("-")], f"data.order.{name}")
    if most is not None and most < 1:
        raise UserError(f"data.max_constituents.{name} must be at least 1, not {most}")
    return Stream(
        name=name,
        variables=tuple(
            Variable(
                name=field,
                transform=entry.transform,
                clip=None if entry.clip is None else (entry.clip[0], entry.clip[1]),
                default=_default(field, entry, _defaults(field, config), header.dtype[field]),
                flag_default=entry.flag_default,
                unit=units[field],
            )
            for field, entry in entries.items()
        ),
        is_global=name == config.global_stream,
        capacity=header.capacity,
        max_constituents=most,
        order_by=order,
        selection=selection,
    )


def _defaults(name: str, config: DataConfig) -> Mapping[str, float]:
    """Those that are declared; jets without a value of the parameter may have NaN."""
    if config.parameter is None or config.parameter.field != name or "*" in config.defaults:
        return config.defaults
    return {**config.defaults, "*": float("nan")}


def _default(
    name: str, entry: VariableConfig, defaults: Mapping[str, float], kind: np.dtype[np.generic]
) -> float | None:
    """The declared default as the file's type holds it: its own entry, its name, else the first wildcard."""
    if entry.default is not None:
        value = float(entry.default)
    elif name in defaults:
        value = float(defaults[name])
    else:
        pattern = next((pattern for pattern in defaults if fnmatchcase(name, pattern)), None)
        if pattern is None:
            if entry.flag_default:
                raise UserError(
                    f"the input '{name}' has flag_default, but no default\ndeclare it: data.defaults: {{{name}: -999}}"
                )
            return None
        value = float(defaults[pattern])
    return float(kind.type(value)) if kind.kind == "f" else value


def _check_defaults(
    defaults: Mapping[str, float], source: Source, inputs: Mapping[str, Mapping[str, VariableConfig]]
) -> None:
    known = [name for stream in inputs for name in source.header(stream).fields]
    for pattern in defaults:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UserError(f"data.defaults names '{pattern}'{nearest(pattern, known)}, which no input stream has")


def _labels(config: DataConfig, source: Source, units: Mapping[str, Mapping[str, str]]) -> tuple[Label, ...]:
    """One label per key that the tasks ask for; two tasks may share one."""
    labels: dict[tuple[str, str], Label] = {}
    for request in config.requests:
        label = resolve_label(request, config.labels, source)
        if label.kind == "real":
            label = replace(label, unit=units[label.stream][label.name])
        same = labels.setdefault((label.stream, label.key), label)
        if same != label:
            raise UserError(
                f"two tasks read '{request.name}' of '{request.stream}' differently: as {_said(same)}\n"
                f"and as {_said(label)}"
            )
    asked = [request.name for request in config.requests]
    for name in config.labels:
        if name not in asked and name not in [label.name for label in labels.values()]:
            raise UserError(f"data.labels names '{name}'{nearest(name, asked)}, which no task learns")
    return tuple(labels.values())


def _said(label: Label) -> str:
    return f"{label.kind} {label.classes}" if label.classes else label.kind


def _event(config: DataConfig, source: Source) -> tuple[str, ...]:
    header = source.header(config.global_stream)
    if config.event is None:
        return ("eventNumber",) if "eventNumber" in header.fields else ()
    fields = (config.event,) if isinstance(config.event, str) else tuple(config.event)
    source.require(config.global_stream, fields, "data.event")
    return fields
