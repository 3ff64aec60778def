from __future__ import annotations

import math

import numpy as np
import pytest
from made_records import (
    Record,
    flows_at,
    jets_at,
    random_jets,
    random_particles,
    stable_of,
    tracks_at,
    truth_jets_at,
)

from salt_like.simulation.hadrons import hadrons
from salt_like.simulation.layout import DTYPES, LENGTHS, TRUTH_FIELDS
from salt_like.simulation.streams import slots, streams

AXIS = (60.0, 0.5, 3.0)


def written(record, jets, tracks=None, flows=None, truth_jets=None, stable=None, process=7, **arguments):
    particles = record if not isinstance(record, Record) else record.particles(arguments.get("weights"))
    stable = stable_of(particles, [], collisions=arguments.get("collisions")) if stable is None else stable
    return streams(
        particles,
        stable,
        tracks_at() if tracks is None else tracks,
        flows_at() if flows is None else flows,
        jets,
        truth_jets_at() if truth_jets is None else truth_jets,
        hadrons(particles, jets),
        1000 + np.arange(particles.events) if arguments.get("numbers") is None else arguments["numbers"],
        process,
    )


def test_shapes_and_types():
    result = written(Record(2), jets_at(AXIS, AXIS, event=[0, 1]))
    assert {name: array.dtype for name, array in result.items()} == DTYPES
    assert {name: array.shape for name, array in result.items()} == {
        "jets": (2,), **{name: (2, length) for name, length in LENGTHS.items()}
    }  # fmt: skip


@pytest.mark.parametrize("events", [0, 3])
def test_events_without_jets(events):
    result = written(Record(events), jets_at())
    assert {name: array.shape for name, array in result.items()} == {
        "jets": (0,), **{name: (0, length) for name, length in LENGTHS.items()}
    }  # fmt: skip


def test_jet_without_anything():
    result = written(Record(), jets_at(AXIS))
    jet = result["jets"][0]
    assert (jet["n_tracks"], jet["n_flows"], jet["softLeptonPt"], jet["softLeptonID"]) == (0, 0, 0, 0)
    for name in ("tracks", "flows", "truth_hadrons"):
        assert not result[name].view(np.uint8).any()  # every byte of padding is 0
    assert (jet["HadronConeExclTruthLabelID"], jet["HadronConeExclTruthLabelPdgId"], jet["flavour_label"]) == (0, 0, 0)
    for name in ("HadronConeExclTruthLabelPt", "HadronConeExclTruthLabelLxy", "ptFromTruthJet", "truthMass"):
        assert np.isnan(jet[name])


def test_values_of_a_jet():
    record = Record(3)
    bottom = record.add(-521, pt=30.0, eta=0.55, phi=3.05, event=2)
    record.add(13, bottom, pt=6.0, at=(0.3, 0.4, 0.0), event=2)
    jets = jets_at((25.0, -1.0, 0.0), AXIS, event=[0, 2], truth=[-1, 1])
    truth_jets = truth_jets_at((30.0, 2.0, 1.0), (55.0, 0.5, 3.0), event=[1, 2])
    tracks = tracks_at((3.5, 0.5, 3.0), (7.0, 0.5, -3.1), (9.0, -0.5, 3.0), event=[2, 2, 2], lepton=[11, -13, 13])
    result = written(
        record, jets, tracks, truth_jets=truth_jets, weights=[0.5, 1.0, 0.25], collisions=[3, 4, 5],
        numbers=np.array([10**12, 5, 10**12 + 2]),
    )["jets"]  # fmt: skip
    expected = {
        "pt": 60e3, "eta": 0.5, "phi": 3.0, "energy": 60e3 * math.cosh(0.5), "abs_eta": 0.5, "pt_btagJes": 60e3,
        "eta_btagJes": 0.5, "n_tracks": 2, "HadronConeExclTruthLabelID": 5, "flavour_label": 2,
        "HadronConeExclTruthLabelPt": 30e3, "HadronConeExclTruthLabelLxy": 0.5, "HadronConeExclTruthLabelPdgId": -521,
        "GhostBHadronsFinalCount": 1, "GhostCHadronsFinalCount": 0, "softLeptonPt": 7e3, "softLeptonID": -13,
        "ptFromTruthJet": 55e3, "truthMass": 0.0, "process": 7, "mcEventWeight": 0.25, "n_pileup": 5,
        "primaryVertexZ": 30.0,
    }  # fmt: skip
    for name, value in expected.items():
        assert result[name][1] == pytest.approx(value, rel=1e-5, abs=0.5), name
    assert result["eventNumber"].tolist() == [10**12, 10**12 + 2]
    assert result["mcEventWeight"].tolist() == [0.5, 0.25]
    assert result["n_pileup"].tolist() == [3, 5]
    assert result["abs_eta"][0] == 1.0
    assert result["eta"][0] == -1.0


