"""Writes the report: the page, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.atomic import write_atomically
from salt_like.figures.draw import RESOLUTION as DRAWN
from salt_like.figures.draw import file_name
from salt_like.figures.style import save
from salt_like.figures.words import simulated
from salt_like.report import page
from salt_like.report.gather import Reported
from salt_like.report.sections import Draw, Pages, Show
from salt_like.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

RESOLUTION = 150  # dots per inch, of figures beside the page


def write(
    runs: Sequence[Reported],
    path: Path,
    formats: Sequence[str] = (),
    reuse: bool = False,
    report: Callable[[int], None] | None = None,
) -> list[Path]:
    """Writes one self-contained HTML file.

    Args:
        runs: What is reported.
        path: The page; replaced where it exists.
        formats: Endings of the figures that are written too, into a folder beside the page: ``png``, ``pdf``.
        reuse: Take figures that `train test` has just written, in place of drawing them again.
        report: Called with the number of figures drawn so far.

    Returns:
        The page, then the figures.
    """
    folder = path.with_name(f"{path.stem}_figures")
    written: list[Path] = []
    drawn = 0

    def show(name: str, make: Draw, there: Path | None) -> str:
        nonlocal drawn
        drawn += 1
        if report is not None:
            report(drawn)
        if reuse and there is not None and there.is_file():
            return page.file(there.read_bytes(), name, DRAWN)
        figure = make()
        for ending in formats:
            file = folder / f"{file_name(name)}.{ending}"
            save(figure, file, RESOLUTION)
            written.append(file)
        return page.drawn(figure, name)

    text = html(runs, show)
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [path, *written]


def html(runs: Sequence[Reported], show: Show) -> str:
    """The page.

    Args:
        runs: What is reported.
        show: Makes HTML of a figure.
    """
    pages = Pages(runs, show)
    title = " and ".join(one.name for one in runs) if len(runs) < 3 else f"{len(runs)} runs"
    about = [", ".join(f"{name}: {_jets(runs, name)}" for name in pages.samples)]
    about += _once(simulated(str(m.metrics.get("generator") or "")) for one in runs for m in one.samples.values())
    about.append(f"Report of salt-like {__version__}")
    return page.page(f"Report: {title}", about, pages.sections())


def _jets(runs: Sequence[Reported], sample: str) -> str:
    return f"{next(one.samples[sample].metrics['jets'] for one in runs if sample in one.samples):,} jets"


def _once(texts: Iterable[str]) -> list[str]:
    return [one for one in dict.fromkeys(texts) if one]
