"""Every figure of what `train test` measured, drawn from the content of the metrics file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.figures.calibration import calibration
from salt_like.figures.confusion import confusion
from salt_like.figures.distribution import distribution
from salt_like.figures.origins import origins
from salt_like.figures.profile import profile
from salt_like.figures.regression import regression
from salt_like.figures.rejection import rejection
from salt_like.figures.scan import scan
from salt_like.figures.style import save
from salt_like.figures.vertices import vertices
from salt_like.figures.words import Part, parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf")
RESOLUTION = 150  # dots per inch
KINDS = ("rejection", "distribution", "bins", "scan", "confusion", "residuals", "vertices", "classes", "calibration")
_NO_FILE_NAME = re.compile(r"[^\w.+-]+")


def draw(
    metrics: Mapping[str, Any],
    folder: Path,
    formats: Sequence[str] = FORMATS[:1],
    report: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draws every figure; those of an earlier test in the folder that this one does not have are removed.

    Args:
        metrics: The content of a metrics file.
        folder: Where the figures go; made where there is none.
        formats: Endings of the files, of `FORMATS`; none only removes.
        report: Called with the number of figures drawn and that of all.

    Returns:
        The files, in order.
    """
    written = []
    wanted = list(figures(metrics)) if formats else []
    for number, (name, make) in enumerate(wanted, start=1):
        figure = make()
        for ending in formats:
            path = folder / f"{name}.{ending}"
            save(figure, path, RESOLUTION)
            written.append(path)
        if report is not None:
            report(number, len(wanted))
    old = [path for kind in KINDS for ending in FORMATS for path in folder.glob(f"{kind}_*.{ending}")]
    for path in set(old) - set(written):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return written


def figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """The figures for which there are numbers: a name that can be a file's, and what draws it.

    Args:
        metrics: The content of a metrics file.
    """
    whole, *ranges = parts(metrics)
    for name, make in (*_of_discriminants(whole, ranges), *_of_tasks(whole)):
        yield file_name(name), make


def file_name(name: str) -> str:
    """The name of a figure without what a file's name should not have."""
    return _NO_FILE_NAME.sub("_", name).strip("_")


def _of_discriminants(whole: Part, ranges: Sequence[Part]) -> Iterator[tuple[str, Callable[[], Figure]]]:
    shown = [("", whole), *((f"_range{number}", part) for number, part in enumerate(ranges, start=1))]
    for name, one in whole["discriminants"].items():
        for ending, part in shown:
            found = part["discriminants"].get(name)
            is_other = part is whole or 0 < part["jets"] < whole["jets"]
            if found and is_other and found["curve"]["efficiency"]:
                yield f"rejection_{name}{ending}", partial(rejection, {part["model"]: part}, name)
        if one["distribution"]:
            yield f"distribution_{name}", partial(distribution, whole, name)
        if one["profiles"]:
            yield f"bins_{name}", partial(profile, whole, name)
        for _, part in shown:
            if (part["discriminants"].get(name) or {}).get("scan"):
                yield f"scan_{name}", partial(scan, part, name)


def _of_tasks(whole: Part) -> Iterator[tuple[str, Callable[[], Figure]]]:
    for name, one in whole["tasks"].items():
        if one["confusion"] and one["metrics"]:
            yield f"confusion_{name}", partial(confusion, whole, name)
        if any(curve["classes"] for curve in one["calibration"]):
            yield f"calibration_{name}", partial(calibration, whole, name)
        if one["profile"] and one["confusion"] and one["metrics"]:
            yield f"classes_{name}", partial(origins, whole, name)
        for label in one["residuals"]:
            yield f"residuals_{name}_{label}", partial(regression, whole, name, label)
        if one["profile"] and not one["residuals"] and not one["confusion"] and one["metrics"]:
            yield f"vertices_{name}", partial(vertices, whole, name)
