"""The detector on events of Pythia with pile-up; skipped without the optional packages.

The numbers are those that docs/simulation.md states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from salt_like.simulation.association import TrackSelection, jet_of
from salt_like.simulation.calibration import Calibration, derived
from salt_like.simulation.calorimeter import flows
from salt_like.simulation.chunk import beams
from salt_like.simulation.clustering import jets, matched, truth_jets, uncalibrated
from salt_like.simulation.detector_settings import DetectorSettings, JetSettings
from salt_like.simulation.engines import Generator, cluster
from salt_like.simulation.helix import perigee
from salt_like.simulation.kinematics import invariant_mass
from salt_like.simulation.pileup import COMMANDS, make_pool, overlay
from salt_like.simulation.processes import process
from salt_like.simulation.prompt import prompt_leptons
from salt_like.simulation.record import Flows, Jets, Mask, Stable, Tracks, TruthJets
from salt_like.simulation.settings import BeamSettings
from salt_like.simulation.tracker import track

for module in ("pythia8mc", "fastjet", "awkward"):
    pytest.importorskip(module)

DETECTOR, JETS = DetectorSettings(), JetSettings()
BEAMS = beams(BeamSettings())
EVENTS = 300


@dataclass(frozen=True)
class Events:
    stable: Stable
    prompt: Mask
    tracks: Tracks
    flows: Flows
    truth: TruthJets
    jets: Jets


def pool(number, seed=1):
    generator = Generator([*COMMANDS, BEAMS])
    particles = generator.events(number, np.random.default_rng(seed))
    return make_pool(particles, generator.charges(particles.pdg))


def simulated(name, number, others, pileup=20.0, seed=2):
    rng = np.random.default_rng(seed)
    generator = Generator([*process(name).commands, BEAMS])
    particles = generator.events(number, rng)
    stable = overlay(particles, generator.charges(particles.pdg), others, pileup, BeamSettings(), rng)
    prompt = prompt_leptons(particles, stable)
    tracks = track(stable, DETECTOR.tracker, rng)
    constituents = flows(stable, tracks, prompt, DETECTOR, rng)
    truth = truth_jets(stable, prompt, JETS, cluster)
    return Events(stable, prompt, tracks, constituents, truth, jets(constituents, truth, JETS, cluster))


@pytest.fixture(scope="module")
def others():
    return pool(200)


@pytest.fixture(scope="module")
def events(others):
    return simulated("ttbar", EVENTS, others)


def pt(jets):
    return np.hypot(jets.px, jets.py)


def mass(jets):
    return invariant_mass(jets.px, jets.py, jets.pz, jets.energy)


def responses(events, of=pt):
    """Reconstructed over true value of matched jets, and their true momentum."""
    true, found = events.jets.truth, events.jets.truth >= 0
    found[found] = mass(events.truth)[true[found]] > 0.5  # a single photon has none
    return of(events.jets)[found] / of(events.truth)[true[found]], pt(events.truth)[true[found]]


def spread(values):
    return np.diff(np.quantile(values, [0.1587, 0.8413]))[0] / 2


@pytest.mark.parametrize(("low", "high", "width"), [(30, 50, 0.14), (50, 100, 0.10), (100, 250, 0.07)])
def test_jet_energy(events, low, high, width):
    ratio, true = responses(events)
    here = ratio[(true > low) & (true < high)]
    assert len(here) > 150
    assert here.mean() == pytest.approx(1.0, abs=0.03)
    assert np.median(here) == pytest.approx(1.0, abs=0.03)
    assert spread(here) == pytest.approx(width, rel=0.3)


def test_jet_energy_at_25_gev(events):
    """The 20 GeV of the selection cut away jets that are measured too low: unbiased only above."""
    raw = uncalibrated(events.flows, JETS, cluster)
    true = matched(raw, events.truth, 0.3)
    found = (true >= 0) & (np.abs(np.arcsinh(raw.pz / pt(raw))) < 2.5)
    ratio, true_pt = pt(raw)[found] / pt(events.truth)[true[found]], pt(events.truth)[true[found]]
    here = ratio[(true_pt > 22) & (true_pt < 28)]
    assert len(here) > 50
    assert np.median(here) == pytest.approx(1.0, abs=0.06)
    assert 0.12 < here.std() < 0.28


def test_jet_mass(events):
    """From constituents: not a copy of the true one."""
    ratio, true = responses(events, mass)
    for low, high in [(30, 60), (60, 120), (120, 400)]:
        here = ratio[(true > low) & (true < high)]
        assert 0.72 < np.median(here) < 1.0
        assert 0.15 < spread(here) < 0.4
    assert np.mean(mass(events.jets) > 1.0) > 0.99


def test_jets_are_the_jets_of_the_hard_collision(events):
    assert np.mean(events.jets.truth < 0) < 0.04
    assert 4 < len(events.jets.event) / EVENTS < 6


def test_prompt_leptons_make_no_jets(events):
    """Leptons of W and Z above 30 GeV have no jet of about their momentum around them."""
    lepton = np.flatnonzero(
        events.prompt & (np.abs(events.stable.pdg) < 20) & (np.hypot(events.stable.px, events.stable.py) > 30)
    )
    assert len(lepton) > 60
    jet_phi, jet_eta = np.arctan2(events.jets.py, events.jets.px), np.arcsinh(events.jets.pz / pt(events.jets))
    made = 0
    for row in lepton:
        lepton_pt = np.hypot(events.stable.px[row], events.stable.py[row])
        turn = (jet_phi - np.arctan2(events.stable.py[row], events.stable.px[row]) + np.pi) % (2 * np.pi) - np.pi
        near = np.hypot(jet_eta - np.arcsinh(events.stable.pz[row] / lepton_pt), turn) < 0.1
        made += np.any(near & (events.jets.event == events.stable.event[row]) & (pt(events.jets) > 0.8 * lepton_pt))
    assert made / len(lepton) < 0.04  # other jets that are there by chance


def in_jets(events):
    return jet_of(events.tracks, events.jets, TrackSelection()) >= 0


def test_tracks_in_jets(events):
    inside = in_jets(events)
    assert 6 < inside.sum() / len(events.jets.event) < 9
    fakes = np.mean(events.tracks.stable[inside] < 0)
    assert 0.01 < fakes < 0.02
    real = events.tracks.stable[inside & (events.tracks.stable >= 0)]
    assert 0.02 < np.mean(events.stable.collision[real] > 0) < 0.15


def test_pulls_in_jets(events):
    real = in_jets(events) & (events.tracks.stable >= 0)
    row, stable = events.tracks.stable[real], events.stable
    true = perigee(
        *(getattr(stable, name)[row] for name in ("x", "y", "z", "px", "py", "pz", "charge")),
        *stable.vertex[stable.event[row]].T,
    )
    for name in ("d0", "z0"):
        pulls = (getattr(events.tracks, name)[real] - getattr(true, name)) / getattr(events.tracks, f"sigma_{name}")[
            real
        ]
        assert 0.95 < pulls.std() < 1.1
        assert spread(pulls) == pytest.approx(1.0, abs=0.04)


def test_efficiency_of_tracks(events):
    stable = events.stable
    momentum = np.hypot(stable.px, stable.py)
    prompt = (np.hypot(stable.x, stable.y) < 1.0) & (np.abs(stable.pz) < np.sinh(2.45) * momentum)
    charged = prompt & (stable.charge != 0) & (np.abs(stable.pdg) > 100)
    found = np.zeros(len(stable.event), bool)
    found[events.tracks.stable[events.tracks.stable >= 0]] = True
    by_pt = [found[charged & (momentum > low) & (momentum < high)].mean() for low, high in [(0.55, 1), (1, 2), (2, 50)]]
    assert by_pt == pytest.approx([0.84, 0.89, 0.92], abs=0.015)


def test_charged_and_neutral_energy(events):
    """Of the three fifths of a jet that are charged nine tenths have a track."""
    momentum = np.hypot(events.flows.px, events.flows.py)[events.jets.flow]
    charged = (events.flows.track >= 0)[events.jets.flow]
    assert momentum[charged].sum() / momentum.sum() == pytest.approx(0.54, abs=0.03)
    # of some neutral ones only a part is left when pile-up has been subtracted
    assert 0.1 <= momentum[~charged].min() < 0.15


@pytest.mark.slow
def test_pile_up_changes_the_scale_of_jets_little(others):
    few = {mean: simulated("ttbar", 150, others, mean, seed=5) for mean in (0.0, 40.0)}
    medians = {}
    for mean, each in few.items():
        ratio, true = responses(each)
        medians[mean] = np.median(ratio[(true > 30) & (true < 80)])
        assert np.mean(each.jets.truth < 0) < 0.12
    assert medians[0.0] == pytest.approx(1.0, abs=0.04)
    assert medians[40.0] == pytest.approx(1.0, abs=0.05)


@pytest.mark.slow
def test_default_calibration_is_derived_again():
    others = pool(1500, seed=11)
    rows = []
    for seed in range(20):
        events = simulated("qcd", 150, others, seed=100 + seed)
        raw = uncalibrated(events.flows, JetSettings(minimum_pt=10.0), cluster)
        true = matched(raw, events.truth, 0.3)
        found = true >= 0
        rows.append([pt(raw)[found], pt(events.truth)[true[found]], np.abs(np.arcsinh(raw.pz / pt(raw)))[found]])
    again = np.array(derived(*np.concatenate(rows, 1)).factors)
    default = np.array(Calibration().factors)
    assert np.abs(again / default - 1)[:, 2:].max() < 0.05
    assert np.abs(again / default - 1)[:, 2:].mean() < 0.015
