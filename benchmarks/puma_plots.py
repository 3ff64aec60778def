"""Plots that puma draws from a prediction file, and its vertices beside ours: see against_puma.py.

The file must hold `HadronConeExclTruthLabelID`, by which puma knows the flavours, and the standard labels of tracks:
`train test RUN --extra jets=HadronConeExclTruthLabelID`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ftag import Flavours
from ftag.utils import calculate_rejection
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from puma import Roc, RocPlot, VarVsVtx, VarVsVtxPlot
from puma.hlplots import AuxResults, Results, Tagger
from puma.utils.auxiliary import get_trackOrigin_classNames
from puma.utils.vertexing import calculate_vertex_metrics

from salt_like.evaluation.evaluate import evaluate
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.results import Evaluation, TaskResult

FLAVOUR = "HadronConeExclTruthLabelID"
MODES = {
    "efficiency": "vertex efficiency",
    "purity": "vertex purity",
    "fakes": "fake rate (jets without true vertex)",
}


class OurTagger(Tagger):
    """A tagger whose vertices have the name of our file; puma expects that of the experiment's own software."""

    @property
    def aux_variables(self) -> dict[str, str]:
        """Task → column of the tracks."""
        return {"vertexing": "VertexIndex"}


@dataclass(frozen=True)
class VertexRow:
    """One number of the vertices of one class of jets, in one bin of the momentum or (without edges) in all.

    Args:
        flavour: Class of the jets.
        mode: What puma calls the number.
        edges: Smallest and largest momentum in GeV, ``None`` for all jets.
        ours: Our value.
        puma: That of puma by our definitions: all found vertices count, and fakes are looked for in jets without a true
            vertex.
        default: That of puma as it comes: only found vertices with a track that is predicted to be of heavy flavour
            count, and fakes are looked for in all jets of the class.
    """

    flavour: str
    mode: str
    edges: tuple[float, float] | None
    ours: float
    puma: float
    default: float


@dataclass(frozen=True)
class Vertices:
    """Numbers of vertices in each jet, as puma counts them.

    Args:
        tagger: The tagger, with labels and momenta in GeV.
        counts: `n_match`, `n_ref` and `n_test`, ``(jets,)`` each.
        as_it_comes: Whether this is puma as it comes, rather than by our definitions.
    """

    tagger: Tagger
    counts: dict[str, NDArray[np.integer]]
    as_it_comes: bool

    def against(self, flavour: str, mode: str, bins: Sequence[float], label: str = "") -> VarVsVtx:
        """The jets of a class in bins of their momentum."""
        used = np.isin(np.arange(len(self.counts["n_ref"])), self.tagger.is_flav(flavour))
        if mode == "fakes" and not self.as_it_comes:
            used &= self.counts["n_ref"] == 0
        matched, true, found = (self.counts[name][used] for name in ("n_match", "n_ref", "n_test"))
        momenta = self.tagger.perf_vars["pt"][used]
        return VarVsVtx(momenta, matched, true, found, bins=np.array(bins), label=label)


def vertices(path: Path, folder: Path, pt: NDArray[np.float64], as_it_comes: bool) -> Vertices:
    """Read the tracks with puma and count their vertices.

    Args:
        path: The prediction file.
        folder: Where puma may write.
        pt: Momenta of all jets in GeV, ``(jets,)``.
        as_it_comes: Whether found vertices without a track that is predicted to be of heavy flavour are dropped.
    """
    model = PredictionFile(path).contents.model
    origins = [f"{model}_p{name[0].lower()}{name[1:]}" for name in get_trackOrigin_classNames()]
    tagger = OurTagger(model, aux_tasks=["vertexing"], vertexing_require_hf_track=as_it_comes)
    read = AuxResults("", aux_perf_vars=origins, output_dir=folder)
    read.perf_vars = []  # momenta are given: puma would round them in GeV
    read.load_taggers_from_file([tagger], path, label_var=FLAVOUR, perf_vars={"pt": pt})
    # the file holds a probability for each origin, of padding NaN; puma wants the most probable origin
    tagger.aux_scores["track_origin"] = np.stack([tagger.aux_perf_vars[name] for name in origins], -1).argmax(-1)
    truth, found = tagger.vertex_indices()
    return Vertices(tagger, calculate_vertex_metrics(found, truth), as_it_comes)


def momenta(path: Path, result: Evaluation) -> tuple[NDArray[np.float64], list[float]]:
    """Momenta of the jets and the edges of our bins, in GeV; puma leaves out a jet on the last edge, so it is moved."""
    bins = _vertexing(result).profile.bins
    assert bins.unit in ("MeV", "GeV"), f"unit of the momentum: {bins.unit}"
    scale = 1000.0 if bins.unit == "MeV" else 1.0
    edges = [edge / scale for edge in bins.edges]
    edges[-1] = float(np.nextafter(edges[-1], np.inf))
    return PredictionFile(path).columns([bins.field])[bins.field].astype(np.float64) / scale, edges


