"""`train test`: metrics and predictions of a run on labelled files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import hypothesis, merge, quoted, table
from salt_like.cli.predict import add_common, open_tagger, writing
from salt_like.cli.progress import progress
from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from salt_like.data.hypothesis import Assignment
    from salt_like.data.sample import Sample
    from salt_like.evaluation.results import Evaluation
    from salt_like.evaluation.table import Listing
    from salt_like.evaluation.working_points import Cuts
    from salt_like.loading.tagger import LoadedTagger
    from salt_like.tracking.afterwards import Told
    from salt_like.training.run import Run

_EPILOG = """\
Without --data.test the test files of the run's configuration are used. Several named samples make one prediction file
each: --data.test.ttbar=a.h5 --data.test.zprime=b.h5; the cuts of the working points are made on the first one, in the
first range of the jets' momentum, written to predictions/SAMPLE_working_points.json and applied unchanged to all."""
_KEYS = ("data.test", "data.num_test")


def parser() -> command_line.Parser:
    """The options of `train test`."""
    made = command_line.Parser(
        "test", "Predicts labelled files with a run, and prints and writes its metrics.", epilog=_EPILOG
    )
    made.add_argument("run", metavar="RUN", help="folder of the run")
    add_common(made)
    made.add_argument(
        "--ranges",
        metavar="FIELD=EDGE,EDGE,…|none",
        help="ranges of the jets for the tables, in the file's unit; by default 20 to 250 GeV and above, of the pt",
    )
    made.add_argument(
        "--cuts",
        metavar="SAMPLE[:RANGE]|FILE",
        help="where the cuts come from: a sample and the number of a range (1, 2, … or all), or stored working points",
    )
    made.add_argument("--details", action="store_true", help="show the tables by range and class, and scans, too")
    made.add_argument("--flat", action="store_true", help="show working points of the same efficiency in every bin too")
    made.add_argument(
        "--figures",
        metavar="png|pdf|png,pdf|none",
        default="png",
        help="how the figures in predictions/SAMPLE_figures are written (png)",
    )
    made.add_argument("--no-report", action="store_true", help="do not write RUN/report.html, one page with all of it")
    return made


def main(arguments: list[str]) -> int:
    """Tests.

    Args:
        arguments: What follows `train test`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments or the data is wrong.
    """
    options, rest = parser().parse_known_args(arguments)
    changes = _changes(command_line.overrides(rest, parser().options(), "test"))
    endings = formats(options.figures)
    from salt_like.evaluation.evaluate import evaluate
    from salt_like.loading import SamplePredictor
    from salt_like.tracking.afterwards import tracker_of
    from salt_like.training.run import open_run

    run = open_run(Path(options.run).expanduser().absolute())
    tagger = open_tagger(run.folder, options)
    data = merge.merge(tagger.data, changes)
    if "test" in changes:
        data["test"] = changes["test"]  # in place of the run's own samples, not beside them
    parameters = hypothesis.values(options.parameter, tagger.spec)
    samples = _samples(tagger, data, "test" in changes, parameters)
    ranges = quoted.ranges(options.ranges, samples, tagger.spec)
    reference = quoted.reference(options.cuts, samples, ranges)
    predictors = {}
    for name in reference.first(samples):
        sample = samples[name]
        overwrite = options.force or _same_sources(run.predictions / f"{name}.h5", sample)
        writes = quoted.with_field(writing(options, data.get("weight"), overwrite), sample, ranges)
        predictors[name] = SamplePredictor(tagger, sample, writes)
    cuts: Cuts | None = reference.stored
    with tracker_of(run.folder) as told:
        for name, predictor in predictors.items():
            path = run.predictions / f"{name}.h5"
            with progress(f"predicting {name}") as report:
                predictor.write(path, report)
            if cuts is None:
                cuts = reference.make(path, ranges)
            evaluation = evaluate(path, cuts, ranges)
            _report(evaluation, run, options.details, options.flat)
            _draw(evaluation, run, endings)
            if told is not None:
                _tell(told, evaluation, run)
        if not options.no_report:
            from salt_like.cli import report as reporting

            reporting.after_test(run.folder, list(predictors))
            if told is not None:
                told.file(run.folder / reporting.FILE)
    print(f"working points: {options.cuts if reference.stored else reference.beside(run.predictions)}")
    return 0


def formats(text: str) -> tuple[str, ...]:
    """What ``--figures`` asks for: endings of files.

    Raises:
        UserError: It is something else.
    """
    from salt_like.figures.draw import FORMATS

    chosen = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    for one in chosen:
        if one not in FORMATS:
            raise UserError(
                f"--figures={text}: unknown '{one}'{nearest(one, FORMATS)}\nallowed: png, pdf, png,pdf, none"
            )
    return chosen


