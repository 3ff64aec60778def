"""Draws the figures of the documentation from what `train test` measured of some runs: `make docs-figures`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from salt_like.figures.draw import figures
from salt_like.figures.frame import frame
from salt_like.figures.rejection import rejection
from salt_like.figures.style import BLUE, GREEN, PARAMETERS, VERMILION, plain_numbers, points, save

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


FIELD = "HadronConeExclTruthLabelPt"  # the hypothesis of the configuration `parameterised`
TRUE_RANGES = {(0, 30e3): BLUE, (30e3, 60e3): GREEN, (60e3, 120e3): VERMILION}  # MeV


def trees(network: Path, boosted: Path) -> Figure:
    """Rejection of a network and of boosted trees on the same jets."""
    metrics = [json.loads((run / "predictions/ttbar_metrics.json").read_text("utf-8")) for run in (network, boosted)]
    return rejection({one["model"]: one for one in metrics}, "Db")


def conditioning(run: Path) -> Figure:
    """Mean ln p(b) / p(u) of b-jets against the hypothesis, relative to its mean, by the truth."""
    found: dict[tuple[float, float], dict[float, tuple[float, float]]] = {one: {} for one in TRUE_RANGES}
    for path in sorted((run / "predictions").glob("ttbar-*.h5")):
        with h5py.File(path) as file:
            jets, model = file["jets"][:], file.attrs["model"]
            b = list(file["jets"].attrs["flavour_label"]).index("bjets")
        said, theta = np.log(jets[f"{model}_pb"] / jets[f"{model}_pu"]), float(jets[f"{model}_{FIELD}"][0])
        for low, high in found:
            inside = (jets["flavour_label"] == b) & (jets[FIELD] >= low) & (jets[FIELD] < high)
            found[low, high][theta] = (float(said[inside].mean()), int(inside.sum()))
    with rc_context(PARAMETERS):
        title = "b-jets, asked for a hadron of some momentum"
        about = ["mean of ln p(b)/p(u) of the same jets at each hypothesis, less the mean over the hypotheses"]
        figure, grid = frame(title, about, 4.2, 2.8)
        axes = figure.add_subplot(grid[0, 0])
        for (low, high), values in found.items():
            theta = np.array(sorted(values))
            mean = np.array([values[one][0] for one in theta])
            label = f"true {low / 1e3:g} to {high / 1e3:g} GeV ({next(iter(values.values()))[1]} jets)"
            style = {"linestyle": "-", "linewidth": 1.0}
            points(axes, theta / 1e3, mean - mean.mean(), np.zeros(len(theta)), label, TRUE_RANGES[low, high], **style)
        axes.set_xscale("log")
        plain_numbers(axes, [10, 20, 30, 50, 70, 100, 150])
        axes.set_xlabel("transverse momentum of the b hadron as hypothesis [GeV]")
        axes.set_ylabel("change of ln p(b)/p(u)")
        axes.legend()
    return figure


# file of the documentation -> what draws it from runs of these names
OTHERS = {"trees": (trees, ("flavour", "trees")), "conditioning": (conditioning, ("parameterised",))}


def make(runs: Sequence[Path], out: Path) -> list[Path]:
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
    named = {run.name: run for run in runs}
    for file, (draw, names) in OTHERS.items():
        if set(names) <= set(named):
            written.append(out / f"{file}.png")
            save(draw(*(named[name] for name in names)), written[-1], RESOLUTION)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs that were tested")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "figures", help="folder of the figures")
    given = parser.parse_args()
    make(given.runs, given.out)
