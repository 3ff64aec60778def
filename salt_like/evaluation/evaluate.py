"""Everything that a prediction file tells about how good a model is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from salt_like.errors import UserError, nearest
from salt_like.evaluation.curves import curve, scan
from salt_like.evaluation.histogram import Histogram, edges_around, histogram
from salt_like.evaluation.passes import evaluate_tasks
from salt_like.evaluation.profiles import variables, with_profiles
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.rejection import apply
from salt_like.evaluation.results import DiscriminantResult, Evaluation, TaskResult
from salt_like.evaluation.scores import Scores, scores
from salt_like.evaluation.statistics import effective_entries
from salt_like.evaluation.task_metrics import prior_of
from salt_like.evaluation.working_points import EFFICIENCIES, Cuts, fixed, flat
from salt_like.spec import Discriminant


def evaluate(path: Path, cuts: Cuts | None = None, ranges: Sequence[Range] = ()) -> Evaluation:
    """Metrics of every task and discriminant of a labelled prediction file, every row weighted by its jet.

    Args:
        path: The prediction file.
        cuts: Working points made on another sample; those of this sample without them.
        ranges: Ranges of the jets in which everything is measured too.

    Raises:
        UserError: Not a prediction file, no field of the ranges, weights that do not sum to something positive, or
            working points of something else.
    """
    file = PredictionFile(path)
    used = make_cuts(path, ranges) if cuts is None else cuts
    check_cuts(used, file)
    views = [file, *(file.within(one) for one in ranges)]
    known = variables(file, ranges) if file.jets else []
    whole, *others = evaluate_tasks(views, next((one for one in known if one.kind == "momentum"), None))
    parts = tuple(_evaluate(view, used, tasks) for view, tasks in zip(views[1:], others, strict=True))
    return with_profiles(file, _evaluate(file, used, whole, parts), known)


def make_cuts(
    path: Path,
    ranges: Sequence[Range] = (),
    within: Range | Literal["first"] | None = "first",
    efficiencies: Sequence[float] = EFFICIENCIES,
) -> Cuts:
    """Working points of every discriminant of a labelled prediction file.

    Args:
        path: The prediction file.
        ranges: Ranges of the jets; flat working points are made for all jets, in bins of the field of the ranges.
        within: Range that the fixed working points are made in, ``None`` for all jets. ``"first"`` is the first of the
            ranges that holds jets, all jets without ranges.
        efficiencies: Signal efficiencies.

    Raises:
        UserError: Not a prediction file, or no field of the ranges.
    """
    file = PredictionFile(path)
    contents = file.contents
    chosen = next((one for one in ranges if file.within(one).jets), None) if within == "first" else within
    points, flats, definitions, probabilities = {}, {}, {}, {}
    said = contents.class_fractions()
    for one in contents.spec.discriminants:
        part, whole = scores(file.within(chosen), one), scores(file, one)
        if part is None or whole is None:
            continue
        definitions[one.name] = one
        probabilities[one.name] = said[whole.task.name]
        points[one.name] = tuple(fixed(*part.signal(), efficiencies))
        if ranges:
            name = ranges[0].field
            at = file.columns([name])[name][whole.is_signal]
            values, weights = whole.signal()
            flats[one.name] = tuple(flat(values, at, name, weights, efficiencies))
    return Cuts(
        contents.sample,
        points,
        chosen,
        flats,
        definitions,
        contents.model,
        contents.checkpoint,
        contents.sources,
        probabilities,
    )


def check_cuts(cuts: Cuts, file: PredictionFile) -> None:
    """Refuse working points of another model, of discriminants defined otherwise, or of other class fractions.

    Raises:
        UserError: They do not belong to this file.
    """
    contents = file.contents
    if cuts.model and cuts.model != contents.model:
        raise UserError(
            f"the working points are of model '{cuts.model}', the predictions of '{contents.model}'\nin {file.path}"
        )
    for one in contents.spec.discriminants:
        made = cuts.definitions.get(one.name, one)
        if made != one:
            raise UserError(
                f"the working points of {one.name} are of another discriminant: signal {made.signal}, "
                f"background {dict(made.background)}\nhere: signal {one.signal}, background {dict(one.background)}"
            )
        assumed = cuts.probabilities.get(one.name)
        here = list(contents.class_fractions().values())
        if assumed and assumed not in here:
            raise UserError(
                f"the working points of {one.name} are of probabilities with other class fractions or temperature\n"
                f"made with: {assumed}\nhere: {'; '.join(map(str, here))}\n"
                "predict with the same --prior and --calibration, or make the cuts again"
            )


def _evaluate(
    file: PredictionFile, cuts: Cuts, tasks: tuple[TaskResult, ...], parts: tuple[Evaluation, ...] = ()
) -> Evaluation:
    contents = file.contents
    weights = file.weights()
    scored = {one.name: (one, scores(file, one)) for one in contents.spec.discriminants}
    return Evaluation(
        contents.sample,
        contents.model,
        str(file.path),
        contents.sources,
        file.jets,
        _ranges(file),
        tasks,
        tuple(_discriminant(file, one, jets, cuts) for one, jets in scored.values() if jets is not None),
        contents.weight,
        float(file.jets) if weights is None else effective_entries(weights),
        file.range,
        parts,
        contents.generator,
    )


def _ranges(file: PredictionFile) -> dict[str, tuple[float, float, str]]:
    stream = file.contents.spec.global_stream
    shown = {one.name: one.unit for one in stream.variables if one.name in file.fields[stream.name]}
    columns = file.columns(list(shown)) if file.jets else {}
    return {name: (float(np.nanmin(one)), float(np.nanmax(one)), shown[name]) for name, one in columns.items()}


def _discriminant(file: PredictionFile, wanted: Discriminant, jets: Scores, cuts: Cuts) -> DiscriminantResult:
    given = (jets.values, jets.labels, jets.classes, wanted.signal, jets.weights)
    flats = cuts.flat.get(wanted.name, ())
    at = file.columns([flats[0].field])[flats[0].field] if flats and flats[0].field in file.jet_fields else None
    where = (file.contents.sample, file.contents.sources, file.range)
    is_reference = where == (cuts.sample, cuts.sources or file.contents.sources, cuts.within)
    return DiscriminantResult(
        wanted,
        cuts,
        tuple(apply(cuts.points.get(wanted.name, ()), *given)),
        tuple(apply(flats, *given, at)) if at is not None else (),
        curve(*given),
        scan(wanted, jets.probabilities, jets.labels, jets.classes, jets.weights) if is_reference else None,
        prior_of(jets.task, jets.classes),
        _distribution(jets),
        given=jets.task.given,
        temperature=jets.task.temperature,
    )


def _distribution(jets: Scores) -> dict[str, Histogram]:
    """How the discriminant is distributed for the jets of each class that occurs."""
    edges = edges_around(jets.values[jets.labels >= 0])
    found = {}
    for index, name in enumerate(jets.classes):
        chosen = jets.labels == index
        drawn = histogram(jets.values[chosen], edges, None if jets.weights is None else jets.weights[chosen])
        if drawn is not None:
            found[name] = drawn
    return found


def range_named(ranges: Sequence[Range], number: str) -> Range | None:
    """The range of a number, counted from 1; ``None`` for ``all``.

    Raises:
        UserError: There is no such range.
    """
    known = {"all": None, **{str(index): one for index, one in enumerate(ranges, start=1)}}
    if number not in known:
        said = "; ".join(f"{name}: {one or 'all jets'}" for name, one in known.items())
        raise UserError(f"no range '{number}' to make the cuts in{nearest(number, known)}\nthere are {said}")
    return known[number]
