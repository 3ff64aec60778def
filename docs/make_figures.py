"""Draws the figures of the documentation from what `train test` measured of some runs: `make docs-figures`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from salt_like.figures.draw import figures
from salt_like.figures.style import save

RESOLUTION = 110  # dots per inch
# file of the documentation -> figure of a test; the first run that has it
FIGURES = {
    "rejection": "rejection_Db_range1",
    "distribution": "distribution_Db",
    "bins": "bins_Db",
    "scan": "scan_Db",
    "confusion": "confusion_jets_classification",
    "calibration": "calibration_jets_classification",
    "vertices": "vertices_track_vertexing",
    "residuals": "residuals_jet_pt_ptFromTruthJet",
}


def make(runs: Iterable[Path], out: Path) -> list[Path]:
    """Draws them.

    Args:
        runs: Folders of runs that were tested.
        out: Folder of the figures.

    Returns:
        The files.
    """
    known = {}
    for run in runs:
        for metrics in sorted((run / "predictions").glob("*_metrics.json")):
            for name, draw in figures(json.loads(metrics.read_text(encoding="utf-8"))):
                known.setdefault(name, draw)
    written = []
    for file, name in FIGURES.items():
        if name in known:
            written.append(out / f"{file}.png")
            save(known[name](), written[-1], RESOLUTION)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs that were tested")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "figures", help="folder of the figures")
    given = parser.parse_args()
    make(given.runs, given.out)
