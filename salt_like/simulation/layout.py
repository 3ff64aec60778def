"""Layout of the simulated files: fields and types of each stream, what is truth, class names, order. Data, not code."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.labels import FLAVOURS
from salt_like.simulation.origins import ORIGINS
from salt_like.simulation.species import KINDS

UNITS = "MeV, mm, rad"
LENGTHS = {"tracks": 40, "flows": 50, "truth_hadrons": 5}

DTYPES: dict[str, np.dtype[np.void]] = {
    "jets": np.dtype(
        [
            *((name, "f4") for name in ("pt", "eta", "phi", "mass", "energy", "abs_eta", "pt_btagJes", "eta_btagJes")),
            *((name, "i4") for name in ("n_tracks", "n_flows", "HadronConeExclTruthLabelID")),
            *((name, "f4") for name in ("HadronConeExclTruthLabelPt", "HadronConeExclTruthLabelLxy")),
            *((name, "i4") for name in ("HadronConeExclTruthLabelPdgId", "flavour_label")),
            *((name, "i4") for name in ("GhostBHadronsFinalCount", "GhostCHadronsFinalCount", "n_truth_promptLepton")),
            *(("softLeptonPt", "f4"), ("softLeptonID", "i4"), ("ptFromTruthJet", "f4"), ("truthMass", "f4")),
            *(("eventNumber", "i8"), ("process", "i4"), ("mcEventWeight", "f4")),
            *(("n_pileup", "i4"), ("primaryVertexZ", "f4")),
        ]
    ),
    "tracks": np.dtype(
        [
            *((name, "f4") for name in ("d0", "z0SinTheta", "dphi", "deta", "dr", "pt", "ptfrac", "qOverP")),
            *((name, "f4") for name in ("IP3D_signed_d0_significance", "IP3D_signed_z0_significance")),
            *((name, "f4") for name in ("d0Uncertainty", "z0SinThetaUncertainty", "phiUncertainty")),
            *((name, "f4") for name in ("thetaUncertainty", "qOverPUncertainty")),
            *((name, "u1") for name in ("numberOfPixelHits", "numberOfSCTHits")),
            *((name, "u1") for name in ("numberOfInnermostPixelLayerHits", "numberOfNextToInnermostPixelLayerHits")),
            *((name, "i1") for name in ("leptonID", "ftagTruthOriginLabel", "ftagTruthVertexIndex")),
            *(("ftagTruthTypeLabel", "i1"), ("ftagTruthParentBarcode", "i4"), ("valid", "?")),
        ]
    ),
    "flows": np.dtype(
        [
            *((name, "f4") for name in ("pt", "energy", "deta", "dphi", "dr")),
            *(("isPhoton", "u1"), ("isCharged", "u1"), ("valid", "?")),
        ]
    ),
    "truth_hadrons": np.dtype(
        [
            *((name, "f4") for name in ("pt", "mass", "energy", "Lxy", "properDecayLength", "deta", "dphi", "dr")),
            *((name, "i4") for name in ("pdgId", "flavour", "barcode", "parentBarcode")),
            ("valid", "?"),
        ]
    ),
}

# what knows the truth, or only which event it is; must never be an input
TRUTH_FIELDS: dict[str, tuple[str, ...]] = {
    "jets": (
        "HadronConeExclTruthLabelID", "HadronConeExclTruthLabelPt", "HadronConeExclTruthLabelLxy",
        "HadronConeExclTruthLabelPdgId", "flavour_label", "GhostBHadronsFinalCount", "GhostCHadronsFinalCount",
        "n_truth_promptLepton", "ptFromTruthJet", "truthMass", "eventNumber", "process", "mcEventWeight", "n_pileup",
        "primaryVertexZ",
    ),
    "tracks": ("ftagTruthOriginLabel", "ftagTruthVertexIndex", "ftagTruthTypeLabel", "ftagTruthParentBarcode"),
    "flows": (),
    "truth_hadrons": tuple(name for name in DTYPES["truth_hadrons"].names or () if name != "valid"),
}  # fmt: skip

CLASS_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "jets": {"flavour_label": FLAVOURS},
    "tracks": {"ftagTruthOriginLabel": ORIGINS, "ftagTruthTypeLabel": KINDS},
}

# which constituents are kept when there are too many, and how they stand
ORDER: dict[str, str] = {
    "tracks": "|IP3D_signed_d0_significance|, largest first",
    "flows": "pt, largest first",
    "truth_hadrons": "pt, largest first",
}
