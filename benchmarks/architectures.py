"""What both frameworks build: the two taggers, their inputs and their labels, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

JET_VARIABLES = ("pt_btagJes", "eta_btagJes")
TRACK_VARIABLES = (
    "d0",
    "z0SinTheta",
    "dphi",
    "deta",
    "qOverP",
    "IP3D_signed_d0_significance",
    "IP3D_signed_z0_significance",
    "phiUncertainty",
    "thetaUncertainty",
    "qOverPUncertainty",
    "numberOfPixelHits",
    "numberOfSCTHits",
    "numberOfInnermostPixelLayerHits",
    "numberOfNextToInnermostPixelLayerHits",
    "d0Uncertainty",
    "z0SinThetaUncertainty",
    "ptfrac",
    "dr",
    "leptonID",
)
JET_LABEL = "flavour_label"
ORIGIN_LABEL = "ftagTruthOriginLabel"
VERTEX_LABEL = "ftagTruthVertexIndex"
CLASSES = {"jets": {JET_LABEL: 4}, "tracks": {ORIGIN_LABEL: 8}}
ORIGIN_WEIGHT = 0.5
VERTEXING_WEIGHT = 1.5

# The schedule of Salt's GN2 configuration: one cycle, weight decay 1e-5.
LEARNING_RATE = {"initial": 1e-7, "max": 5e-4, "end": 1e-5, "pct_start": 0.01, "weight_decay": 1e-5}


@dataclass(frozen=True)
class Architecture:
    """Sizes of a GN2-like tagger.

    Args:
        dim: width of the encoder; the tracks are embedded by one hidden layer of the same width.
        layers: number of pre-norm transformer layers, each with a feed-forward block of width ``2 * dim``.
        heads: attention heads.
        out_dim: width after the encoder's last projection, and of the pooled vector.
        head_layers: hidden layers of every task.
    """

    dim: int
    layers: int
    heads: int
    out_dim: int
    head_layers: tuple[int, ...] = (128, 64, 32)


ARCHITECTURES = {
    "gn2-small": Architecture(dim=64, layers=3, heads=4, out_dim=64),
    "gn2": Architecture(dim=256, layers=4, heads=8, out_dim=128),
}