def test_masses():
    jets, truth_jets = jets_at((30.0, 0.0, 0.0), truth=[0]), truth_jets_at((30.0, 0.0, 0.0))
    object.__setattr__(jets, "energy", np.array([50.0]))
    object.__setattr__(truth_jets, "energy", np.array([34.0]))
    result = written(Record(), jets, truth_jets=truth_jets)["jets"]
    assert result["mass"][0] == pytest.approx(40e3)
    assert result["truthMass"][0] == pytest.approx(16e3)
    assert result["energy"][0] == pytest.approx(50e3)


def test_values_of_tracks():
    record = Record()
    bottom = record.add(521, pt=30.0, eta=0.5, phi=3.0)
    kaon = record.add(-321, bottom, at=(0.6, 0.8, 0.0))
    pion = record.add(211)
    particles = record.particles()
    jets = jets_at(AXIS)
    tracks = tracks_at(
        (6.0, 0.7, -3.1), (2.0, 0.5, 3.1), (3.0, 0.5, 3.0), (1.0, 0.4, 3.0),
        stable=[0, 1, -1, 2], charge=[-1, 1, 1, -1], d0=[0.5, 0.02, -3.0, 0.1], z0=[1.0, 0.1, 0.2, -0.3],
    )  # fmt: skip
    result = written(particles, jets, tracks, stable=stable_of(particles, [kaon, pion], pileup=1))["tracks"][0]
    assert result["valid"].sum() == 4
    # fake, kaon, pile-up, pion: by the size of the significance of d0
    assert result["ftagTruthOriginLabel"][:4].tolist() == [1, 3, 0, 2]
    assert result["ftagTruthVertexIndex"][:4].tolist() == [-2, 1, -2, 0]
    assert result["ftagTruthTypeLabel"][:4].tolist() == [0, 3, 0, 2]
    assert result["ftagTruthParentBarcode"][:4].tolist() == [-1, 1, -1, -1]
    sin = 1 / math.cosh(0.7)
    sigma = math.hypot(sin * 0.1, 1.0 * math.tanh(0.7) * 0.002)
    expected = {
        "d0": 0.5, "z0SinTheta": sin, "dphi": 2 * math.pi - 6.1, "deta": 0.2, "dr": math.hypot(2 * math.pi - 6.1, 0.2),
        "pt": 6e3, "ptfrac": 0.1, "qOverP": -sin / 6e3, "IP3D_signed_d0_significance": -5.0,
        "IP3D_signed_z0_significance": -sin / sigma, "d0Uncertainty": 0.1, "z0SinThetaUncertainty": sigma,
        "phiUncertainty": 0.001, "thetaUncertainty": 0.002, "qOverPUncertainty": 3e-6, "numberOfPixelHits": 4,
        "numberOfSCTHits": 8, "numberOfInnermostPixelLayerHits": 1, "numberOfNextToInnermostPixelLayerHits": 2,
        "leptonID": 0,
    }  # fmt: skip
    for name, value in expected.items():
        assert result[name][1] == pytest.approx(value, rel=1e-5), name


