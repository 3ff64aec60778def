"""What a model does in bins of the jets' momentum, pseudorapidity and number of constituents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from salt_like.evaluation.bins import Bins, Profile, bins_of
from salt_like.evaluation.ranges import MOMENTA, Range, field_of
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.rejection import Point, apply
from salt_like.evaluation.results import DiscriminantResult, Evaluation
from salt_like.evaluation.scores import Scores, scores
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.working_points import WorkingPoint

# fields that say how much pile-up there was, the first one that is there is taken
PILEUP = ("actualInteractionsPerCrossing", "averageInteractionsPerCrossing", "n_pileup", "nPileup", "npu", "npv", "nPV")
EFFICIENCY = 0.77  # of the working point that is shown in bins; the nearest one where there is none


def with_profiles(file: PredictionFile, found: Evaluation, known: Sequence[Bins]) -> Evaluation:
    """An evaluation with what one working point of each discriminant does in bins of the jets.

    Args:
        file: The prediction file.
        found: Its evaluation.
        known: The bins.
    """
    return replace(found, discriminants=tuple(_discriminant(file, one, known) for one in found.discriminants))


def variables(file: PredictionFile, ranges: Sequence[Range] = ()) -> list[Bins]:
    """Bins of the jets' momentum, absolute pseudorapidity, number of constituents of each stream, and pile-up.

    Args:
        file: The prediction file.
        ranges: Ranges of the jets; the first one says which field is the momentum, and its unit.
    """
    inputs = {one.name: one.unit for one in file.contents.spec.global_stream.variables if one.name in file.jet_fields}
    quoted = {one.field: one.unit for one in ranges[:1] if one.field in MOMENTA and one.field in file.jet_fields}
    momentum = field_of(quoted) or field_of(inputs) or field_of(file.jet_fields)
    made: list[Bins | None] = []
    if momentum:
        unit = quoted.get(momentum) or inputs.get(momentum, "")
        made.append(bins_of(file.columns([momentum])[momentum], "momentum", momentum, unit))
    eta = _pseudorapidity(file.jet_fields, momentum)
    if eta:
        made.append(bins_of(np.abs(file.columns([eta])[eta]), "pseudorapidity", eta))
    true = [task.objects for task in file.contents.tasks]
    for stream in file.contents.spec.streams:
        if not stream.is_global and stream.name in file.fields and stream.name not in true:
            made.append(bins_of(_numbers(file, stream.name), "number", stream.name))
    pileup = next((name for name in PILEUP if name in file.jet_fields), None)
    if pileup:
        made.append(bins_of(file.columns([pileup])[pileup], "pile-up", pileup))
    return [one for one in made if one is not None]


def _pseudorapidity(fields: Sequence[str], momentum: str | None) -> str | None:
    """The field that goes with the momentum, before others."""
    own = (momentum or "pt").replace("pt", "eta").replace("pT", "eta")
    names = (own, "eta", *(name.replace("pt", "eta") for name in MOMENTA), "abs_eta")
    return next((name for name in names if name in fields), None)


def _numbers(file: PredictionFile, stream: str) -> Floats:
    """Number of constituents of each jet that the model saw, ``(N,)``."""
    parts = [np.bincount(one.jet, minlength=len(one.group)) for one in file.constituents(stream, ["valid"])]
    return np.concatenate(parts).astype(np.float64)


def _discriminant(file: PredictionFile, found: DiscriminantResult, known: Sequence[Bins]) -> DiscriminantResult:
    jets = scores(file, found.discriminant)
    if jets is None or not known or not found.points:
        return found
    fixed = _shown([point.made for point in found.points])
    # a flat one of a single bin is another fixed one
    several = (point.made for point in found.flat if len(point.made.cuts) > 1)
    flat = next((one for one in several if one.efficiency == fixed.efficiency), None)
    at = file.columns([flat.field])[flat.field] if flat else None
    profiles = (Profile(one, _points(fixed, jets, one), _points(flat, jets, one, at) if flat else ()) for one in known)
    return replace(found, profiles=tuple(profiles))


def _shown(points: Sequence[WorkingPoint]) -> WorkingPoint:
    return min(points, key=lambda one: abs(one.efficiency - EFFICIENCY))


def _points(made: WorkingPoint, jets: Scores, bins: Bins, at: Floats | None = None) -> tuple[Point, ...]:
    found: list[Point] = []
    for one in range(len(bins)):
        inside = bins.of == one
        given = (jets.values[inside], jets.labels[inside], jets.classes, jets.signal_class)
        weights = None if jets.weights is None else jets.weights[inside]
        found += apply((made,), *given, weights, None if at is None else at[inside])
    return tuple(found)
