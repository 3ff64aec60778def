"""Rejections and discriminants of a prediction file against those of puma, which plots the field's results.

puma is not needed for anything else and wants versions of its own: make an environment with `pip install puma-hep
'matplotlib<3.11' h5py` and run this file there with the repository in PYTHONPATH. The prediction file is one of `train
test` with the classes ujets, cjets, bjets and taujets. With `--plots FOLDER` puma also draws its ROC and its vertexing
plots from the file, which needs one field more: `train test RUN --extra jets=HadronConeExclTruthLabelID`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ftag import Flavours
from ftag.utils import calculate_efficiency, calculate_rejection, get_discriminant
from puma import __version__ as puma_version
from puma_plots import difference, draw_roc, vertex_rows

from salt_like.evaluation.evaluate import evaluate
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.rejection import discriminant


@dataclass(frozen=True)
class Row:
    """One rejection.

    Args:
        discriminant: Its name.
        efficiency: Signal efficiency of the working point.
        background: Class.
        ours: Rejection.
        low: Lower end of our interval.
        high: Upper end.
        same_cut: That of puma at our cut.
        own_cut: That of puma with its own cut for the efficiency.
        whole: That of puma with its own cut and its own discriminant, which adds 1e-10 to both sides of the ratio.
    """

    discriminant: str
    efficiency: float
    background: str
    ours: float
    low: float
    high: float
    same_cut: float
    own_cut: float
    whole: float


def rows(path: Path) -> list[Row]:
    """Every rejection that is not a limit, of all jets of a prediction file."""
    file, found = PredictionFile(path), []
    flavours = file.flavours()
    assert flavours is not None
    classes, labels = flavours
    model = file.contents.model
    names = [f"{model}_{Flavours[name].px}" for name in classes]
    read = file.columns(names)
    jets = np.zeros(file.jets, [(name, read[name].dtype) for name in names])
    for name in names:
        jets[name] = read[name]
    for result in evaluate(path).discriminants:
        one = result.discriminant
        shares = {name: read[column] for name, column in zip(classes, names, strict=True)}
        ours = discriminant(shares, one.signal, one.background)
        fractions = {Flavours[name].frac_str: fraction for name, fraction in one.background.items()}
        theirs = get_discriminant(jets, model, Flavours[one.signal], [Flavours[name] for name in classes], fractions)
        signal = labels == classes.index(one.signal)
        for point in result.points:
            for name, rejection in point.rejections.items():
                if rejection.limit:
                    continue
                jets_of = labels == classes.index(name)
                passed = calculate_efficiency(ours[signal], ours[signal], cut_value=point.cut)
                np.testing.assert_allclose(passed, point.signal_efficiency, rtol=1e-6)
                found.append(
                    Row(
                        one.name,
                        point.efficiency,
                        name,
                        rejection.value,
                        rejection.low,
                        rejection.high,
                        float(calculate_rejection(ours[signal], ours[jets_of], cut_value=point.cut)[0]),
                        float(calculate_rejection(ours[signal], ours[jets_of], target_eff=point.efficiency)),
                        float(calculate_rejection(theirs[signal], theirs[jets_of], target_eff=point.efficiency)),
                    )
                )
    return found


def summary(found: list[Row]) -> dict[str, float]:
    """Largest differences: relative at the same cut, and in units of our error with puma's own."""
    ours = np.array([row.ours for row in found])
    error = np.array([(row.high - row.low) / 2 for row in found])
    return {
        "rejections": len(found),
        "same cut, relative": float(np.abs(np.array([row.same_cut for row in found]) / ours - 1).max()),
        "own cut, in errors": float((np.abs(np.array([row.own_cut for row in found]) - ours) / error).max()),
        "own discriminant, in errors": float((np.abs(np.array([row.whole for row in found]) - ours) / error).max()),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="prediction file of `train test`")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw puma's plots and compare vertices")
    arguments = parser.parse_args()
    found = rows(arguments.file)
    print(f"puma {puma_version}")
    print("| | ε | background | ours | puma, same cut | puma, own cut | puma, own discriminant |")
    print("|---|---|---|---|---|---|---|")
    for one in found:
        print(
            f"| {one.discriminant} | {100 * one.efficiency:.0f} % | {one.background} "
            f"| {one.ours:.6f} +{one.high - one.ours:.2g} -{one.ours - one.low:.2g} | {one.same_cut:.6f} "
            f"| {one.own_cut:.6f} | {one.whole:.6f} |"
        )
    for name, value in summary(found).items():
        print(f"{name}: {value:.3g}")
    if arguments.plots is not None:
        vertices(arguments.file, arguments.plots)


def vertices(path: Path, folder: Path) -> None:
    """Draw puma's plots, and print its vertices beside ours."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_roc(path, folder)
    found = vertex_rows(path, folder)
    print("| class | | pT [GeV] | ours | puma, our definitions | puma as it comes |")
    print("|---|---|---|---|---|---|")
    for one in found:
        where = "all" if one.edges is None else f"{one.edges[0]:.1f} to {one.edges[1]:.1f}"
        print(f"| {one.flavour} | {one.mode} | {where} | {one.ours:.6f} | {one.puma:.6f} | {one.default:.6f} |")
    print(f"vertices, largest difference of {len(found)}: {difference(found):.3g}")
    print(f"plots: {folder}")


if __name__ == "__main__":
    main()