def test_more_tracks_than_slots():
    generator = np.random.default_rng(0)
    d0 = generator.permutation(np.arange(1, 61)) * 0.01
    tracks = tracks_at(*[(1.0, 0.5, 3.0)] * 60, d0=d0 * generator.choice([-1, 1], 60))
    result = written(Record(), jets_at(AXIS), tracks)
    assert result["jets"]["n_tracks"].tolist() == [60]
    assert result["tracks"]["valid"].all()
    assert np.abs(result["tracks"]["d0"][0]) == pytest.approx(np.arange(60, 20, -1) * 0.01)


def test_sixty_vertices_stay_within_a_byte():
    record = Record()
    rows = [record.add(211, at=(float(number), 0, 0)) for number in range(1, 61)]
    particles = record.particles()
    tracks = tracks_at(*[(1.0, 0.5, 3.0)] * 60, stable=range(60), d0=np.arange(60) * 0.01)
    result = written(particles, jets_at(AXIS), tracks, stable=stable_of(particles, rows))["tracks"][0]
    assert sorted(result["ftagTruthVertexIndex"].tolist()) == list(range(1, 41))


def test_flows():
    flows = flows_at(
        (3.0, 0.5, 3.0), (5.0, 0.6, -3.1), (9.0, 0.0, 0.0), (4.0, 0.5, 3.0),
        track=[-1, -1, -1, 8], photon=[False, True, False, False],
    )  # fmt: skip
    result = written(Record(), jets_at(AXIS, flow=[0, 1, 3], flow_jet=[0, 0, 0]), flows=flows)
    assert result["jets"]["n_flows"].tolist() == [3]
    constituents = result["flows"][0]
    assert constituents["pt"][:4].tolist() == [5e3, 4e3, 3e3, 0]
    assert constituents["isPhoton"][:4].tolist() == [1, 0, 0, 0]
    assert constituents["isCharged"][:4].tolist() == [0, 1, 0, 0]
    assert constituents["valid"][:4].tolist() == [True, True, True, False]
    assert constituents["energy"][0] == pytest.approx(5e3 * math.cosh(0.6))
    assert constituents["dphi"][0] == pytest.approx(2 * math.pi - 6.1, rel=1e-5)
    assert constituents["deta"][0] == pytest.approx(0.1, rel=1e-5)
    assert constituents["dr"][0] == pytest.approx(math.hypot(2 * math.pi - 6.1, 0.1), rel=1e-5)
    assert not {"isPileup", "pileup"} & set(DTYPES["flows"].names)


def test_truth_hadrons():
    record = Record()
    record.add(22)
    bottom = record.add(511, pt=40.0, eta=0.6, phi=-3.1)
    record.add(-411, bottom, pt=50.0, eta=0.5, phi=3.0, at=(3.0, 4.0, 12.0))
    for number in range(5):
        record.add(421, pt=10.0 + number, eta=0.5, phi=3.0)
    result = written(record, jets_at(AXIS))
    assert result["jets"]["GhostCHadronsFinalCount"].tolist() == [6]
    found = result["truth_hadrons"][0]
    assert found["valid"].all()
    assert found["pt"].tolist() == [50e3, 40e3, 14e3, 13e3, 12e3]
    assert found["flavour"].tolist() == [4, 5, 4, 4, 4]
    assert found["pdgId"][:2].tolist() == [-411, 511]
    assert found["barcode"][:2].tolist() == [3, 2]
    assert found["parentBarcode"].tolist() == [2, -1, -1, -1, -1]
    assert found["Lxy"][1] == pytest.approx(5.0)
    assert found["mass"][1] == pytest.approx(5280.0)
    assert found["energy"][1] == pytest.approx(1e3 * math.hypot(40 * math.cosh(0.6), 5.28))
    assert found["properDecayLength"][1] == pytest.approx(13.0 * 5.28 / (40 * math.cosh(0.6)), rel=1e-5)
    assert found["dphi"][1] == pytest.approx(2 * math.pi - 6.1, rel=1e-5)
    assert found["deta"][1] == pytest.approx(0.1, rel=1e-5)
    assert np.isnan(found["Lxy"][0])  # did not decay
    assert result["jets"]["HadronConeExclTruthLabelPt"].tolist() == [40e3]


