"""`train report`: one page that explains a run, or several beside each other."""

from __future__ import annotations

import contextlib
import io
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from salt_like.cli import arguments as command_line
from salt_like.cli.progress import progress
from salt_like.errors import UserError

FILE = "report.html"
_EPILOG = """\
Numbers are those that `train test` wrote with the predictions. Runs beside each other need predictions of the same
jets: --data makes them for all. The page needs no other file and no network."""


def parser() -> command_line.Parser:
    """The options of `train report`."""
    made = command_line.Parser("report", "Writes one HTML page about a run, or about several.", epilog=_EPILOG)
    made.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, or a prediction file")
    made.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="labelled file that every run is tested on first; only these are reported then",
    )
    made.add_argument("--sample", action="append", default=[], metavar="NAME", help="only this test sample of runs")
    made.add_argument("--out", metavar="FILE.html", help="the page; by default RUN/report.html, of several report.html")
    made.add_argument(
        "--figures",
        metavar="png|pdf|png,pdf|none",
        default="none",
        help="write the figures as files too, into a folder beside the page (none)",
    )
    made.add_argument(
        "--importance",
        metavar="JETS|none",
        default="2000",
        help="jets that the importance of the inputs is measured on (2000)",
    )
    made.add_argument("--force", action="store_true", help="with --data, replace predictions of other files")
    return made


def main(arguments: list[str]) -> int:
    """Reports.

    Args:
        arguments: What follows `train report`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments is wrong, or there are no predictions of the same jets.
    """
    options = parser().strict(arguments)
    from salt_like.cli.test import formats
    from salt_like.report.gather import gather
    from salt_like.report.inputs import with_importance
    from salt_like.report.write import write

    endings = formats(options.figures)
    paths = [Path(one).expanduser() for one in options.runs]
    out = _out(options.out, paths)
    jets = 0 if options.importance == "none" else positive_number(options.importance)
    samples = [*options.sample, *_tested(options, paths)]
    with progress("reading") as report:
        runs = gather(paths, samples, report)
    for place, run in enumerate(runs if jets else []):
        with progress(f"importance of the inputs of {run.name}") as report:
            runs[place] = with_importance(run, jets, report)
    with progress("drawing") as report:
        written = write(runs, out, endings, report=lambda done: report(done, None))
    say(written)
    return 0


def after_test(folder: Path, samples: Sequence[str]) -> None:
    """Writes the page of a run that was tested, with the figures that the test has drawn.

    Args:
        folder: The folder of the run.
        samples: The samples that it was tested on.
    """
    from salt_like.report.gather import gather
    from salt_like.report.write import write

    with progress("report") as report:
        say(write(gather([folder], samples), folder / FILE, reuse=True, report=lambda done: report(done, None)))


def say(written: Sequence[Path]) -> None:
    """Say what was written."""
    page, *figures = written
    print(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB)")
    if figures:
        print(f"figures: {figures[0].parent} ({len(figures)})")


def positive_number(text: str) -> int:
    """The value of ``--importance``."""
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--importance {text}: give a number of jets of at least 1, or none")
    return int(text)


def _out(given: str | None, paths: Sequence[Path]) -> Path:
    """Where the page goes."""
    alone = paths[0] if len(paths) == 1 and paths[0].is_dir() else Path()
    out = alone / FILE if given is None else Path(given).expanduser()
    if out.suffix not in (".html", ".htm") or out.is_dir():
        raise UserError(f"--out {given}: give the name of an HTML file, such as {FILE}")
    if not out.parent.is_dir():
        raise UserError(f"--out {given}: no folder {out.parent}")
    return out


def _tested(options: Namespace, paths: Sequence[Path]) -> list[str]:
    """Tests every run on the files of ``--data``, and returns the names of the samples."""
    from salt_like.cli import test

    files = dict(_named(one) for one in options.data)
    if len(files) < len(options.data):
        raise UserError("--data: two files have the same name; give others with --data NAME=FILE")
    if not files:
        return []
    if alone := [one for one in paths if not one.is_dir()]:
        raise UserError(f"--data needs runs, and this is none: {alone[0]}")
    for path in paths:
        arguments = [str(path), "--figures=none", "--no-report", *(["--force"] if options.force else [])]
        arguments += [f"--data.test.{name}={file}" for name, file in files.items()]
        with contextlib.redirect_stdout(io.StringIO()):  # the tables are in the page
            test.main(arguments)
    return list(files)


def _named(text: str) -> tuple[str, str]:
    name, equals, file = text.partition("=")
    return (name, file) if equals and "/" not in name else (Path(text).stem, text)
