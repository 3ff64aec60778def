from __future__ import annotations

import fnmatch

import numpy as np
import pytest

from salt_like.data import conventions
from salt_like.simulation.layout import CLASS_NAMES, DTYPES, LENGTHS, TRUTH_FIELDS

JETS = (
    "pt eta phi mass energy abs_eta pt_btagJes eta_btagJes n_tracks n_flows HadronConeExclTruthLabelID "
    "HadronConeExclTruthLabelPt HadronConeExclTruthLabelLxy HadronConeExclTruthLabelPdgId flavour_label "
    "GhostBHadronsFinalCount GhostCHadronsFinalCount n_truth_promptLepton softLeptonPt softLeptonID ptFromTruthJet "
    "truthMass eventNumber process mcEventWeight n_pileup primaryVertexZ"
)
TRACKS = (
    "d0 z0SinTheta dphi deta dr pt ptfrac qOverP IP3D_signed_d0_significance IP3D_signed_z0_significance "
    "d0Uncertainty z0SinThetaUncertainty phiUncertainty thetaUncertainty qOverPUncertainty numberOfPixelHits "
    "numberOfSCTHits numberOfInnermostPixelLayerHits numberOfNextToInnermostPixelLayerHits leptonID "
    "ftagTruthOriginLabel ftagTruthVertexIndex ftagTruthTypeLabel ftagTruthParentBarcode valid"
)


def test_fields():
    assert " ".join(DTYPES["jets"].names) == JETS
    assert " ".join(DTYPES["tracks"].names) == TRACKS
    assert " ".join(DTYPES["flows"].names) == "pt energy deta dphi dr isPhoton isCharged valid"
    hadron = "pt mass energy Lxy properDecayLength deta dphi dr pdgId flavour barcode parentBarcode valid"
    assert " ".join(DTYPES["truth_hadrons"].names) == hadron
    assert LENGTHS == {"tracks": 40, "flows": 50, "truth_hadrons": 5}


@pytest.mark.parametrize("stream", sorted(DTYPES))
def test_types(stream):
    for name in DTYPES[stream].names:
        kind = DTYPES[stream][name]
        assert kind in (np.dtype(each) for each in ("f4", "i1", "u1", "i4", "i8", "?"))
        assert (kind == np.dtype("?")) == (name == "valid")
    assert DTYPES["jets"]["eventNumber"] == np.int64


def test_what_is_truth():
    for stream, dtype in DTYPES.items():
        truth = TRUTH_FIELDS[stream]
        assert set(truth) <= set(dtype.names)
        if stream == "truth_hadrons":
            assert set(dtype.names) - set(truth) == {"valid"}
            continue
        known = {
            name for name in dtype.names if any(fnmatch.fnmatchcase(name, one) for one in conventions.TRUTH_FIELDS)
        }
        assert known <= set(truth)
    inputs = [name for name in DTYPES["jets"].names if name not in TRUTH_FIELDS["jets"]]
    assert " ".join(inputs) == (
        "pt eta phi mass energy abs_eta pt_btagJes eta_btagJes n_tracks n_flows softLeptonPt softLeptonID"
    )
    assert set(DTYPES["tracks"].names) - set(TRUTH_FIELDS["tracks"]) == set(TRACKS.split()[:-5]) | {"valid"}


def test_class_names_agree_with_the_tables_of_the_package():
    assert CLASS_NAMES["jets"]["flavour_label"] == ("ujets", "cjets", "bjets", "taujets")
    for field, names in CLASS_NAMES["tracks"].items():
        assert dict(enumerate(names)) == conventions.LABEL_CLASSES[field]
