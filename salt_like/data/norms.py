"""Keeping the normalisation with which weights were learnt."""

from __future__ import annotations

from dataclasses import replace

from salt_like.spec import DataSpec, Label, Stream, Variable


def with_norms(spec: DataSpec, other: DataSpec) -> DataSpec:
    """The same description with mean and width of another one, for inputs and targets that mean the same in both.

    Args:
        spec: Description of the data.
        other: Description from which mean and width are taken.
    """
    known = {stream.name: {one.name: one for one in stream.variables} for stream in other.streams}

    def kept(stream: Stream, one: Variable) -> Variable:
        old = known.get(stream.name, {}).get(one.name)
        if old is None or (old.transform, old.clip, old.unit) != (one.transform, one.clip, one.unit):
            return one
        return replace(one, mean=old.mean, std=old.std)

    streams = (
        replace(stream, variables=tuple(kept(stream, one) for one in stream.variables)) for stream in spec.streams
    )
    scales = {(one.stream, one.key): one for one in other.labels if one.kind == "real"}

    def scaled(one: Label) -> Label:
        old = scales.get((one.stream, one.key))
        return one if old is None or old.unit != one.unit else replace(one, mean=old.mean, std=old.std)

    return replace(spec, streams=tuple(streams), labels=tuple(map(scaled, spec.labels)))
