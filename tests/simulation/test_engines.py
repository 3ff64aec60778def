"""Pythia and FastJet, as far as anything here relies on them; what needs them is skipped without."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from salt_like.errors import UserError
from salt_like.simulation import engines
from salt_like.simulation.engines import PACKAGES, Generator, cluster, require_engines, versions
from salt_like.simulation.processes import NAMED, process

PRESENT = all(importlib.util.find_spec(name) for name in PACKAGES)
needs_engines = pytest.mark.skipif(not PRESENT, reason="needs salt-like[simulate]")


def test_missing_packages_are_named_with_how_to_install_them(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        engines.importlib.util, "find_spec", lambda name: None if name == "fastjet" else there(name) or object()
    )
    for call in (require_engines, versions, lambda: Generator(["Top:all = on"])):
        with pytest.raises(UserError, match=r"(?s)needs fastjet, which is not installed\n.*'salt-like\[simulate\]'"):
            call()


BARE = [f"{step} = off" for step in ("PartonLevel:MPI", "PartonLevel:ISR", "PartonLevel:FSR", "HadronLevel:all")]


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


@pytest.fixture(scope="module")
def generator():
    if not PRESENT:
        pytest.skip("needs salt-like[simulate]")
    return Generator(process("ttbar").commands)


@pytest.fixture(scope="module")
def particles(generator):
    return generator.events(10, np.random.default_rng(4))


def test_events_do_not_depend_on_those_before(generator, particles):
    other = generator.events(7, np.random.default_rng(5))
    assert not np.array_equal(other.px[:50], particles.px[:50])
    assert same(generator.events(10, np.random.default_rng(4)), particles)
    fresh = Generator(process("ttbar").commands)
    assert same(fresh.events(10, np.random.default_rng(4)), particles)


def test_record_is_that_of_pythia(generator, particles):
    assert particles.events == 10
    assert np.array_equal(np.unique(particles.event), np.arange(10))
    assert np.all(np.diff(particles.event) >= 0)
    tops = np.bincount(particles.event[np.abs(particles.pdg) == 6])
    assert np.all(tops >= 2)
    for mother in (particles.mother1, particles.mother2):
        found = mother >= 0
        assert np.array_equal(particles.event[mother[found]], particles.event[found])
    first = np.searchsorted(particles.event, np.arange(10))
    assert np.all(particles.pdg[first] == 90)
    assert np.all(particles.pdg[first + 1] == 2212)
    assert np.all(particles.mother1[first + 1] == -1)
    final = particles.status > 0
    for name, total in (("px", 0.0), ("py", 0.0), ("pz", 0.0), ("energy", 14_000.0)):
        summed = np.bincount(particles.event[final], getattr(particles, name)[final])
        assert np.allclose(summed, total, atol=1e-3), name
    squared = particles.energy**2 - particles.px**2 - particles.py**2 - particles.pz**2
    assert np.allclose(squared[final], particles.mass[final] ** 2, atol=1e-3 * particles.energy[final] ** 2 + 1e-6)
    charge = generator.charges(particles.pdg)
    assert np.array_equal(np.bincount(particles.event[final], charge[final]), np.full(10, 2))
    assert np.array_equal(particles.weights, np.ones(10))


def test_particles_of_long_lived_ones_begin_where_those_end(particles):
    # a b hadron of 20 GeV flies millimetres; Pythia's own event is where the collision was
    place = np.hypot(np.hypot(particles.x, particles.y), particles.z)
    from_beam = particles.mother1 < 0
    assert not place[from_beam].any()
    mother = particles.mother1
    beauty = np.isin(np.abs(particles.pdg), (511, 521, 531, 5122))
    child = np.flatnonzero((mother >= 0) & beauty[mother] & ~beauty)
    flown = np.hypot(np.hypot(particles.x - particles.x[mother], particles.y - particles.y[mother]),
                     particles.z - particles.z[mother])[child]  # fmt: skip
    assert np.median(flown) > 0.3


def test_charges(generator):
    pdg = np.array([[11, -11, 211, -211], [2212, 22, 3312, 1], [130, 24, 1000020040, 5]])
    expected = [[-1, 1, 1, -1], [1, 0, -1, 0], [0, 1, 2, 0]]
    assert np.array_equal(generator.charges(pdg), expected)


@needs_engines
def test_states_of_random_numbers_are_many():
    generator = Generator.__new__(Generator)
    import pythia8mc

    generator._pythia = pythia8mc.Pythia("", False)
    drawn = set()
    for seed in range(300):
        generator._begin(np.random.default_rng(seed))
        drawn.add((generator._pythia.rndm.getState().seed, generator._pythia.rndm.flat()))
    assert len(drawn) == 300
    generator._begin(np.random.default_rng(7))
    first = [generator._pythia.rndm.flat() for _ in range(5)]
    generator._begin(np.random.default_rng(7))
    assert [generator._pythia.rndm.flat() for _ in range(5)] == first


@needs_engines
@pytest.mark.parametrize("name", [*(name for name in NAMED if name != "ttbar"), "zprime50", "zprime800", "zprime6000"])
def test_every_process_is_what_its_name_says(name):
    particles = Generator(process(name).commands).events(20, np.random.default_rng(1))
    hard = np.abs(particles.status) == 23
    kinds = np.abs(particles.pdg[hard])
    assert len(kinds) == 40
    wanted = {"ccbar": [4], "bbbar": [5], "qqbar": [1, 2, 3, 4, 5], "qcd": [1, 2, 3, 4, 5, 21]}
    assert np.all(np.isin(kinds, wanted.get(name, [1, 2, 3, 4, 5, 15])))
    if name.startswith("zprime"):
        mass = particles.mass[np.abs(particles.pdg) == 32]
        assert np.all(np.abs(mass / process(name).number - 1) <= 0.5 + 1e-6)
        assert np.all(particles.weights == 1)
    else:
        pt = np.hypot(particles.px, particles.py)[hard][::2]
        assert np.all(pt >= 15 * 0.9)
        # generated as if the spectrum were harder by four powers
        assert np.corrcoef(np.log(particles.weights), np.log(pt))[0, 1] < -0.9


@needs_engines
def test_zprime_decays_to_all_flavours_alike():
    particles = Generator([*process("zprime800").commands, *BARE]).events(3000, np.random.default_rng(1))
    kinds = np.abs(particles.pdg[np.abs(particles.status) == 23])[::2]
    counts = np.bincount(kinds, minlength=16)[[1, 2, 3, 4, 5, 15]]
    assert counts.sum() == 3000
    assert np.all(np.abs(counts - 500) < 4 * np.sqrt(500))


@needs_engines
def test_settings_that_pythia_refuses():
    with pytest.raises(RuntimeError, match="does not know the setting 'Top:none = on'"):
        Generator(["Top:none = on"])
    with pytest.raises(RuntimeError, match="cannot be set up with"):
        Generator([*process("zprime6000").commands, "Beams:eCM = 1000"])


def momenta(pt, eta, phi):
    pt, eta, phi = np.broadcast_arrays(*(np.asarray(one, float) for one in (pt, eta, phi)))
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)


@needs_engines
def test_clusters_of_particles_side_by_side():
    # event 1 has none; in event 2 the softer jet stands first among the particles
    event = np.array([0, 0, 0, 2, 2, 2])
    px, py, pz, energy = momenta([30, 10, 3, 20, 50, 1], [0, 0.1, 2, 1, -1, -1.2], [0, 0.2, 0, 3.1, 0, -0.1])
    found = cluster(event, px, py, pz, energy, radius=0.4, pt_min=5.0)
    assert found.event.tolist() == [0, 2, 2]
    assert found.constituent.tolist() == [0, 1, 4, 5, 3]
    assert found.jet.tolist() == [0, 0, 1, 1, 2]
    for name, values in (("px", px), ("py", py), ("pz", pz), ("energy", energy)):
        assert np.allclose(getattr(found, name), np.bincount(found.jet, values[found.constituent]))


@needs_engines
@pytest.mark.parametrize("number", [0, 1])
def test_clusters_of_nearly_nothing(number):
    event = np.zeros(number, np.int64)
    found = cluster(event, *momenta([3.0] * number, 0, 0), radius=0.4, pt_min=5.0)
    assert [len(values) for values in vars(found).values()] == [0] * 7


@needs_engines
def test_clusters_are_those_of_a_plain_implementation():
    random = np.random.default_rng(8)
    event = np.sort(random.integers(0, 6, 120))
    momentum = momenta(random.exponential(10, 120), random.normal(0, 1, 120), random.uniform(-3.1, 3.1, 120))
    found = cluster(event, *momentum, radius=0.6, pt_min=4.0)
    expected = set()
    for number in range(6):
        rows = np.flatnonzero(event == number)
        for members in anti_kt({row: np.array([one[row] for one in momentum]) for row in rows}, 0.6, 4.0):
            expected.add(frozenset(members))
    assert {frozenset(found.constituent[found.jet == jet].tolist()) for jet in range(len(found.event))} == expected
    pt = np.hypot(found.px, found.py)
    assert np.all((np.diff(found.event) > 0) | (np.diff(pt) <= 0))


def anti_kt(momenta, radius, pt_min):
    """Sets of rows of the jets, by the definition of arXiv:0802.1189."""
    left = {(row,): momentum for row, momentum in momenta.items()}
    jets = []
    while left:
        best = (np.inf, None, None)
        for one, first in left.items():
            weight = 1 / np.hypot(*first[:2]) ** 2
            best = min(best, (weight, one, None), key=lambda found: found[0])
            for other, second in left.items():
                if other != one:
                    distance = min(weight, 1 / np.hypot(*second[:2]) ** 2) * gap(first, second) / radius**2
                    best = min(best, (distance, one, other), key=lambda found: found[0])
        _, one, other = best
        if other is None:
            momentum = left.pop(one)
            if np.hypot(*momentum[:2]) >= pt_min:
                jets.append(one)
        else:
            left[one + other] = left.pop(one) + left.pop(other)
    return jets


def gap(first, second):
    rapidity = [0.5 * np.log((one[3] + one[2]) / (one[3] - one[2])) for one in (first, second)]
    angle = np.arctan2(first[1], first[0]) - np.arctan2(second[1], second[0])
    return (rapidity[0] - rapidity[1]) ** 2 + ((angle + np.pi) % (2 * np.pi) - np.pi) ** 2


@needs_engines
def test_nothing_is_written_to_standard_output():
    code = (
        "import numpy as np\n"
        "from salt_like.simulation.engines import Generator, cluster\n"
        "Generator(['Top:all = on']).events(1, np.random.default_rng(1))\n"
        "for _ in range(2): cluster(np.zeros(1, int), *np.array([[9.0], [0], [0], [9]]), radius=0.4, pt_min=1)\n"
        "print('mine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "mine\n"
    assert done.stderr.count("Please cite EPJC72(2012)1896") == 1
