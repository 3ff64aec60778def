"""Files in the field's layout whose physics is known, because it was put there by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

CAPACITY, FLOWS, HADRONS = 40, 50, 5
LIGHT, CHARM, BOTTOM, TAU = range(4)
RAW = np.array([0, 4, 5, 15])
CTAU = {521: 0.491, 511: 0.455, 531: 0.456, 5122: 0.441, 421: 0.123, 411: 0.310, 431: 0.151, 4122: 0.061}  # mm
SHARES = {521: 0.41, 511: 0.41, 531: 0.10, 5122: 0.08, 421: 0.57, 411: 0.25, 431: 0.09, 4122: 0.09}
MASS = {521: 5.28, 511: 5.28, 531: 5.37, 5122: 5.62, 421: 1.86, 411: 1.87, 431: 1.97, 4122: 2.29}  # GeV
ORIGIN_SHARES = {  # pile-up, fake, primary, b, b to c, c, tau, other
    LIGHT: (0.05, 0.015, 0.915, 0.0, 0.0, 0.0, 0.0, 0.02),
    CHARM: (0.05, 0.015, 0.655, 0.0, 0.0, 0.26, 0.0, 0.02),
    BOTTOM: (0.05, 0.015, 0.415, 0.2, 0.3, 0.0, 0.0, 0.02),
    TAU: (0.1, 0.015, 0.285, 0.0, 0.0, 0.0, 0.6, 0.0),
}
TRUTH = {
    "jets": [
        *("HadronConeExclTruthLabelID", "HadronConeExclTruthLabelPt", "HadronConeExclTruthLabelLxy"),
        *("HadronConeExclTruthLabelPdgId", "flavour_label", "ptFromTruthJet", "truthMass", "process", "n_pileup"),
        *("primaryVertexZ", "mcEventWeight", "eventNumber"),
    ],
    "tracks": ["ftagTruthOriginLabel", "ftagTruthVertexIndex", "ftagTruthTypeLabel"],
    "truth_hadrons": ["pt", "mass", "Lxy", "pdgId", "flavour", "valid"],
    "flows": [],
}
ORIGINS = ["pileup", "fake", "primary", "fromB", "fromBC", "fromC", "fromTau", "secondary"]
ATTRIBUTES = {"units": "MeV, mm, rad", "generator": "made by hand", "licence": "CC0-1.0", "seed": 1}


def dtype(fields: str, kind: str = "f4", **others: str) -> np.dtype:
    return np.dtype([(name, kind) for name in fields.split()] + list(others.items()))


JETS = dtype(
    "pt eta phi mass ptFromTruthJet truthMass primaryVertexZ mcEventWeight HadronConeExclTruthLabelPt "
    "HadronConeExclTruthLabelLxy",
    flavour_label="i4",
    HadronConeExclTruthLabelID="i4",
    HadronConeExclTruthLabelPdgId="i4",
    process="i4",
    n_pileup="i4",
    n_tracks="i4",
    n_flows="i4",
    eventNumber="i8",
)
TRACKS = dtype(
    "pt deta d0 z0SinTheta d0Uncertainty z0SinThetaUncertainty qOverP qOverPUncertainty IP3D_signed_d0_significance",
    ftagTruthOriginLabel="i1",
    ftagTruthVertexIndex="i1",
    ftagTruthTypeLabel="i1",
    valid="?",
)


def make(events: int = 3000, seed: int = 0, pull: float = 1.0, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Four jets an event, as expected in everything; garbage in the padding.

    Args:
        events: Number of events.
        seed: Of the random numbers.
        pull: By which impact parameters are wider than their uncertainties.
        scale: Of the jets' energy.
    """
    random = np.random.default_rng(seed)
    number = 4 * events
    jets = np.zeros(number, JETS)
    event = np.arange(number) // 4
    jets["eventNumber"] = event
    flavour = random.choice(4, number, p=[0.4, 0.25, 0.25, 0.1])
    jets["flavour_label"], jets["HadronConeExclTruthLabelID"] = flavour, RAW[flavour]
    truth = 20e3 * (1 - random.random(number)) ** -0.6
    jets["ptFromTruthJet"], jets["truthMass"] = truth, 0.15 * truth
    response = scale * random.normal(1, 0.1, number).clip(0.5)
    jets["pt"] = truth * response
    jets["mass"] = 0.15 * truth * response * random.normal(1, 0.15, number).clip(0.3)
    jets["eta"], jets["phi"] = random.uniform(-2.5, 2.5, number), random.uniform(-3, 3, number)
    jets["primaryVertexZ"] = random.normal(0, 42, events)[event]
    jets["n_pileup"] = random.poisson(20, events)[event]
    jets["process"] = random.integers(0, 3, events)[event]
    jets["mcEventWeight"] = 1
    tracks = make_tracks(random, jets, pull)
    flows = np.zeros((number, FLOWS), dtype("pt", isPhoton="u1", valid="?"))
    flows["pt"] = 1000
    flows["valid"] = np.arange(FLOWS) < random.poisson(9, number)[:, None]
    jets["n_tracks"], jets["n_flows"] = tracks["valid"].sum(1), flows["valid"].sum(1)
    hadrons = make_hadrons(random, jets)
    return {"jets": jets, "tracks": tracks, "flows": flows, "truth_hadrons": hadrons}