def _changes(overrides: list[tuple[str, Any]]) -> dict[str, Any]:
    """The `data` section as far as the command line sets it."""
    changes: dict[str, Any] = {}
    for key, value in overrides:
        if key not in _KEYS and not key.startswith("data.test."):
            options = [*parser().options(), *(f"--{one}" for one in _KEYS)]
            raise UserError(f"--{key} cannot be set for a test{nearest(f'--{key}', options)}\nsee: train test --help")
        if key == "data.num_test" and value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise UserError(f"--{key} = {value!r}: expected an integer")
        # a sample's name may hold dots
        name = key.removeprefix("data.test.")
        nested = {"data": {"test": {name: value}}} if name != key else merge.nested(key, value)
        changes = merge.merge(changes, nested)
    found: dict[str, Any] = changes.get("data", {})
    return found


def _samples(
    tagger: LoadedTagger, data: dict[str, Any], given: bool, parameters: Sequence[Assignment]
) -> dict[str, Sample]:
    """The test samples, one for each value of a parameter.

    Without test files they are the share of the training files that the run kept for testing.
    """
    from salt_like.data.splits import Splits

    split = None if given else data.get("split")
    files = data.get("train" if split else "test")
    if files is None:
        raise UserError("the run's configuration names no test file\ngive one: --data.test=FILE")
    splits = Splits(
        {"train" if split else "test": files}, split, {"test": data.get("num_test")}, weight=data.get("weight")
    )
    for sample in splits.samples("test", tagger.spec, labels=False).values():
        _check_labels(tagger, sample)
    found = {}
    for value in parameters:
        for name, sample in splits.samples("test", tagger.spec, parameter=value).items():
            sample.name = f"{name}{hypothesis.suffix(value, len(parameters))}"
            found[sample.name] = sample
    return found


def _check_labels(tagger: LoadedTagger, sample: Sample) -> None:
    """Say what to do with a file without labels."""
    for label in tagger.spec.labels:
        header = sample.source.header(label.stream)
        if label.name not in header.fields:
            raise UserError(
                f"the test file has no label '{label.name}'{nearest(label.name, header.fields)}\n"
                f"in dataset '{label.stream}' of {sample.source.parts[0][0]}\n"
                "to predict files without labels: train predict"
            )


def _same_sources(path: Path, sample: Sample) -> bool:
    """True where there is a prediction file of the same files, which a new test may replace."""
    from salt_like.evaluation.reader import PredictionFile

    if not path.exists():
        return False
    try:
        sources = PredictionFile(path).contents.sources
    except UserError:
        return False
    return sources == tuple(name for name, _ in sample.source.parts)


def _report(evaluation: Evaluation, run: Run, details: bool, flat: bool) -> None:
    """Write all numbers and all tables, and show the tables that fit on a screen."""
    from salt_like.evaluation.table import headline, listings, summary

    metrics = run.predictions / f"{evaluation.sample}_metrics.json"
    _write(metrics, json.dumps(evaluation.plain(), indent=2))
    tables = run.predictions / f"{evaluation.sample}_metrics.txt"
    said = headline(evaluation)
    _write(tables, "\n\n".join([said, *(_drawn(one).plain() for one in listings(evaluation, flat=True))]))
    shown = listings(evaluation, flat) if details else summary(evaluation, flat)
    beside = f"predictions: {evaluation.file}\nmetrics: {metrics}\ntables by range and class: {tables}"
    table.show([said, *(_drawn(one) for one in shown), beside])


def _draw(evaluation: Evaluation, run: Run, endings: tuple[str, ...]) -> None:
    """Draw the figures of the metrics that were written."""
    from salt_like.figures.draw import draw

    folder = run.predictions / f"{evaluation.sample}_figures"
    with progress(f"drawing {evaluation.sample}") as report:
        written = draw(evaluation.plain(), folder, endings, report)
    if written:
        print(f"figures: {folder} ({len(written)})")


def _tell(told: Told, evaluation: Evaluation, run: Run) -> None:
    """Tell the run's tracker of one sample."""
    beside = run.predictions / evaluation.sample
    files = [beside.with_name(f"{beside.name}_{one}") for one in ("metrics.json", "metrics.txt")]
    figures = sorted(beside.with_name(f"{beside.name}_figures").glob("*.png"))
    told.test(evaluation.plain(), files, figures)


def _write(path: Path, text: str) -> None:
    from salt_like.atomic import write_atomically

    with write_atomically(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _drawn(one: Listing) -> table.Table:
    return table.Table(one.title, one.headings, one.rows, one.text)
