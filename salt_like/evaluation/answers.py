"""What one side of a comparison says, whether a prediction file or a graph said it; and which jets both know."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.errors import UserError, nearest
from salt_like.evaluation.reader import PredictionFile

Array = NDArray[Any]
ROW = "row"
OF_JETS = -1  # the place of what is no constituent


@dataclass(frozen=True)
class Answer:
    """One output.

    Args:
        kind: As in `Output`.
        values: ``(m,)``.
        unit: Unit of the values.
        groups: Of an index: whether it says what belongs together, so that only equality means something.
        tolerance: How far it may be from another computation of the same; ``None`` for that of its kind.
    """

    kind: str
    values: Array
    unit: str = ""
    groups: bool = True
    tolerance: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Rows:
    """All that is said about the same things.

    Args:
        stream: Stream that they belong to.
        jet: Jet of each, ``(m,)``, from 0.
        place: Slot of each constituent in its jet, or component of a vector, ``(m,)``; -1 for what is one per jet.
        answers: Name of the output, without the model's → what it says.
    """

    stream: str
    jet: NDArray[np.integer]
    place: NDArray[np.integer]
    answers: Mapping[str, Answer]


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Args:
        source: File or folder.
        model: Name of the model.
        names: What a reader knows each jet by, such as its row and event: heading → ``(n,)``.
        rows: What it says; sides have the same keys for the same things.
    """

    source: str
    model: str
    names: Mapping[str, Array]
    rows: Mapping[str, Rows]


@dataclass(frozen=True)
class Matched:
    """Which jets of two sides are the same.

    Args:
        first: Their numbers in A, ``(n,)``.
        second: Their numbers in B, ``(n,)``.
        by: What told that they are the same.
        only: Number of jets that only A has, and that only B has.
        notes: What one must know about it.
    """

    first: NDArray[np.integer]
    second: NDArray[np.integer]
    by: str
    only: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = field(default_factory=tuple)


def side_of(file: PredictionFile) -> Side:
    """What a prediction file says.

    Args:
        file: The file, or its jets in a range.
    """
    jets = file.contents.spec.global_stream.name
    outputs = file.outputs
    event = [name for name in file.contents.spec.event if name in file.jet_fields]
    named = [name for name in (ROW, *event) if name in file.jet_fields]
    rows = {}
    for stream in dict.fromkeys(one.stream for one in outputs):
        own = {one.column(file.contents.model): one for one in outputs if one.stream == stream}
        if stream == jets:
            values, jet = file.columns(list(own)), np.arange(file.jets)
            place = np.full(file.jets, OF_JETS)
        elif any(one.objects for one in own.values()):
            array = np.concatenate(list(file.arrays(stream)))
            rows[stream] = objects_rows(
                stream, {one.field: Answer(one.kind, array[name], one.unit) for name, one in own.items()}
            )
            continue
        else:
            values, jet, place = _constituents(file, stream, list(own))
        flat = {
            one.field: Answer(one.kind, values[name], one.unit) for name, one in own.items() if values[name].ndim == 1
        }
        rows[stream] = Rows(stream, jet, place, flat)
        vectors = {one.field: Answer(one.kind, values[name]) for name, one in own.items() if values[name].ndim == 2}
        rows |= {f"{stream}, {field}": vector_rows(stream, field, one, jet, place) for field, one in vectors.items()}
    return Side(str(file.path), file.contents.model, file.columns(named), rows)


def vector_rows(stream: str, field: str, answer: Answer, jet: NDArray[np.integer], place: NDArray[np.integer]) -> Rows:
    """Vectors as one row per component.

    Args:
        stream: Stream that they belong to.
        field: Name of the output.
        answer: With values ``(m, D)``.
        jet: Jet of each vector, ``(m,)``.
        place: Slot of its constituent in its jet, ``(m,)``; -1 for vectors of jets.
    """
    number, width = answer.values.shape
    component = np.tile(np.arange(width), number)
    places = np.repeat(place.clip(min=0), width) * width + component
    return Rows(stream, np.repeat(jet, width), places, {field: replace(answer, values=answer.values.reshape(-1))})


def objects_rows(stream: str, answers: Mapping[str, Answer]) -> Rows:
    """Objects of jets as one row each.

    Args:
        stream: Array of the objects.
        answers: With values ``(n, Q)`` each.
    """
    jets, number = next(iter(answers.values())).values.shape
    flat = {field: replace(one, values=one.values.reshape(-1)) for field, one in answers.items()}
    return Rows(stream, np.repeat(np.arange(jets), number), np.tile(np.arange(number), jets), flat)


def _constituents(file: PredictionFile, stream: str, names: Sequence[str]) -> tuple[dict[str, Array], Array, Array]:
    parts = list(file.constituents(stream, names))
    values = {name: np.concatenate([part.fields[name] for part in parts]) for name in names} if parts else {}
    jet = np.concatenate([part.first + part.jet for part in parts] or [np.zeros(0, int)])
    return values or dict.fromkeys(names, np.zeros(0)), jet, np.concatenate([p.slot for p in parts] or [jet])