def vertex_rows(path: Path, folder: Path) -> list[VertexRow]:
    """Numbers of puma beside ours, and puma's plots of them.

    Args:
        path: The prediction file.
        folder: Where the plots are written.
    """
    file, result = PredictionFile(path), evaluate(path)
    assert FLAVOUR in file.jet_fields, f"no {FLAVOUR} in the file: train test RUN --extra jets={FLAVOUR}"
    assert file.contents.weight is None, "puma gives vertices no weights"
    task, (pt, edges) = _vertexing(result), momenta(path, result)
    both = [vertices(path, folder, pt, as_it_comes) for as_it_comes in (False, True)]
    found: list[VertexRow] = []
    for flavour, metrics in task.by_class.items():
        for mode, name in MODES.items():
            sums = [one.against(flavour, mode, [edges[0], edges[-1]]).get(mode)[0] for one in both]
            found.append(VertexRow(flavour, mode, None, _value(metrics, name), *(float(one[0]) for one in sums)))
            curves = [one.against(flavour, mode, edges).get(mode)[0] for one in both]
            for place, by_class in enumerate(task.profile.by_class):
                here = (float(one[place]) for one in curves)
                ours = _value(by_class.get(flavour, ()), name)
                found.append(VertexRow(flavour, mode, (edges[place], edges[place + 1]), ours, *here))
    for flavour in ("bjets", "cjets"):
        for mode in ("efficiency", "purity"):
            _draw(both, flavour, mode, edges, folder)
    _draw(both, "ujets", "fakes", edges, folder)
    return found


def draw_roc(path: Path, folder: Path) -> Path:
    """Rejections of light and charm jets at Db, by puma from the file, with those that we wrote as the reference.

    Args:
        path: The prediction file.
        folder: Where the plot is written.
    """
    (ours,) = (one for one in evaluate(path).discriminants if one.discriminant.name == "Db")
    fractions = {Flavours[name].frac_str: share for name, share in ours.discriminant.background.items()}
    tagger = Tagger(PredictionFile(path).contents.model, fxs=fractions)
    read = Results(signal=ours.discriminant.signal, sample="", output_dir=folder)
    read.perf_vars = []
    read.load_taggers_from_file([tagger], path, label_var=FLAVOUR)
    signal = ours.discriminant.signal
    theirs = tagger.discriminant(signal)
    plot = RocPlot(
        n_ratio_panels=2,
        ylabel="Background rejection",
        xlabel="$b$-jet efficiency",
        use_atlas_tag=False,
        figsize=(7, 7),
    )
    FigureCanvasAgg(plot.fig)  # puma places labels with a renderer, which its figure has only with the ATLAS tag
    for panel, name in enumerate(("ujets", "cjets"), 1):
        points = [one for one in ours.curve if one.efficiency >= 0.5 and not one.rejections[name].limit]
        efficiencies = np.array([one.efficiency for one in points])
        written = np.array([one.rejections[name].value for one in points])
        signal, background = tagger.is_flav(ours.discriminant.signal), tagger.is_flav(name)
        drawn = calculate_rejection(theirs[signal], theirs[background], efficiencies)
        shared = {
            "n_test": int(background.sum()),
            "rej_class": Flavours[name],
            "signal_class": ours.discriminant.signal,
        }
        plot.add_roc(Roc(efficiencies, written, label="metrics of train test", **shared), reference=True)
        plot.add_roc(Roc(efficiencies, drawn, label="puma from the file", **shared))
        plot.set_ratio_class(panel, Flavours[name])
    plot.draw()
    plot.savefig(folder / "roc_Db.png")
    return folder / "roc_Db.png"


def difference(found: list[VertexRow]) -> float:
    """Largest difference of ours from puma's value by our definitions; where only one has a value it is infinite."""
    values = np.array([(row.ours, row.puma) for row in found])
    missing = np.isnan(values)
    gaps = np.where(missing.all(1), 0.0, np.where(missing.any(1), np.inf, np.abs(values[:, 0] - values[:, 1])))
    return float(gaps.max())


def _draw(both: list[Vertices], flavour: str, mode: str, edges: list[float], folder: Path) -> None:
    plot = VarVsVtxPlot(
        mode, ylabel=MODES[mode].capitalize(), xlabel="$p_T$ [GeV]", logy=False, logx=True, use_atlas_tag=False
    )
    for one in both:
        label = f"{flavour}, " + ("puma as it comes" if one.as_it_comes else "by our definitions")
        plot.add(one.against(flavour, mode, edges, label), reference=not one.as_it_comes)
    plot.draw()
    plot.savefig(folder / f"vertex_{mode}_{flavour}.png")


def _vertexing(result: Evaluation) -> TaskResult:
    name = MODES["efficiency"]
    tasks = [task for task in result.tasks if any(one.name == name for one in task.metrics) and task.profile]
    assert len(tasks) == 1, "the file must have one vertexing task and a momentum of a known unit"
    return tasks[0]


def _value(metrics: Sequence[Metric], name: str) -> float:
    return next((one.value for one in metrics if one.name == name), float("nan"))
