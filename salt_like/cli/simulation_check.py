"""`train simulate --check FILE`: whether a file of jets looks like physics, as tables, a figure and a page."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path

from salt_like.cli import table
from salt_like.cli.progress import shown
from salt_like.errors import UserError
from salt_like.simulation.check import Report, check
from salt_like.simulation.check.verdict import MISSING, OUTSIDE, Row, Section

AS_EXPECTED, NOT_AS_EXPECTED = 0, 1
SIMULATING = ("out", "jets", "seed", "workers", "preset", "mix", "pileup", "config", "resume")
HEADINGS = ("quantity", "value", "unit", "expected", "verdict", "note")


def main(options: Namespace) -> int:
    """Runs `train simulate --check FILE`.

    Args:
        options: Of `train simulate`; none of those that simulate may be given.

    Returns:
        The exit code, as of `run`.

    Raises:
        UserError: An option has no meaning here, or the file cannot be checked.
    """
    given = [name for name in SIMULATING if getattr(options, name) is not None and getattr(options, name) is not False]
    if given:
        raise UserError(
            f"--{given[0]} has no meaning with --check, which simulates nothing\nsee: train simulate --help"
        )
    return run(Path(options.check), None if options.out_dir is None else Path(options.out_dir), options.json)


def run(path: Path, out_dir: Path | None = None, as_json: bool = False) -> int:
    """Checks a file, shows what was found, and writes a figure and a page.

    Args:
        path: HDF5 file with one structured array per stream.
        out_dir: Where figure and page are written; beside the file where there is none.
        as_json: Shows one JSON object instead of tables.

    Returns:
        The exit code: 0, or 1 when something is outside its band with significance.

    Raises:
        UserError: The file cannot be read or has no jets, or nothing can be written to the folder.
    """
    png, html = places(path, out_dir)
    with shown():
        report = check(path)
    # figures need matplotlib, whose import takes longer than reading a small file
    from salt_like.figures import style
    from salt_like.simulation.check import figures, web

    style.save(figures.page(report), png)
    web.write(report, html)
    written = f"figure: {png}\npage: {html}"
    if as_json:
        print(json.dumps({**report.plain(), "figure": str(png), "page": str(html)}, indent=2, ensure_ascii=False))
        print(written, file=sys.stderr)
    else:
        table.show([*_parts(report), f"{path.name}: {report.summary}", *_outside(report), written])
    return NOT_AS_EXPECTED if report.failed else AS_EXPECTED


def places(path: Path, out_dir: Path | None) -> tuple[Path, Path]:
    """Where figure and page of a file are written.

    Args:
        path: The file.
        out_dir: The folder, made where it does not exist; that of the file where there is none.

    Raises:
        UserError: The file does not exist, or nothing can be written to the folder.
    """
    if not path.is_file():
        from salt_like.data.files import find

        find(str(path), "--check")  # says what is wrong with it
    folder = path.parent if out_dir is None else out_dir
    if out_dir is not None:
        if out_dir.exists() and not out_dir.is_dir():
            raise UserError(f"--out-dir is a file, not a folder: {out_dir}")
        out_dir.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise UserError(f"nothing can be written to {folder}\nwrite figure and page elsewhere: --out-dir DIR")
    return folder / f"{path.stem}.check.png", folder / f"{path.stem}.check.html"


def _parts(report: Report) -> list[table.Table | str]:
    weights = "weighted with mcEventWeight" if report.weighted else "without event weights"
    found: list[table.Table | str] = [f"{report.path}: {report.jets:,} jets, {weights}\n{report.generator}"]
    for section in report.sections:
        found.append(_table(section))
        found += [table.Table(grid.title, grid.headings, grid.rows) for grid in section.grids]
    return found


def _table(section: Section) -> table.Table:
    rows = [[row.name, row.shown, row.unit, row.expected, row.verdict, row.note] for row in section.rows]
    return table.Table(section.title, HEADINGS, rows, frozenset({0, 2, 4, 5}))


def _outside(report: Report) -> list[str]:
    lines = []
    lacking = [f"  {row.name}: {row.note}" for row in report.lines if row.verdict == MISSING]
    if lacking:
        lines.append("\n".join(["not checked, as the file has no such fields:", *lacking]))
    rows = [_sentence(row) for row in report.lines if row.verdict == OUTSIDE]
    if rows:
        lines.append("\n".join(["outside of what is expected, with significance:", *rows]))
    return lines


def _sentence(row: Row) -> str:
    return f"  {row.name}: {row.shown} {row.unit}".rstrip() + f", expected {row.expected}"