def make_tracks(random: np.random.Generator, jets: np.ndarray, pull: float) -> np.ndarray:
    number, flavour = len(jets), jets["flavour_label"]
    tracks = np.zeros((number, CAPACITY), TRACKS)
    size = tracks.shape
    multiplicity = np.where(flavour == TAU, random.poisson(2, number) + 1, random.poisson(8, number) + 1)
    tracks["valid"] = np.arange(CAPACITY) < multiplicity[:, None]
    pt = 500.0 * (1 - random.random(size)) ** -0.7
    tracks["pt"], tracks["deta"] = pt, random.uniform(-0.3, 0.3, size)
    tracks["d0Uncertainty"] = 0.010 + 0.115 * 1000 / pt
    tracks["z0SinThetaUncertainty"] = 0.050 + 0.1 * 1000 / pt
    tracks["qOverP"] = 1 / (tracks["pt"] * np.cosh(jets["eta"][:, None] + tracks["deta"]))
    tracks["qOverPUncertainty"] = 0.01 * tracks["qOverP"]
    origin = np.zeros(size, np.int64)
    for one, shares in ORIGIN_SHARES.items():
        origin[flavour == one] = random.choice(8, (int((flavour == one).sum()), CAPACITY), p=shares)
    significance = pull * random.normal(0, 1, size)
    heavy = np.isin(origin, (3, 4, 5))
    far = np.where(heavy, random.exponential(4, size), 0) + np.where(random.random(size) < 0.015, 20, 0)
    tracks["d0"] = (significance + far) * tracks["d0Uncertainty"]
    tracks["IP3D_signed_d0_significance"] = tracks["d0"] / tracks["d0Uncertainty"]
    tracks["z0SinTheta"] = pull * random.normal(0, 1, size) * tracks["z0SinThetaUncertainty"]
    tracks["ftagTruthOriginLabel"] = origin
    tracks["ftagTruthVertexIndex"] = np.select([origin < 2, origin == 2, origin == 7], [-2, 0, 9], 1 + (origin == 4))
    tracks["ftagTruthTypeLabel"] = 2
    tracks["d0"][~tracks["valid"]], tracks["ftagTruthOriginLabel"][~tracks["valid"]] = np.nan, 99
    return tracks


def make_hadrons(random: np.random.Generator, jets: np.ndarray) -> np.ndarray:
    """One hadron per b or c jet and a charm hadron of each b hadron; fills the jets' own fields too."""
    number, flavour = len(jets), jets["flavour_label"]
    hadrons = np.zeros((number, HADRONS), dtype("pt mass Lxy", pdgId="i4", flavour="i4", valid="?"))
    bottom, charm = [one for one in CTAU if one // 100 % 10 == 5 or one == 5122], [421, 411, 431, 4122]
    for slot, kinds, quark, chosen in (
        (0, bottom, 5, flavour == BOTTOM),
        (0, charm, 4, flavour == CHARM),
        (1, charm, 4, flavour == BOTTOM),
    ):
        pdg = random.choice(kinds, number, p=[SHARES[one] for one in kinds])
        mass = 1000 * np.array([MASS[one] for one in pdg])
        pt = jets["pt"] * random.uniform(0.3, 0.9, number) / (1 + slot)
        lxy = random.exponential(np.array([CTAU[one] for one in pdg])) * pt / mass
        sign = random.choice([-1, 1], number)
        for name, values in (("pdgId", sign * pdg), ("mass", mass), ("pt", pt), ("Lxy", lxy)):
            hadrons[name][chosen, slot] = values[chosen]
        hadrons["flavour"][chosen, slot], hadrons["valid"][chosen, slot] = quark, True
    jets["HadronConeExclTruthLabelPdgId"] = hadrons["pdgId"][:, 0]
    for name, own in (("HadronConeExclTruthLabelPt", "pt"), ("HadronConeExclTruthLabelLxy", "Lxy")):
        jets[name] = np.where(flavour == TAU, 1.0, np.where(flavour == LIGHT, np.nan, hadrons[own][:, 0]))
    hadrons["Lxy"][~hadrons["valid"]] = np.nan
    return hadrons


def write(path: Path, arrays: dict[str, np.ndarray], **attributes: Any) -> Path:
    """Writes a file that says all it should say about itself, except for `attributes` given otherwise."""
    with h5py.File(path, "w") as file:
        file.attrs.update({name: value for name, value in {**ATTRIBUTES, **attributes}.items() if value is not None})
        for name, array in arrays.items():
            data = file.create_dataset(name, data=array)
            data.attrs["truth"] = [one for one in TRUTH.get(name, []) if one in array.dtype.names]
        file["jets"].attrs["flavour_label"] = ["ujets", "cjets", "bjets", "taujets"]
        if "tracks" in arrays:
            file["tracks"].attrs["ftagTruthOriginLabel"] = ORIGINS
    return path