def match(first: PredictionFile, second: PredictionFile, key: Sequence[str] = ()) -> Matched:
    """The jets that two prediction files share: the same rows of the same sources, or the same values of some fields.

    Args:
        first: A.
        second: B.
        key: Fields of the jets that tell them apart; none for rows of the sources.

    Raises:
        UserError: Other sources, a field that a file does not have or that does not tell jets apart, rows that are
            other jets, or no jet in common.
    """
    notes: tuple[str, ...] = ()
    fields = list(key) or [ROW]
    if not key:
        notes = _same_sources(first, second)
    for side, file in (("A", first), ("B", second)):
        for name in fields:
            if name not in file.jet_fields:
                raise UserError(
                    f"--key: no field '{name}' of the jets in {side}{nearest(name, file.jet_fields)}\nin {file.path}"
                )
    codes, other = _codes(*(file.columns(fields) for file in (first, second)))
    for side, file, found in (("A", first, codes), ("B", second, other)):
        _refuse_repeated(side, file, second if file is first else first, found, fields)
    _, one, two = np.intersect1d(codes, other, assume_unique=True, return_indices=True)
    if not len(one):
        raise UserError(f"no jet in both, by {', '.join(fields)}\nA: {first.path}\nB: {second.path}")
    order = np.argsort(one)
    one, two = one[order], two[order]
    _refuse_others(first, second, one, two, fields)
    by = ", ".join(fields) if key else "row of the source"
    return Matched(one, two, by, (first.jets - len(one), second.jets - len(two)), notes)


def _same_sources(first: PredictionFile, second: PredictionFile) -> tuple[str, ...]:
    """What must be said about sources of the same names; rows count one file after the other."""
    one, other = first.contents.sources, second.contents.sources
    common = min(len(one), len(other))
    if [Path(path).name for path in one[:common]] != [Path(path).name for path in other[:common]]:
        names = [", ".join(Path(path).name for path in paths[:3]) for paths in (one, other)]
        raise UserError(
            f"predictions of other files, in which the same row is another jet\nA: {names[0]}\nB: {names[1]}\n"
            "if they hold the same jets, say which fields tell these apart: --key eventNumber,…"
        )
    if one[:common] != other[:common]:
        return ("the predicted files have the same names and lie in other folders: taken for the same",)
    return ()


def _codes(first: Mapping[str, Array], second: Mapping[str, Array]) -> tuple[Array, Array]:
    """A number for each jet, the same where all fields are."""
    split = len(next(iter(first.values())))
    code = np.zeros(split + len(next(iter(second.values()))), np.int64)
    for name in first:
        both = np.concatenate([first[name], second[name]])
        values, own = np.unique(both, return_inverse=True)
        code = np.unique(code * max(len(values), 1) + own.reshape(-1), return_inverse=True)[1].reshape(-1)
    return code[:split], code[split:]


def _refuse_repeated(
    side: str, file: PredictionFile, other: PredictionFile, codes: Array, fields: Sequence[str]
) -> None:
    repeated = file.jets - len(np.unique(codes))
    if not repeated:
        return
    said = {output.column(one.contents.model) for one in (file, other) for output in one.outputs}
    more = [name for name in file.jet_fields if name in other.jet_fields and name not in {*said, *fields, ROW}]
    hint = ""
    for some in (*itertools.combinations(more, 1), *itertools.combinations(more, 2), more):
        columns = file.columns([*fields, *some])
        if len(np.unique(_codes(columns, {name: one[:0] for name, one in columns.items()})[0])) == file.jets:
            hint = f"\nthese do: --key {','.join([*fields, *some])}"
            break
    raise UserError(
        f"{', '.join(fields)} does not tell jets apart: {repeated} of the {file.jets} jets in {side} have the values "
        f"of another{hint}\nin {file.path}"
    )


def _refuse_others(first: PredictionFile, second: PredictionFile, one: Array, two: Array, known: Sequence[str]) -> None:
    """Refuse jets that are called the same and are not: events and inputs come from the source in both files."""
    inputs = [variable.name for variable in first.contents.spec.global_stream.variables]
    for name in dict.fromkeys((*first.contents.spec.event, *inputs)):
        if name in known or name not in first.jet_fields or name not in second.jet_fields:
            continue
        ours, theirs = first.columns([name])[name][one], second.columns([name])[name][two]
        differs = (ours != theirs) & ((ours == ours) | (theirs == theirs))  # NaN is equal to NaN here
        if differs.any():
            jet = int(differs.argmax())
            values = ", ".join(f"{key} {first.columns([key])[key][one[jet]]}" for key in known)
            raise UserError(
                f"other jets under the same {', '.join(known)}: {name} is {ours[jet]} in A and {theirs[jet]} in B for "
                f"{values} ({int(differs.sum())} of {len(one)} jets)\nA: {first.path}\nB: {second.path}"
            )
