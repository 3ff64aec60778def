from __future__ import annotations

import numpy as np
import pytest
from field_files import make_arrays, write

from salt_like.data.files import Files
from salt_like.data.source import Arrays
from salt_like.data.truth import refuse_truth, truth_of
from salt_like.errors import UserError
from salt_like.spec import Request


def source_of(stream, *names):
    return Arrays({stream: np.zeros(3, [(name, "f4") for name in names])})


@pytest.mark.parametrize(
    "name",
    [
        "ftagTruthOriginLabel", "ptFromTruthJet", "truthMass", "truth_x", "n_truth_promptLepton", "flavour_label",
        "HadronConeExclTruthLabelID", "GhostBHadronsFinalCount", "process", "n_pileup", "primaryVertexZ", "pdgId",
        "barcode", "ftagTruthParentBarcode", "isPileup", "eventNumber", "mcEventWeight",
    ],
)  # fmt: skip
def test_names_of_the_field(name):
    with pytest.raises(UserError, match=f"the input '{name}' of 'jets' is truth: names like "):
        refuse_truth({"jets": ["pt", name]}, source_of("jets", "pt", name))
    refuse_truth({"jets": ["pt", name]}, source_of("jets", "pt", name), allowed=[name])
    refuse_truth({"jets": ["pt", name]}, source_of("jets", "pt", name), allowed=[f"jets.{name}"])


def test_ordinary_inputs_pass():
    names = [
        "pt",
        "eta",
        "mass",
        "abs_eta",
        "softLeptonPt",
        "d0",
        "IP3D_signed_d0_significance",
        "leptonID",
        "n_tracks",
    ]
    source = source_of("jets", *names)
    refuse_truth({"jets": names}, source)
    assert truth_of(source.header("jets")) == {}


def test_streams_of_truth():
    with pytest.raises(UserError, match="'pt' of 'truth_hadrons' is truth: datasets named truth_"):
        refuse_truth({"truth_hadrons": ["pt"]}, source_of("truth_hadrons", "pt"))


def test_labels_and_weights_of_this_run():
    source = source_of("jets", "pt", "target", "w")
    request = Request("jets", "target", "real")
    with pytest.raises(UserError, match="'target' of 'jets' is truth: a task learns it"):
        refuse_truth({"jets": ["target"]}, source, [request])
    refuse_truth({"jets": ["target"]}, source, [Request("tracks", "target", "real")])
    with pytest.raises(UserError, match="'w' of 'jets' is truth: it is the weight"):
        refuse_truth({"jets": ["w"]}, source, weight="w")


@pytest.mark.parametrize("marked", [["mass", "eta"], "mass"])
def test_fields_that_the_file_marks(tmp_path, marked):
    source = Files([write(tmp_path / "a.h5", make_arrays(4), jets={"truth": marked})])
    with pytest.raises(UserError, match=r"'mass' of 'jets' is truth: the file marks it[^\n]*\n.*\n.*\[jets\.mass\]"):
        refuse_truth({"jets": ["pt", "mass"]}, source)


def test_allowing_what_is_no_input():
    with pytest.raises(UserError, match=r"lists 'proces' \(did you mean 'process'\?\), which is no input\ninputs: "):
        refuse_truth({"jets": ["process"]}, source_of("jets", "process"), allowed=["process", "proces"])