@pytest.mark.parametrize("seed", range(4))
def test_slots_same_as_sorting(seed):
    generator = np.random.default_rng(seed)
    row, jet = generator.permutation(80), generator.integers(0, 9, 80) * 2
    rank = generator.integers(0, 6, 80).astype(float)
    place = slots(row, jet, rank, 6)
    expected = []
    for each in range(18):
        mine = sorted((-rank[i], row[i]) for i in range(80) if jet[i] == each)
        expected += [(each, slot, number) for slot, (_, number) in enumerate(mine[:6])]
    assert list(zip(place.jet, place.slot, place.row, strict=True)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_events_one_by_one_are_the_same(seed):
    """A chunk is its events one after the other: nothing leaks from one event into another."""
    generator = np.random.default_rng(seed)
    particles, jets = random_particles(generator, size=600), random_jets(generator)
    row = np.flatnonzero(particles.status > 0)
    stable = stable_of(particles, row)
    direction = np.stack(
        (np.full(len(row), 2.0), generator.normal(size=len(row)), generator.uniform(-3, 3, len(row))), 1
    )
    d0 = generator.normal(size=len(row))
    which = np.where(generator.random(len(row)) < 0.1, -1, np.arange(len(row)))
    whole = written(particles, jets, tracks_at(*direction, event=stable.event, stable=which, d0=d0), stable=stable)
    parts = []
    for event in range(particles.events):
        mine, own, first = particles.event == event, stable.event == event, np.searchsorted(particles.event, event)
        columns = {name: value[mine] for name, value in vars(particles).items() if name != "weights"}
        columns["event"] = np.zeros(mine.sum(), np.int64)
        columns["mother1"] = np.where(columns["mother1"] >= 0, columns["mother1"] - first, -1)
        alone = type(particles)(**columns, weights=particles.weights[event : event + 1])
        here = {name: value[jets.event == event] for name, value in vars(jets).items() if not name.startswith("flow")}
        here["event"] = np.zeros(len(here["event"]), np.int64)
        some = type(jets)(**here, flow=jets.flow, flow_jet=jets.flow_jet)
        renumbered = np.where(which[own] >= 0, which[own] - np.searchsorted(stable.event, event), -1)
        tracks = tracks_at(*direction[own], stable=renumbered, d0=d0[own])
        reached = stable_of(alone, row[own] - first)
        parts.append(written(alone, some, tracks, stable=reached, numbers=np.array([1000 + event])))
    for name in ("jets", "tracks", "truth_hadrons"):
        joined = np.concatenate([part[name] for part in parts])
        for field in joined.dtype.names:
            np.testing.assert_array_equal(whole[name][field], joined[field])
    assert whole["tracks"]["valid"].any()
    assert whole["truth_hadrons"]["valid"].any()


def test_missing_truth_is_nan_and_nothing_else_is():
    generator = np.random.default_rng(5)
    particles, jets = random_particles(generator, size=200), random_jets(generator)
    result = written(particles, jets)
    light = result["jets"]["flavour_label"] == 0
    assert light.any()
    assert not light.all()
    for name in result["jets"].dtype.names:
        if result["jets"].dtype[name].kind == "f" and name not in TRUTH_FIELDS["jets"]:
            assert np.isfinite(result["jets"][name]).all()
    np.testing.assert_array_equal(np.isnan(result["jets"]["HadronConeExclTruthLabelPt"]), light)
