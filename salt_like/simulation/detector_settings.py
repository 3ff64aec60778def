"""The numbers of the detector and the jets, each with its unit, meaning and origin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from math import inf
from typing import TypeVar, cast

from salt_like.errors import UserError

T = TypeVar("T")
DESIGN = "design of ATLAS, JINST 3 S08003"
RUN2 = "inner detector of ATLAS with its innermost layer, JINST 13 T05008"
CMS = "calorimeters of CMS, arXiv:1706.04965"
CHOSEN = "chosen here"


def _number(default: T, unit: str, meaning: str, origin: str = CHOSEN, *, least: float = 0.0, most: float = inf) -> T:
    """A field of a dataclass with what there is to say about it; both limits are allowed."""
    about = {"unit": unit, "meaning": meaning, "origin": origin, "least": least, "most": most}
    value: T = field(default=default, metadata=about)
    return value


def _probability(default: float, meaning: str, origin: str = CHOSEN) -> float:
    return _number(default, "", meaning, origin, most=1.0)


class _Checked:
    """A dataclass whose numbers must be within their limits."""

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            value, least, most = getattr(self, each.name), each.metadata["least"], each.metadata["most"]
            values = value if isinstance(value, tuple) else (value,)
            if not all(least <= number <= most for number in values):
                limits = f"at least {least:g}" if most == inf else f"from {least:g} to {most:g}"
                raise UserError(
                    f"'{each.name}' must be {limits}, not {list(values) if isinstance(value, tuple) else value}"
                )
            if isinstance(value, tuple) and (len(value) < 2 or list(value) != sorted(value)):
                raise UserError(f"'{each.name}' must be two or more numbers that increase, not {list(value)}")


@dataclass(frozen=True)
class TrackerSettings(_Checked):
    """A silicon tracker in a solenoid; `parameters` lists what each number means."""

    solenoid: float = _number(2.0, "T", "solenoid field, along the beam", DESIGN, least=0.1)
    minimum_pt: float = _number(
        0.5, "GeV", "least transverse momentum of a track", "usual selection of tagging", least=0.1
    )
    maximum_eta: float = _number(2.5, "", "acceptance", DESIGN, least=0.1, most=4.0)
    maximum_d0: float = _number(10.0, "mm", "largest |d0| at which tracks are looked for")
    pixel_radii: tuple[float, ...] = _number((33.3, 50.5, 88.5, 122.5), "mm", "pixel layers", RUN2, least=1.0)
    strip_radii: tuple[float, ...] = _number(
        (299.0, 371.0, 443.0, 514.0), "mm", "strip layers, two hits each", RUN2, least=1.0
    )
    hit_efficiency: float = _probability(0.985, "probability of a hit in a layer outside of the production point")
    minimum_hits: int = _number(
        7, "", "least number of hits of a track: none begins beyond 299 mm", "ATL-PHYS-PUB-2015-051"
    )
    hadron_efficiency: float = _probability(0.96, "plateau of the efficiency for hadrons", "nuclear interactions")
    electron_efficiency: float = _probability(0.92, "the same for electrons", "bremsstrahlung")
    muon_efficiency: float = _probability(0.99, "the same for muons")
    efficiency_loss_low_pt: float = _probability(0.12, "part lost at 0.5 GeV; falls as exp(-(pT - 0.5 GeV) / 1 GeV)")
    efficiency_loss_eta: float = _probability(0.08, "part lost at |η| = 2.5; rises as η²", "material")
    efficiency_loss_pixel: float = _probability(0.10, "part lost per pixel layer inside of the production point")
    d0_floor: float = _number(0.010, "mm", "sigma(d0) at high momentum", DESIGN)
    d0_scattering: float = _number(
        0.120, "mm GeV", "sigma(d0) · pT √sinθ at low momentum", "the design of ATLAS has 0.14"
    )
    z0_floor: float = _number(0.052, "mm", "sigma(z0 sinθ) at high momentum")
    z0_scattering: float = _number(0.120, "mm GeV", "sigma(z0 sinθ) · pT √sinθ at low momentum")
    phi_floor: float = _number(7e-5, "rad", "sigma(φ) at high momentum", DESIGN)
    theta_floor: float = _number(3e-4, "rad", "sigma(θ) / sin²θ at high momentum")
    angle_scattering: float = _number(1.4e-3, "rad GeV", "sigma(φ) · pT √sinθ, sigma(θ) · pT / √sinθ", "1.5 % of X0")
    momentum_scattering: float = _number(
        0.010, "", "sigma(q/p) · p √sinθ at low momentum", "the design of ATLAS has 0.015"
    )
    momentum_curvature: float = _number(3.4e-4, "1/GeV", "sigma(q/p) · p / pT at high momentum", DESIGN)
    tail_fraction: float = _probability(0.02, "part of the tracks with wider errors than reported")
    tail_width: float = _number(2.5, "", "how much wider")
    fake_fraction: float = _number(0.015, "", "part of all tracks that combine hits of several particles", most=0.5)
    fake_d0: float = _number(1.5, "mm", "mean |d0| of fakes (exponential)")
    fake_z0: float = _number(1.0, "mm", "mean distance in z of a fake from the track it resembles (exponential)")
    fake_angle: float = _number(0.02, "", "distance of a fake in η and φ from the track it resembles")
    fake_hit_efficiency: float = _probability(0.7, "probability of a hit of a fake in a layer")
    vertex_transverse: float = _number(0.04, "mm", "sigma(x, y) of the primary vertex, times √(its tracks)")
    vertex_longitudinal: float = _number(0.20, "mm", "sigma(z) of the primary vertex, times √(its tracks)")
    electron_minimum_pt: float = _number(4.0, "GeV", "least transverse momentum of an identified electron")
    electron_identified: float = _probability(0.75, "efficiency of identifying electrons in jets")
    electron_misidentified: float = _probability(0.005, "probability that another particle is called an electron")
    muon_minimum_pt: float = _number(3.0, "GeV", "least transverse momentum of an identified muon", "energy loss")
    muon_identified: float = _probability(0.95, "efficiency of identifying muons")
    muon_misidentified: float = _probability(0.003, "the same for muons: punch-through, decays in flight")


@dataclass(frozen=True)
class CalorimeterSettings(_Checked):
    """Calorimeters and the combination with tracks; `parameters` lists what each number means."""

    radius: float = _number(1250.0, "mm", "radius of the barrel's face", "about that of LHC detectors", least=100.0)
    half_length: float = _number(
        3500.0, "mm", "distance of the end-caps' faces", "about that of LHC detectors", least=100.0
    )
    maximum_eta: float = _number(3.0, "", "acceptance; jets within |η| < 2.5 need no more", least=0.1, most=5.0)
    minimum_energy: float = _number(0.2, "GeV", "energy below which particles are lost in what is in front")
    photon_stochastic: float = _number(0.10, "√GeV", "sigma(E)/E · √E of photons and electrons", DESIGN)
    photon_constant: float = _number(0.007, "", "sigma(E)/E of photons at high energy", DESIGN)
    photon_noise: float = _number(0.10, "GeV", "noise of a cell")
    photon_cell: float = _number(
        0.025, "", "width of a cell in η and φ: what falls into it is one constituent", DESIGN, least=0.005, most=1.0
    )
    photon_position: float = _number(0.004, "", "resolution of η and φ within a cell")
    photon_threshold: float = _number(0.4, "GeV", "least energy of a photon that is kept")
    hadron_stochastic: float = _number(1.1, "√GeV", "sigma(E)/E · √E of hadrons", CMS)
    hadron_constant: float = _number(0.09, "", "sigma(E)/E of hadrons at high energy", CMS)
    hadron_noise: float = _number(0.30, "GeV", "noise of a cell")
    hadron_cell: float = _number(
        0.1, "", "width of a cell in η and φ: what falls into it is one constituent", DESIGN, least=0.005, most=1.0
    )
    hadron_position: float = _number(0.03, "", "resolution of η and φ within a cell")
    hadron_threshold: float = _number(1.0, "GeV", "least energy of a neutral hadron that is kept")
    hadron_significance: float = _number(1.0, "", "what is left of a cell after tracks, in units of its resolution")
    muon_momentum: float = _number(0.1, "", "sigma(p)/p of muons behind the calorimeters", most=10.0)
    neutral_minimum_pt: float = _number(
        0.1, "GeV", "least transverse momentum of what is left of a neutral constituent without pile-up"
    )
    charged_z0: float = _number(2.0, "mm", "|z0 sinθ| beyond which a track is pile-up and no constituent")
    patch: float = _number(
        0.35, "", "width in η and φ of the patches in which pile-up is subtracted", least=0.05, most=1.5
    )
    density_patch: float = _number(
        0.7, "", "width of the patches of whose momenta the density is the median", least=0.05, most=1.5
    )


@dataclass(frozen=True)
class DetectorSettings:
    """Everything about the detector.

    Args:
        tracker: Charged particles.
        calorimeter: Neutral particles, and how both become constituents of jets.
    """

    tracker: TrackerSettings = TrackerSettings()
    calorimeter: CalorimeterSettings = CalorimeterSettings()


@dataclass(frozen=True)
class JetSettings(_Checked):
    """Anti-kt jets (arXiv:0802.1189); `parameters` lists what each number means."""

    radius: float = _number(0.4, "", "radius of the clustering", least=0.1, most=1.5)
    minimum_pt: float = _number(20.0, "GeV", "least transverse momentum after calibration", least=5.0)
    maximum_eta: float = _number(2.5, "", "largest |η| of a jet", least=0.1, most=5.0)
    truth_minimum_pt: float = _number(8.0, "GeV", "least transverse momentum of a truth jet", least=1.0)
    matching_distance: float = _number(0.3, "", "largest ΔR between a jet and its truth jet", most=1.0)


def parameters(settings: type) -> Iterator[tuple[str, object, str, str, str]]:
    """Name, default, unit, meaning and origin of every number of a class of settings."""
    for each in cast(tuple[Field[object], ...], fields(settings)):
        yield each.name, each.default, each.metadata["unit"], each.metadata["meaning"], each.metadata["origin"]
