from __future__ import annotations

import numpy as np
import pytest

from salt_like.data.source import Header
from salt_like.data.units import units_of

NAMES = ("pt", "eta", "mass", "energy", "d0", "z0SinTheta", "dphi", "phi", "qOverP", "ptfrac", "lifetimeSignedD0", "n")


def header(*names, **attributes):
    return Header("jets", np.dtype([(name, "f4") for name in names]), 0, attributes)


@pytest.mark.parametrize("word", ["MeV", "GeV"])
def test_words_of_the_file(word):
    units = units_of(header(*NAMES), {"units": f"{word}, cm, rad"})
    assert [units[name] for name in ("pt", "mass", "energy", "qOverP")] == [word, word, word, f"1/{word}"]
    assert [units[name] for name in ("d0", "z0SinTheta", "dphi", "phi")] == ["cm", "cm", "rad", "rad"]
    assert [units[name] for name in ("eta", "ptfrac", "n")] == ["", "", ""]


def test_without_words_energies_are_unknown():
    units = units_of(header(*NAMES), {})
    assert (units["pt"], units["qOverP"], units["d0"], units["dphi"]) == ("", "", "mm", "rad")


def test_significances_have_no_unit():
    assert units_of(header("IP3D_signed_d0_significance", "d0Uncertainty"), {}) == {
        "IP3D_signed_d0_significance": "",
        "d0Uncertainty": "mm",
    }


def test_dataset_says_it_itself():
    assert units_of(header("a", "b", units=["ns", ""]), {"units": "MeV"}) == {"a": "ns", "b": ""}
    assert units_of(header("a", "pt", units='{"a": "ns"}'), {"units": "MeV"}) == {"a": "ns", "pt": ""}
    assert units_of(header("pt", units="GeV"), {"units": "MeV"}) == {"pt": "GeV"}
