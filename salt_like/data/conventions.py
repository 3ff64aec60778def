"""What names mean in the field's files: labels and their classes, truth, units. Data, not code."""

from __future__ import annotations

# fields that hold the same label; the first name of each group is the one used in LABEL_CLASSES
ALIASES: tuple[tuple[str, ...], ...] = (
    ("ftagTruthOriginLabel", "truthOriginLabel", "truth_origin_label"),
    ("ftagTruthVertexIndex", "truthVertexIndex", "truth_vertex_idx", "truth_vertex_index"),
    ("ftagTruthTypeLabel", "truthTypeLabel", "truth_type_label"),
    ("HadronConeExclTruthLabelID", "HadronConeExclExtendedTruthLabelID_merged"),
)

# raw value of the file → class name, in the order of the class index
LABEL_CLASSES: dict[str, dict[int, str]] = {
    "HadronConeExclTruthLabelID": {0: "ujets", 4: "cjets", 5: "bjets", 15: "taujets"},
    "ftagTruthOriginLabel": dict(
        enumerate(("pileup", "fake", "primary", "fromB", "fromBC", "fromC", "fromTau", "otherSecondary"))
    ),
    "ftagTruthTypeLabel": dict(enumerate(("noTruth", "other", "pion", "kaon", "lambda", "electron", "muon", "photon"))),
}

# class of a jet → origins of constituents that say the same; a jet of the class has one (True) or none (False) of them
ORIGINS_OF_JETS: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("bjets", ("fromB", "fromBC"), True),
    ("cjets", ("fromBC", "fromC"), True),
    ("taujets", ("fromTau",), True),
    ("ujets", ("fromB", "fromBC", "fromC"), False),
)
# origins of constituents that come from no vertex of the hard collision: their vertex index is negative
ORIGINS_WITHOUT_VERTEX: tuple[str, ...] = ("pileup", "fake")

# fields of a jet that hold the number of its constituents
COUNT_FIELDS: tuple[str, ...] = ("n_{stream}", "num_{stream}", "{stream}_n")

# names of fields (shell wildcards, case matters) that know the truth or only say which event a jet is from
TRUTH_FIELDS: tuple[str, ...] = (
    "*Truth*",
    "truth*",
    "*_truth_*",
    "Hadron*",
    "Ghost*",
    "flavour_label",
    "flavour",
    "process",
    "n_pileup",
    "primaryVertexZ",
    "pdgId",
    "PdgId",
    "*barcode*",
    "*Barcode*",
    "isPileup",
    "partonFlavour",
    "hadronFlavour",
    "mcEventWeight",
    "mcChannelNumber",
    "eventNumber",
    "runNumber",
)
# those of them that only number events or particles: they differ between any two samples
IDENTITY_FIELDS: tuple[str, ...] = (
    "eventNumber",
    "barcode",
    "ftagTruthParentBarcode",
    "truthParentBarcode",
)
TRUTH_STREAMS: tuple[str, ...] = ("truth_*", "truth")

# names of fields → kind of quantity, first match wins
QUANTITIES: tuple[tuple[str, str], ...] = (
    ("qOverP*", "inverse energy"),
    ("*significance*", ""),
    ("*frac*", ""),
    ("pt", "energy"),
    ("pt_*", "energy"),
    ("*_pt", "energy"),
    ("*Pt", "energy"),
    ("pT", "energy"),
    ("e", "energy"),
    ("energy*", "energy"),
    ("*_energy", "energy"),
    ("mass*", "energy"),
    ("*Mass", "energy"),
    ("*_mass", "energy"),
    ("ptFrom*", "energy"),
    ("d0*", "length"),
    ("z0*", "length"),
    ("*Lxy", "length"),
    ("*VertexZ", "length"),
    ("phi*", "angle"),
    ("dphi", "angle"),
    ("theta*", "angle"),
)

# what unit a word of the file's attribute `units` stands for
UNIT_KINDS: dict[str, str] = {
    **dict.fromkeys(("eV", "keV", "MeV", "GeV", "TeV"), "energy"),
    **dict.fromkeys(("um", "mm", "cm", "m"), "length"),
    **dict.fromkeys(("mrad", "rad", "deg"), "angle"),
}
DEFAULT_UNITS: dict[str, str] = {"energy": "", "length": "mm", "angle": "rad"}

# discriminants that are made when the classes allow it: signal, and fraction of each background but the last
DISCRIMINANTS: dict[str, tuple[str, dict[str, float], str]] = {
    "Db": ("bjets", {"cjets": 0.1, "taujets": 0.02}, "ujets"),
    "Dc": ("cjets", {"bjets": 0.3, "taujets": 0.02}, "ujets"),
}


def aliases(name: str) -> tuple[str, ...]:
    """All names of the label that is also called `name`, itself first."""
    group = next((names for names in ALIASES if name in names), ())
    return (name, *(other for other in group if other != name))
