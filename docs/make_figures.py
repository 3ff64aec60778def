"""Draws the figures of the documentation from what `train test` measured of some runs: `make docs-figures`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
import yaml
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from salt_like.data.module import Data
from salt_like.figures.draw import figures
from salt_like.figures.frame import frame
from salt_like.figures.rejection import rejection
from salt_like.figures.style import BLUE, GREEN, GREY, PARAMETERS, VERMILION, plain_numbers, points, save
from salt_like.nn.graphs import NearestNeighbours, RadiusGraph
from salt_like.nn.pair_embedding import once
from salt_like.sets import Packed, Tokens
from salt_like.training.checkpoint import read as read_checkpoint
from salt_like.training.checkpoint import restore

SAMPLES = Path(__file__).parent.parent / "salt_like" / "samples"
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


def particle_networks(run: Path) -> Figure:
    """Nearest neighbours in a jet, and what a Particle Transformer adds to scores of pairs against their distance."""
    tagger = restore(read_checkpoint(run / "checkpoints/best.ckpt")).tagger
    inputs = yaml.safe_load((run / "config.yaml").read_text("utf-8"))["data"]["inputs"]
    data = Data(inputs=inputs, train=str(SAMPLES / "test.h5"), batch_size=1000)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    tagger.encoder.pair_embedding.register_forward_hook(
        lambda _, given, bias: seen.extend(zip(given[0], bias, once(given[1]), strict=True))
    )
    with torch.no_grad():
        for batch in data.train_dataloader():
            tagger.encode(batch)
    distance = torch.cat([pairs[..., 0][real] for pairs, _, real in seen]).exp().numpy()
    bias = torch.cat([values.permute(0, 2, 3, 1)[real] for _, values, real in seen]).numpy()
    with rc_context(PARAMETERS):
        title = "Pairs of tracks in jets of the shipped samples"
        about = [
            "left: three nearest neighbours in η-φ of each track of a jet",
            "right: mean of what each head is given",
        ]
        figure, grid = frame(title, about, 5.6, 2.6, columns=2, wspace=0.3)
        neighbours(figure.add_subplot(grid[0, 0]))
        axes = figure.add_subplot(grid[0, 1])
        edges = np.geomspace(0.005, 0.7, 15)
        for head, colour in enumerate((BLUE, GREEN, VERMILION, GREY)[: bias.shape[1]]):
            cell = np.digitize(distance, edges)
            mean = [bias[cell == number, head].mean() for number in range(1, len(edges))]
            axes.plot(np.sqrt(edges[1:] * edges[:-1]), mean, color=colour, label=f"head {head + 1}")
        axes.set_xscale("log")
        plain_numbers(axes, [0.01, 0.03, 0.1, 0.3])
        axes.set_xlabel("distance ΔR of the pair")
        axes.set_ylabel("added to the score")
        axes.legend()
    return figure


def neighbours(axes: Axes) -> None:
    """Tracks of the first jet with twelve of them, and lines to the three nearest of each."""
    with h5py.File(SAMPLES / "test.h5") as file:
        tracks = file["tracks"][:]
    tracks = tracks[np.argmax(tracks["valid"].sum(1) == 12)][:12]
    columns = {name: torch.from_numpy(tracks[name].astype("f4")) for name in ("deta", "dphi")}
    layout = Packed(torch.tensor([0, 12]), 12, (12,))
    edges = NearestNeighbours(3, ["deta", "dphi"], ["dphi"])(Tokens(torch.zeros(12, 1), layout, {}, columns))
    for track, others in zip(tracks, edges.senders[0][0], strict=True):
        for other in tracks[others.numpy()]:
            axes.plot([track["deta"], other["deta"]], [track["dphi"], other["dphi"]], color=GREY, linewidth=0.7)
    axes.scatter(tracks["deta"], tracks["dphi"], s=6 + 60 * tracks["ptfrac"], color=BLUE, zorder=3)
    axes.set_xlabel("Δη to the jet")
    axes.set_ylabel("Δφ to the jet")


def hadrons(run: Path) -> Figure:
    """Tracks of the first jets with two hadrons of two tracks or more: whose they are, whose they are said to be."""
    with h5py.File(run / "predictions/ttbar.h5") as file:
        tracks, truth, found = file["tracks"][:], file["truth_hadrons"][:], file["hadrons"][:]
        model = file.attrs["model"]
    keys = np.where(truth["valid"], truth["barcode"], -1)
    of_truth = (tracks["ftagTruthParentBarcode"][..., None] == keys[:, None]) & (keys >= 0)[:, None]
    of_truth &= tracks["valid"][..., None]
    chosen = np.flatnonzero((of_truth.sum(1) >= 2).sum(1) == 2)[:3]
    names = [one for one in found.dtype.names if one.startswith(f"{model}_p") and one not in (f"{model}_pt",)]
    with rc_context(PARAMETERS):
        about = [
            "tracks of the first three test jets with two hadrons of two tracks or more; area: transverse momentum",
            "above: true hadron; below: found hadron with its class and probability; small and grey: of no hadron",
        ]
        figure, grid = frame("Hadrons and their tracks", about, 7.2, 4.6, 2, len(chosen), wspace=0.28, hspace=0.35)
        for column, jet in enumerate(chosen):
            own, real = tracks[jet], tracks[jet]["valid"]
            true = np.where(of_truth[jet].any(1), of_truth[jet].argmax(1), -1)
            for row, index in enumerate((true, own["hadronsIndex"])):
                axes = figure.add_subplot(grid[row, column])
                none = real & (index < 0)
                axes.scatter(own["deta"][none], own["dphi"][none], s=4, color=GREY)
                for place, number in enumerate(np.unique(index[real & (index >= 0)])):
                    inside = real & (index == number)
                    shares = [float(found[name][jet, number]) for name in names]
                    best = int(np.argmax(shares[:-1]))
                    said = f"{names[best].removeprefix(f'{model}_p')}, {shares[best]:.2f}"
                    label = {5: "b", 4: "c", 15: "tau"}[int(truth["flavour"][jet, number])] if row == 0 else said
                    colour = (BLUE, VERMILION, GREEN)[place % 3]
                    axes.scatter(
                        own["deta"][inside],
                        own["dphi"][inside],
                        s=8 + 90 * own["ptfrac"][inside],
                        color=colour,
                        label=label,
                    )
                axes.set_xlabel("Δη to the jet")
                axes.set_ylabel("Δφ to the jet")
                axes.legend(loc="best")
    return figure


def graphs() -> Figure:
    """A jet of the shipped sample in η and φ, with edges to its nearest neighbours, and within a radius."""
    with h5py.File(SAMPLES / "test.h5") as file:
        jets, valid = file["jets"][:2000], file["tracks"]["valid"][:2000]
        b = list(file["jets"].attrs["flavour_label"]).index("bjets")
        jet = int(np.flatnonzero((jets["flavour_label"] == b) & (valid.sum(1) == 12))[0])
        tracks = file["tracks"][jet][valid[jet]]
    values = torch.zeros(len(tracks), 1)
    columns = {name: {"tracks": torch.from_numpy(tracks[name].astype("f4"))} for name in ("deta", "dphi")}
    layout = Packed(torch.tensor([0, len(tracks)]), total=len(tracks), longest=(len(tracks),))
    tokens = Tokens.merged({"tracks": (values, layout)}, columns)
    plane = {"coordinates": ["deta", "dphi"], "angles": ["dphi"]}
    kinds = {
        "NearestNeighbours, k = 3": NearestNeighbours(3, **plane),
        "RadiusGraph, radius = 0.1": RadiusGraph(0.1, **plane),
    }
    with rc_context(PARAMETERS):
        about = ["a b-jet of the shipped sample; area of a point: pT of the track; arrows to who gets the message"]
        figure, grid = frame("Who are neighbours", about, 5.6, 2.9, columns=2, above=0.25, wspace=0.12)
        for number, (title, graph) in enumerate(kinds.items()):
            axes = figure.add_subplot(grid[0, number])
            sender, receiver = graph(tokens).index().numpy()
            for one, other in zip(sender, receiver, strict=True):
                if one < len(tracks):
                    ends = [(tracks["deta"][end], tracks["dphi"][end]) for end in (one, other)]
                    style = {"arrowstyle": "->", "color": BLUE, "linewidth": 0.6, "shrinkA": 3, "shrinkB": 3}
                    axes.annotate("", ends[1], ends[0], arrowprops=style)
            axes.scatter(tracks["deta"], tracks["dphi"], 10 + 200 * tracks["ptfrac"], VERMILION, zorder=3)
            axes.set_title(title)
            axes.set_xlabel("Δη to the jet's axis")
            axes.set_ylabel("Δφ to the jet's axis [rad]" if number == 0 else "")
            axes.tick_params(labelleft=number == 0)
    return figure


# file of the documentation -> what draws it from runs of these names
OTHERS = {
    "graphs": (graphs, ()),
    "hadrons": (hadrons, ("maskformer",)),
    "trees": (trees, ("flavour", "trees")),
    "conditioning": (conditioning, ("parameterised",)),
    "particle_networks": (particle_networks, ("part",)),
}


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
