"""`train compare`: two runs, prediction files or bundles, on the same jets."""

from __future__ import annotations

import json
import math
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.cli import arguments as command_line
from salt_like.cli import table
from salt_like.cli.predict import positive
from salt_like.cli.progress import progress
from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from salt_like.evaluation.comparison import Comparison
    from salt_like.evaluation.paired import Compared
    from salt_like.evaluation.reader import PredictionFile

_EPILOG = """\
Runs need predictions of `train test` on the same files. Both see the same resamples of the events; a difference is
shown where the 95 % interval leaves out 1 (ratios) or 0 (differences). It is that of these two trainings: another seed
may differ by as much. Bundles, and anything with --differences, are compared output by output: is it the same?"""
WORSE = 1
MOST_NAMED = 3  # the table has them all


def parser() -> command_line.Parser:
    """The options of `train compare`."""
    made = command_line.Parser(
        "compare",
        "Compares what two taggers say about the same jets: rejections, and the metrics of every task of both.",
        epilog=_EPILOG,
    )
    made.add_argument("first", metavar="RUN_A", help="folder of a run, a prediction file, or a bundle")
    made.add_argument("second", metavar="RUN_B", help="what is compared with it")
    made.add_argument("--sample", metavar="NAME", help="test sample of both runs, where there are several")
    made.add_argument("--range", metavar="FIELD=LOW,HIGH", help="only jets in a range, such as pt=20000,250000")
    made.add_argument("--resamples", type=positive, default=1000, metavar="N", help="resamples of the events (1000)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of the resamples (0)")
    made.add_argument(
        "--details", action="store_true", help="show all working points, AUC of constituents, vertices by class"
    )
    made.add_argument("--json", metavar="FILE", help="write all numbers there too")
    made.add_argument(
        "--fail-if-worse",
        type=_ratio,
        metavar="X",
        help="exit code 1 unless B is shown to keep X of every rejection of A: lower end of the 95 %% interval of B/A;"
        " nothing else is judged",
    )
    judged = made.add_argument_group("every output jet by jet, which bundles are always compared by")
    judged.add_argument(
        "--differences",
        action="store_true",
        help="how far outputs are apart instead of which tagger is better; exit code 1 where beyond the tolerance",
    )
    judged.add_argument("--key", metavar="FIELD,…", help="fields that tell jets apart; by default rows of the source")
    judged.add_argument(
        "--tolerance", type=tolerance, metavar="ABS[,REL]", help="of all values; by default that of bundles, by kind"
    )
    judged.add_argument("--out", metavar="FILE", help="figure of the differences: .png, .pdf or .svg")
    return made


def tolerance(text: str) -> tuple[float, float]:
    """An absolute and a relative tolerance."""
    try:
        absolute, _, relative = text.partition(",")
        found = (float(absolute), float(relative or 0))
    except ValueError:
        found = (-1.0, 0.0)
    if not all(0 <= one < math.inf for one in found):
        raise ArgumentTypeError(f"numbers of at least 0 such as 1e-5 or 1e-5,1e-4, not '{text}'")
    return found


def _ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"a positive ratio such as 0.95, not '{text}'")
    return value


def main(arguments: list[str]) -> int:
    """Compares.

    Args:
        arguments: What follows `train compare`.

    Returns:
        The exit code: 1 where ``--fail-if-worse`` is given and a rejection may be worse than that.

    Raises:
        UserError: Something in the arguments is wrong, or the jets differ.
    """
    options = parser().strict(arguments)
    from salt_like.cli import differences

    if options.differences or any(map(differences.is_a_bundle, (options.first, options.second))):
        return differences.main(options, open_files)
    differences.refuse(options, ("key", "tolerance", "out"), "needs --differences, or a bundle")
    from salt_like.evaluation.comparison import compare

    first, second = open_files(options.first, options.second, options.sample)
    if options.range:
        first, second = within(options.range, first, second)
    with progress("resampling") as report:
        found = compare(first, second, options.resamples, options.seed, report)
    table.show([*_tables(found, options.details), *found.notes])
    if options.json:
        from salt_like.atomic import write_atomically

        with write_atomically(Path(options.json)) as temporary:
            temporary.write_text(json.dumps(found.plain(), indent=2) + "\n", encoding="utf-8")
        print(f"numbers: {options.json}")
    return 0 if options.fail_if_worse is None else _judge(found, options.fail_if_worse)


