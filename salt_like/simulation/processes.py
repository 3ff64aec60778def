"""The processes that can be simulated, by name, and the presets that mix them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from salt_like.errors import UserError, nearest

LIGHTEST, HEAVIEST = 50, 6000  # masses of a Z' in GeV
_ZPRIME = re.compile(r"zprime(\d{1,6})")
# Dijets fall like pT⁻⁵ or so. Generated as if they fell by four powers less, with a weight that makes up for it.
_DIJETS = ("PhaseSpace:pTHatMin = 15", "PhaseSpace:bias2Selection = on", "PhaseSpace:bias2SelectionPow = 4")


@dataclass(frozen=True)
class Process:
    """What collides into what.

    Args:
        name: What the user calls it.
        number: What the field `process` of the file holds; the mass in GeV for a Z'.
        commands: Settings of Pythia.
        summary: What it is, in words.
    """

    name: str
    number: int
    commands: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class Preset:
    """A kind of sample.

    Args:
        mix: Shares of events of each process, where the user gives none.
        summary: What it is for.
    """

    mix: dict[str, int]
    summary: str


NAMED = {
    one.name: one
    for one in (
        Process("ttbar", 1, ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"), "top quark pairs, all decays"),
        Process("qcd", 2, ("HardQCD:all = on", *_DIJETS), "all dijets, weighted"),
        Process(
            "qqbar",
            3,
            ("HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on", "HardQCD:nQuarkNew = 5", *_DIJETS),
            "pairs of quarks made by the strong force, u, d, s, c and b alike, weighted",
        ),
        Process("ccbar", 4, ("HardQCD:hardccbar = on", *_DIJETS), "pairs of charm quarks, weighted"),
        Process("bbbar", 5, ("HardQCD:hardbbbar = on", *_DIJETS), "pairs of bottom quarks, weighted"),
    )
}
PRESETS = {
    "flavour": Preset(
        {"ttbar": 6, "zprime200": 1, "zprime800": 1, "zprime2000": 1},
        "jets of b, c and light quarks, gluons and hadronically decaying taus",
    )
}


def process(name: str) -> Process:
    """The process of that name; ``zprime800`` is a Z' of 800 GeV.

    Raises:
        UserError: There is none, with the nearest name, or the mass is out of range.
    """
    match = _ZPRIME.fullmatch(name)
    if match is None and name not in NAMED:
        known = [*NAMED, "zprime800", "zprime2000"]
        raise UserError(
            f"unknown process '{name}'{nearest(name, known)}\n"
            f"processes: {', '.join(NAMED)}, and zprime followed by a mass in GeV, such as zprime800"
        )
    return NAMED[name] if match is None else _zprime(int(match[1]))


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UserError: There is none.
    """
    if name not in PRESETS:
        raise UserError(f"unknown preset '{name}'{nearest(name, PRESETS)}\npresets: {', '.join(PRESETS)}")
    return PRESETS[name]


def _zprime(mass: int) -> Process:
    """A Z' that decays into u, d, s, c, b and tau alike, so that their jets have the same momenta."""
    if not LIGHTEST <= mass <= HEAVIEST:
        raise UserError(
            f"the process 'zprime{mass}' is a Z' of {mass} GeV: the mass must be from {LIGHTEST} to {HEAVIEST} GeV"
        )
    # the coupling to taus makes up for the colours of quarks, three, and their radiation
    couplings = {"vd": 0.6, "ad": 0.0, "vu": 0.6, "au": 0.0, "ve": 1.06, "ae": 0.0, "vnue": 0.0, "anue": 0.0}
    commands = (
        "NewGaugeBoson:ffbar2gmZZprime = on",
        "Zprime:gmZmode = 3",  # the Z' alone, without interference
        "Zprime:universality = on",
        *(f"Zprime:{name} = {value}" for name, value in couplings.items()),
        f"32:m0 = {mass}",
        f"32:mMin = {mass / 2}",
        f"32:mMax = {mass * 1.5}",
        "32:onMode = off",
        "32:onIfAny = 1 2 3 4 5 15",
    )
    return Process(f"zprime{mass}", mass, commands, f"a Z' of {mass} GeV, u, d, s, c, b and tau alike")
