"""What a report is made of: predictions with their metrics, history, record and configuration of each run."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from salt_like.errors import UserError, nearest
from salt_like.evaluation.comparison import require_same_jets
from salt_like.evaluation.evaluate import check_cuts, evaluate, make_cuts
from salt_like.evaluation.ranges import Range, field_of, standard
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.working_points import Cuts
from salt_like.evaluation.working_points import read as read_cuts
from salt_like.figures.style import numbers
from salt_like.spec import DataSpec
from salt_like.training.run import Run, open_run

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Measured:
    """What was measured on one sample.

    Args:
        metrics: The content of the metrics file.
        spec: Description of the data that the model was trained on; ``None`` where neither predictions nor run have it.
        file: The prediction file, ``None`` where it is gone.
        importance: What the inputs are worth, ``None`` where that was not measured.
    """

    metrics: dict[str, Any]
    spec: DataSpec | None = None
    file: Path | None = None
    importance: dict[str, Any] | None = None


@dataclass(frozen=True)
class Reported:
    """A run, or a prediction file alone.

    Args:
        name: How the page calls it.
        model: Name of the model.
        where: The folder, or the file.
        samples: Sample → what was measured on it.
        history: Column of ``metrics.csv`` → its value of each epoch, NaN where it has none.
        record: What the run was and how far it got.
        config: The resolved configuration as text.
        run: Where things are in the folder; ``None`` of a prediction file.
        notes: What is missing, and why.
    """

    name: str
    model: str
    where: Path
    samples: dict[str, Measured]
    history: dict[str, Floats] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    config: str = ""
    run: Run | None = None
    notes: tuple[str, ...] = ()


def gather(paths: Sequence[Path], samples: Sequence[str] = (), report: Progress | None = None) -> list[Reported]:
    """Everything that is known of some runs.

    Args:
        paths: Folders of runs, or prediction files.
        samples: Samples that are shown; all without any.
        report: Called with the number of samples done, that of all, and what is done.

    Raises:
        UserError: Not a run or a prediction file, no predictions, no such sample, predictions of different jets, or no
            sample that all have.
    """
    found = [_of_file(path) if path.is_file() else _of_run(path, samples, report) for path in paths]
    if len(found) > 1:
        _require_same_jets(found)
    return _named(found)


def _of_file(path: Path) -> Reported:
    measured = _measure(path)
    name = str(measured.metrics["model"])
    return Reported(name, name, path, {str(measured.metrics["sample"]): measured})


def _of_run(path: Path, wanted: Sequence[str], report: Progress | None) -> Reported:
    run = open_run(path)
    files = {one.stem: one for one in sorted(run.predictions.glob("*.h5"))}
    ending = "_metrics"
    named = {one.stem.removesuffix(ending) for one in sorted(run.predictions.glob(f"*{ending}.json"))}
    there = sorted({*files, *named})
    if not there:
        raise UserError(
            f"the run has no predictions to report: {path}\nmake them with: train test {path}\n"
            "or for other files: train report RUN --data NAME=FILE"
        )
    for one in wanted:
        if one not in there:
            raise UserError(
                f"no predictions of sample '{one}' in {path}{nearest(one, there)}\n"
                f"there are: {', '.join(there)}; --data {one}=FILE makes them"
            )
    notes: list[str] = []
    history, record, config = _history(run, notes), _record(run, notes), _config(run, notes)
    samples = {}
    chosen = list(wanted) or there
    for number, name in enumerate(chosen):
        if report is not None:
            report(number, len(chosen), f"reading {name}")
        samples[name] = _of_sample(run, name, files.get(name), notes)
    models = [str(one.metrics["model"]) for one in samples.values()]
    return Reported(models[0], models[0], path, samples, history, record, config, run, tuple(notes))


def _of_sample(run: Run, name: str, file: Path | None, notes: list[str]) -> Measured:
    """Metrics that `train test` has left where they are as new as the predictions, else those of the predictions."""
    path = run.predictions / f"{name}_metrics.json"
    metrics = _json(path)
    is_new = metrics is not None and (file is None or path.stat().st_mtime >= file.stat().st_mtime)
    if metrics is not None and is_new and {"tasks", "discriminants", "by_range", "model", "sample"} <= set(metrics):
        spec = _spec(run) or (None if file is None else PredictionFile(file).contents.spec)
        if file is None:
            notes.append(f"{name}: the prediction file is gone; numbers are those that `train test` wrote")
        found = Measured(metrics, spec, file)
    elif file is None:
        raise UserError(f"{path} is damaged, and its prediction file is gone\nmake both again: train test {run.folder}")
    else:
        found = _measure(file)
        found = replace(found, spec=_spec(run) or found.spec)
    importance = _json(run.predictions / f"{name}_importance.json")
    return replace(found, importance=importance)


def _measure(path: Path) -> Measured:
    """Metrics of a prediction file as `train test` makes them, with its cuts where they lie beside it."""
    file = PredictionFile(path)
    if not file.contents.labelled:
        raise UserError(f"predictions without labels: {path}\n`train test` makes predictions with labels")
    ranges = ranges_of(file)
    stored = path.with_name(f"{file.contents.sample}_working_points.json")
    cuts = _stored(stored, file) or make_cuts(path, ranges)
    found = evaluate(path, cuts, ranges).plain()
    return Measured(found, file.contents.spec, path)


def _stored(path: Path, file: PredictionFile) -> Cuts | None:
    """Working points beside a prediction file, ``None`` where there are none that belong to it."""
    try:
        cuts = read_cuts(path)
        check_cuts(cuts, file)
    except UserError:
        return None
    return cuts


def ranges_of(file: PredictionFile) -> tuple[Range, ...]:
    """The standard ranges of the momentum of the jets; none where its unit is not known.

    Args:
        file: The prediction file.
    """
    units = {one.name: one.unit for one in file.contents.spec.global_stream.variables if one.name in file.jet_fields}
    name = field_of(units)
    return tuple(standard(name, units[name])) if name else ()


def _require_same_jets(found: Sequence[Reported]) -> None:
    """Refuse runs of different jets, or without a sample in common.

    Raises:
        UserError: They are.
    """
    common = set.intersection(*(set(one.samples) for one in found))
    if not common:
        said = "\n".join(f"{one.where}: {', '.join(one.samples)}" for one in found[:2])
        raise UserError(f"no sample that all have\n{said}\npredict the same files with all: --data NAME=FILE")
    for name in sorted({name for one in found for name in one.samples}):
        first, *others = [one.samples[name] for one in found if name in one.samples]
        for other in others:
            if first.file is not None and other.file is not None:
                require_same_jets(PredictionFile(first.file), PredictionFile(other.file))
            elif (first.metrics["jets"], first.metrics["sources"]) != (other.metrics["jets"], other.metrics["sources"]):
                raise UserError(
                    f"not the same jets of sample '{name}': {first.metrics['jets']} of {first.metrics['sources'][:1]} "
                    f"and {other.metrics['jets']} of {other.metrics['sources'][:1]}\n"
                    "predict the same files with all: --data NAME=FILE"
                )


def _named(found: Sequence[Reported]) -> list[Reported]:
    """Each under a name of its own: that of the model, where several have it with that of the folder."""
    models = [one.model for one in found]
    names = [one.model if models.count(one.model) == 1 else f"{one.model} {one.where.resolve().name}" for one in found]
    names = [name if names.count(name) == 1 else f"{place}: {name}" for place, name in enumerate(names, start=1)]
    return [replace(one, name=name) for one, name in zip(found, names, strict=True)]


def _json(path: Path) -> dict[str, Any] | None:
    """The content of a file, ``None`` where it is not there or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _spec(run: Run) -> DataSpec | None:
    content = _json(run.spec)
    return None if content is None else DataSpec.from_dict(content)


def _record(run: Run, notes: list[str]) -> dict[str, Any]:
    content = _json(run.record)
    if content is None:
        notes.append(f"{run.record.name} is {'damaged' if run.record.exists() else 'gone'}")
    return content or {}


def _config(run: Run, notes: list[str]) -> str:
    try:
        text = run.config.read_text(encoding="utf-8")
        yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        notes.append(f"{run.config.name} is {'damaged' if run.config.exists() else 'gone'}")
        return ""
    return text


def _history(run: Run, notes: list[str]) -> dict[str, Floats]:
    """Columns of ``metrics.csv``; none where it is gone or not a table of numbers."""
    try:
        with run.metrics.open(newline="", encoding="utf-8") as stream:
            rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(stream)]
    except (OSError, ValueError, AttributeError, TypeError):
        rows = []
    rows = [row for row in rows if "epoch" in row]
    if not rows:
        notes.append(f"{run.metrics.name} is {'damaged or empty' if run.metrics.exists() else 'gone'}")
        return {}
    columns = dict.fromkeys(name for row in rows for name in row)
    return {name: numbers([row.get(name, np.nan) for row in rows]) for name in columns}