def open_files(first: str, second: str, sample: str | None) -> tuple[PredictionFile, PredictionFile]:
    """Two prediction files, or those of two runs.

    Args:
        first: Run or file.
        second: Run or file.
        sample: Sample of the runs; ``None`` where they have one in common.

    Raises:
        UserError: No such file, no such sample, or several.
    """
    from salt_like.evaluation.reader import PredictionFile

    choices = [_choices(Path(one).expanduser()) for one in (first, second)]
    given = [one for one in choices if len(one) > 1 or "" not in one]
    if sample is None:
        common = sorted(set.intersection(*(set(one) for one in given))) if given else [""]
        if len(common) != 1:
            raise UserError(
                f"{'several samples' if common else 'no sample'} in common: give one with --sample\n"
                f"A: {', '.join(choices[0]) or 'none'}\nB: {', '.join(choices[1]) or 'none'}"
            )
        sample = common[0]
    files = []
    for name, one in zip((first, second), choices, strict=True):
        if "" not in one and sample not in one:
            raise UserError(
                f"no predictions of sample '{sample}' in {name}{nearest(sample, one)}\n"
                f"there are: {', '.join(one) or 'none'}; `train test` makes them"
            )
        files.append(PredictionFile(one.get("") or one[sample]))
    return files[0], files[1]


def _choices(path: Path) -> dict[str, Path]:
    """Prediction files of a run by sample; under no name, the file itself."""
    if path.is_file():
        return {"": path}
    from salt_like.training.run import open_run

    return {one.stem: one for one in sorted(open_run(path).predictions.glob("*.h5"))}


def within(text: str, first: PredictionFile, second: PredictionFile) -> tuple[PredictionFile, PredictionFile]:
    """The jets of both in the range of ``--range``."""
    from salt_like.evaluation.ranges import parse

    ranges = parse(text)
    if len(ranges) != 1:
        raise UserError(f"--range {text}: one range has two edges, such as pt=20000,250000")
    return first.within(ranges[0]), second.within(ranges[0])


def _tables(found: Comparison, details: bool) -> list[table.Table | str]:
    unit = "events" if found.by_event else "jets"
    head = (
        f"sample {found.sample}: {found.jets} jets of {found.events} {unit}, {found.resamples} resamples, "
        f"seed {found.seed}\n  A: {found.models[0]}, {found.files[0]}\n  B: {found.models[1]}, {found.files[1]}"
    )
    named = [
        ("rejections, each with its own cut on these jets", found.ratios),
        ("classes of the jets", found.differences),
        *((one.task, one.rows) for one in found.tasks),
    ]
    parts: list[table.Table | str] = [head]
    for title, rows in named:
        ratios = {bool(row.neutral) for row in rows}
        change = "change" if len(ratios) > 1 else "B/A" if True in ratios else "B - A"
        cells = [_cells(row, len(ratios) > 1) for row in rows if details or not row.detail]
        if cells:
            headings = ("", "A", "B", change, "68 %", "95 %", "verdict")
            parts.append(table.Table(title, headings, cells, frozenset({0, 6})))
    more = 0 if details else sum(row.detail for _, rows in named for row in rows)
    return [*parts, f"{more} more numbers with --details"] if more else parts


def _cells(one: Compared, said: bool) -> tuple[str, ...]:
    """A line of a table; with `said` it says whether the change is a ratio."""
    name = one.name + (f" [{one.unit}]" if one.unit else "")
    if not one.conclusive:
        return (name, _number(one.first), _number(one.second), "", "", "", one.verdict)
    change = one.change
    numbers = (change.value, change.low68, change.high68, change.low95, change.high95)
    form = "{:.3f}" if one.neutral else _form(change.high95 - change.low95)
    value, *ends = (form.format(x) for x in numbers)
    value = f"{'B/A' if one.neutral else 'B - A'} {value}" if said else value
    within = (f"{ends[0]} to {ends[1]}", f"{ends[2]} to {ends[3]}")
    return (name, _number(one.first), _number(one.second), value, *within, one.verdict)


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _form(width: float) -> str:
    """As many digits as the width of an interval gives meaning to, four behind the point for numbers below 1."""
    digits = 4 if not 0 < width < math.inf else 2 - math.floor(math.log10(width))
    return f"{{:+.{min(max(digits, 0), 4)}f}}"


def _judge(found: Comparison, least: float) -> int:
    """Whether B is shown not to be worse; numbers of too few jets show nothing either way."""
    known = [one for one in found.ratios if one.conclusive]
    worse = [one.name for one in known if one.change.low95 < least]
    if not known:
        print(f"no rejection {'has enough passing jets' if found.ratios else 'to judge'}: nothing is shown about B")
        return WORSE
    if worse:
        more = f" and {len(worse) - MOST_NAMED} more" if len(worse) > MOST_NAMED else ""
        print(
            f"not shown that B keeps {least:g} of A in {len(worse)} of {len(known)} rejections: "
            f"{'; '.join(worse[:MOST_NAMED])}{more}"
        )
        return WORSE
    print(f"B keeps {least:g} of A in all {len(known)} rejections with enough jets")
    return 0
