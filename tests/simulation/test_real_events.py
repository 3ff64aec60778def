"""Truth of events of Pythia; skipped without the optional packages."""

from __future__ import annotations

import numpy as np
import pytest

from salt_like.simulation.ancestry import nearest_ancestor
from salt_like.simulation.chunk import beams
from salt_like.simulation.engines import Generator, cluster
from salt_like.simulation.hadrons import hadrons
from salt_like.simulation.labels import FLAVOURS, labels
from salt_like.simulation.origins import ORIGINS, ancestry_class
from salt_like.simulation.processes import process
from salt_like.simulation.record import Jets
from salt_like.simulation.settings import BeamSettings
from salt_like.simulation.species import heavy_flavour
from salt_like.simulation.vertices import vertex_index

for module in ("pythia8mc", "fastjet", "awkward"):
    pytest.importorskip(module)


@pytest.fixture(scope="module")
def particles():
    return Generator([*process("ttbar").commands, beams(BeamSettings())]).events(300, np.random.default_rng(1))


@pytest.fixture(scope="module")
def visible(particles):
    """Rows of what a detector could see of the hard collisions."""
    pdg = np.abs(particles.pdg)
    return np.flatnonzero((particles.status > 0) & ~np.isin(pdg, (12, 14, 16)))


@pytest.fixture(scope="module")
def jets(particles, visible):
    momentum = (column[visible] for column in (particles.px, particles.py, particles.pz, particles.energy))
    found = cluster(particles.event[visible], *momentum, radius=0.4, pt_min=20.0)
    central = np.abs(np.arcsinh(found.pz / np.hypot(found.px, found.py))) < 2.5
    number = np.cumsum(central) - 1
    inside = central[found.jet]
    columns = (column[central] for column in (found.event, found.px, found.py, found.pz, found.energy))
    none = np.full(central.sum(), -1)
    return Jets(*columns, visible[found.constituent[inside]], number[found.jet[inside]], none)


@pytest.fixture(scope="module")
def found(particles, jets):
    return hadrons(particles, jets)


def share(values, *which):
    return np.isin(np.abs(values), which).mean()


def test_hadrons_and_their_lifetimes(particles, found):
    bottom = found.flavour == 5
    assert bottom.sum() > 550
    assert share(found.pdg[bottom], 511) == pytest.approx(0.43, abs=0.05)
    assert share(found.pdg[bottom], 521) == pytest.approx(0.42, abs=0.05)
    assert share(found.pdg[bottom], 531) == pytest.approx(0.10, abs=0.03)
    assert share(found.pdg[bottom], 5122) == pytest.approx(0.04, abs=0.02)
    assert share(found.pdg[bottom], 511, 521, 531, 541, 5122, 5132, 5232, 5332) == 1.0
    charm = found.flavour == 4
    assert share(found.pdg[charm], 411, 421, 431, 4122, 4132, 4232, 4332) > 0.999
    for rows, lifetime in (
        (bottom, 0.466), (found.flavour == 15, 0.087), (np.abs(found.pdg) == 511, 0.459),
        (np.abs(found.pdg) == 411, 0.312), (np.abs(found.pdg) == 421, 0.123), (np.abs(found.pdg) == 431, 0.150),
    ):  # fmt: skip
        # lifetimes are exponential: the error of the mean is the mean over the root of the number
        assert abs(found.decay[rows].mean() / lifetime - 1) < 5 / np.sqrt(rows.sum()) + 0.02
    flown = np.hypot(found.pt, found.pt * np.sinh(found.eta)) / found.mass
    assert (found.lxy <= found.decay * flown * 1.000001).all()
    # every other one of the charm hadrons comes from bottom, the others from W
    assert (found.parent[charm] >= 0).mean() == pytest.approx(0.6, abs=0.06)
    assert (found.parent[bottom] == -1).all()
    # the tau of a top is hadronic in 65 % of all cases; it counts once
    tau = np.flatnonzero((np.abs(particles.pdg) == 15) & (particles.status == -23))
    assert (found.flavour == 15).sum() > 0.4 * len(tau)


def test_taus_that_decay_to_leptons_are_left_out(particles, found):
    for row in found.particle[found.flavour == 15]:
        assert not np.isin(np.abs(particles.pdg[particles.mother1 == row]), (11, 13)).any()


def test_labels(particles, jets, found):
    label = labels(particles, jets, found)
    shares = dict(zip(FLAVOURS, np.bincount(label.flavour, minlength=4) / len(label.flavour), strict=True))
    assert len(label.flavour) > 1200
    assert 0.28 < shares["bjets"] < 0.45
    assert 0.06 < shares["cjets"] < 0.18
    assert 0.01 < shares["taujets"] < 0.06
    assert 0.40 < shares["ujets"] < 0.60
    # two b jets per event, less what is outside of the acceptance
    assert 1.4 < (label.label == 5).sum() / particles.events < 2.1
    # a b hadron decays to charm
    assert label.charm[label.label == 5].mean() > 0.7
    assert label.prompt_leptons.sum() > 50


def test_origins_and_vertices(particles, visible, jets, found):
    label = labels(particles, jets, found)
    charged = np.isin(np.abs(particles.pdg[jets.flow]), (11, 13, 211, 321, 2212))
    row, jet = jets.flow[charged], jets.flow_jet[charged]
    order = np.argsort(jet, kind="stable")
    row, jet = row[order], jet[order]
    classes = ancestry_class(particles, row)
    shares = {
        flavour: dict(zip(ORIGINS, np.bincount(classes[label.flavour[jet] == number], minlength=8), strict=True))
        for number, flavour in enumerate(FLAVOURS)
    }
    shares = {name: {key: value / sum(one.values()) for key, value in one.items()} for name, one in shares.items()}
    heavy = shares["bjets"]
    assert 0.15 < heavy["fromB"] < 0.35
    assert 0.20 < heavy["fromBC"] < 0.40
    assert heavy["fromC"] < 0.02
    assert 0.15 < shares["cjets"]["fromC"] < 0.40
    assert shares["cjets"]["fromB"] < 0.01
    assert shares["taujets"]["fromTau"] > 0.3  # of all charged particles, also the softest
    light = shares["ujets"]
    assert light["primary"] > 0.8
    assert 0.03 < light["otherSecondary"] < 0.15
    assert light["fromB"] + light["fromBC"] + light["fromC"] < 0.03

    position = np.stack((particles.x, particles.y, particles.z), 1)[row]
    index = vertex_index(jet, position)
    primary = classes == ORIGINS.index("primary")
    assert (index[primary] == 0).all()
    assert (index[~primary] > 0).mean() > 0.9
    # tracks of the same hadron's decay are together; those of the chain are apart when it flew far
    for origin in ("fromBC", "fromC", "fromB"):
        mine = classes == ORIGINS.index(origin)
        assert mine.sum() > 50
        same = (jet[mine][1:] == jet[mine][:-1]) & (position[mine][1:] == position[mine][:-1]).all(1)
        assert (index[mine][1:][same] == index[mine][:-1][same]).all()


def test_ancestors_agree_with_climbing(particles):
    """The record of Pythia has mothers that stand after their daughters."""
    marked = heavy_flavour(particles.pdg) > 0
    rows = np.random.default_rng(3).integers(0, len(marked), 2000)
    ancestor = nearest_ancestor(particles.mother1, marked, rows)
    for number, row in enumerate(rows):
        above = particles.mother1[row]
        while above >= 0 and not marked[above]:
            above = particles.mother1[above]
        assert ancestor[number] == above
