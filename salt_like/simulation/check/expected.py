"""What is expected of a file, as data: bands and where they come from."""

from __future__ import annotations

from math import inf

from salt_like.simulation.check.verdict import Band

NOTHING = Band(0, 0, "must not occur")

# jets: what a tagger could read off the kinematics instead of the tracks
AUC_PT = Band(0.33, 0.67, "soft jets of radiation are light: top quark pairs alone have 0.61 and 0.66")
AUC_ETA = Band(0.45, 0.55, "0.5 when flavours share their spectrum")
PROCESS = Band(0, 0.25, "0 when flavours come from the same processes")

# hadrons: shares among weakly decaying b and c hadrons (PDG review of b-hadron production; LEP and LHC for charm)
SPECIES: dict[str, Band] = {
    "B+": Band(0.37, 0.46, "PDG: 0.41"),
    "B0": Band(0.37, 0.46, "PDG: 0.41"),
    "Bs": Band(0.07, 0.13, "PDG: 0.10"),
    "b baryons": Band(0.03, 0.12, "PDG: 0.08, Pythia less"),
    "D0": Band(0.48, 0.65, "LEP: 0.54 to 0.60"),
    "D+": Band(0.18, 0.32, "LEP: 0.23"),
    "Ds": Band(0.05, 0.14, "LEP: 0.09"),
    "c baryons": Band(0.03, 0.25, "LEP: 0.06, LHC: 0.2"),
}
# mean of Lxy m / pT in um (PDG c tau, with room for what generators have in their tables)
LIFETIME: dict[str, Band] = {
    "B+": Band(470, 510, "PDG: 491"),
    "B0": Band(435, 475, "PDG: 455"),
    "Bs": Band(420, 475, "PDG: 456"),
    "Λb": Band(360, 460, "PDG: 441"),
    "D0": Band(118, 128, "PDG: 123"),
    "D+": Band(300, 325, "PDG: 310"),
    "Ds": Band(142, 160, "PDG: 151"),
    "Λc": Band(55, 65, "PDG: 61"),
}
LIFETIME_B = Band(400, 550, "mixture of b hadrons")
EXPONENTIAL = Band(0.9, 1.1, "1 for an exponential")

# multiplicities: mean number of tracks per jet, from 20 GeV on to the jets of a Z' of 2 TeV
TRACKS = {
    "light": Band(5, 20, "grows with pT: 7 in top quark pairs, 14 above 250 GeV"),
    "c": Band(5.5, 20, "grows with pT"),
    "b": Band(6, 20, "grows with pT"),
    "tau": Band(1.5, 7, "one or three prongs and pile-up"),
}
NO_TRACKS = Band(0, 0.02, "few jets have none")
AT_LIMIT = {
    "tracks": Band(0, 0.005, "hardly any jet is truncated"),
    "flows": Band(0, 0.12, "hard jets are truncated: 6 % above 250 GeV"),
}

# tracks
PULL = Band(0.9, 1.12, "1 when uncertainties are right")
PULL_BINS = Band(0.85, 1.2, "1 when uncertainties are right")
PULL_MEDIAN = Band(-0.05, 0.05, "0 without bias")
PULL_TAIL = Band(0, 0.02, "few outliers")
SIGNED_PRIMARY = Band(0.47, 0.53, "half in light jets: no lifetime")
SIGNED_HEAVY = Band(0.65, 1, "most in b jets: lifetime")
SAME_SIGNIFICANCE = Band(0.98, 1, "|S(d0)| is |d0| over its uncertainty")
ABOVE_THREE = {
    "light": Band(0.015, 0.05, "about 3 %"),
    "c": Band(0.06, 0.15, "about 10 %"),
    "b": Band(0.13, 0.4, "about 30 %, less above 250 GeV, where most tracks are primary"),
}
SIGMA_D0_LOW = Band(150, 320, "about 240 um at 0.5 GeV")
SIGMA_D0_HIGH = Band(6, 16, "about 10 um above 30 GeV")
SIGMA_Z0_HIGH = Band(20, 80, "about 50 um at high pT")
MOMENTUM = Band(0.005, 0.03, "about 1 %")
SAME_MOMENTUM = Band(0.98, 1.02, "pT |q/p| cosh(eta) is 1")

# origins of tracks
FAKES = Band(0.008, 0.022, "1 to 2 %")
PILEUP = Band(0.005, 0.12, "some left after the selection of tracks, with 20 collisions")
PRIMARY = Band(0.5, 0.9, "two of three tracks")
HEAVY_IN_LIGHT = Band(0, 0.02, "hadrons of neighbouring jets only")
HEAVY_IN_B = Band(0.25, 0.65, "decay products of the b hadron")
CHARM_IN_C = Band(0.1, 0.4, "decay products of the c hadron")
TAU_IN_TAU = Band(0.35, 1, "decay products of the tau")
LEPTONIC = Band(0, 0.05, "hadronic taus; leptonic decays are 35 % of all")
PER_VERTEX = Band(1.2, 4, "a few tracks")
VERTICES_B = Band(0.8, 3, "b and c decay, some strange ones")
HEAVY_AT_PRIMARY = Band(0, 0.2, "decays within 0.1 mm of the collision")


def pileup(collisions: float | None) -> Band:
    """What is expected of tracks with this mean number of collisions of pile-up, 20 where the file does not say it."""
    if collisions is None:
        return PILEUP
    times = collisions / 20.0
    high = min(max(PILEUP.high * times, 0.001), 0.6)
    return Band(PILEUP.low * times, high, f"some left after the selection of tracks, with {collisions:g} collisions")


# energies
RESPONSE = Band(0.95, 1.05, "calibrated")
RESOLUTION = {30: Band(0.06, 0.3, ""), 50: Band(0.05, 0.22, ""), 100: Band(0.03, 0.16, ""), 200: Band(0.02, 0.12, "")}
HIGHEST = Band(0.5, 1.6, "no jet has far more momentum than any truth jet")
MASS_RESPONSE = Band(0.7, 1.3, "pile-up adds; thresholds, and masses of particles taken as pions', take away")
MASS_RESOLUTION = Band(0.06, 0.6, "")
SAME_RESPONSE = Band(0, 0.3, "mass and pT are not truth times one number")
PILEUP_SLOPE = Band(-0.4, 0.4, "pile-up is subtracted")
MATCHED = Band(0.8, 1, "most jets have a truth jet")
VERTEX_SPREAD = Band(30, 55, "length of the luminous region")

# bookkeeping
EFFECTIVE = Band(0.02, 1, "weights are not dominated by a few jets")
NEGATIVE = Band(0, 0.3, "")
TOP_WEIGHT = Band(-inf, 0.05, "no jet dominates")
