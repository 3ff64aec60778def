"""What earlier simulated samples got wrong must not come back; skipped without the optional packages."""

from __future__ import annotations

import fnmatch
import functools

import numpy as np
import pytest
from made_records import Record

from salt_like.data import conventions
from salt_like.simulation import chunk
from salt_like.simulation.chunk import Chunks, pool_of, process_of
from salt_like.simulation.engines import Generator
from salt_like.simulation.layout import DTYPES, TRUTH_FIELDS
from salt_like.simulation.pileup import overlay
from salt_like.simulation.seeds import event_numbers
from salt_like.simulation.settings import PileupSettings, Settings

for module in ("pythia8mc", "fastjet", "awkward"):
    pytest.importorskip(module)

PILEUP = PileupSettings(mean=20.0, pool=40)
TTBAR = {"ttbar": 1}


@pytest.fixture(scope="module", autouse=True)
def _set_up_once():
    """Setting up takes seconds, diffraction most; what is generated does not depend on what was before."""
    known = functools.cache(lambda commands: Generator(commands))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "Generator", lambda commands: known(tuple(commands)))
        patch.setattr(chunk, "COMMANDS", ("SoftQCD:nonDiffractive = on",))
        yield


@pytest.fixture(scope="module")
def training_pool():
    return pool_of(Settings(1, mix=TTBAR, pileup=PILEUP))


@pytest.fixture(scope="module")
def training(training_pool):
    return made(Settings(1, mix=TTBAR, chunk=80, pileup=PILEUP), training_pool, 6)


@pytest.fixture(scope="module")
def weighted(training_pool):
    return made(Settings(1, mix={"qcd": 1}, chunk=100, pileup=PILEUP), training_pool, 1)


def made(settings, pool, chunks):
    """Rows of several chunks, joined."""
    every = Chunks(settings, pool)
    parts = [every.make(index) for index in range(chunks)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_training_and_validation_share_neither_events_nor_collisions_of_pile_up(training, training_pool):
    """Flaw: both were cut from one stream of events, and one pool of pile-up served both."""
    other = Settings(2, mix=TTBAR, chunk=80, pileup=PILEUP)
    pool = pool_of(other)
    # of single numbers in single precision some are the same by chance
    assert not set(zip(pool.px, pool.py, strict=True)) & set(zip(training_pool.px, training_pool.py, strict=True))
    validation = made(other, pool, 1)
    for field in ("pt", "eta", "primaryVertexZ"):
        assert not set(validation["jets"][field].tolist()) & set(training["jets"][field].tolist())
    assert not set(validation["jets"]["eventNumber"].tolist()) & set(training["jets"]["eventNumber"].tolist())


def test_event_numbers_do_not_begin_anew_in_each_file():
    """Flaw: each file counted from 0."""
    numbers = [event_numbers(seed, first, 100) for seed in (0, 1, 1001, 2002, 2**31 - 1) for first in (0, 100, 10**9)]
    every = np.concatenate(numbers)
    assert len(np.unique(every)) == len(every)
    assert every.min() >= 0
    assert every.dtype == np.int64
    # also of a seed that is as large as can be
    assert (event_numbers(2**63 - 1, 0, 3) == event_numbers(2**31 - 1, 0, 3)).all()


def test_an_event_is_known_by_its_number(training):
    jets = training["jets"]
    for field in ("primaryVertexZ", "n_pileup", "process"):
        assert len(np.unique(jets[["eventNumber", field]])) == len(np.unique(jets["eventNumber"]))
    assert len(np.unique(jets["eventNumber"])) > 0.95 * 480


def test_weights_of_biased_events_are_stored(weighted, training):
    """Flaw: dijets are generated with a bias towards high momentum, and their weights were not written."""
    jets = weighted["jets"]
    _, first = np.unique(jets["eventNumber"], return_index=True)
    assert len(np.unique(jets["mcEventWeight"])) > 0.9 * len(first)
    assert (jets["mcEventWeight"] > 0).all()
    # the bias is towards high momentum, so weights fall with it
    assert np.corrcoef(np.log(jets["pt"]), np.log(jets["mcEventWeight"]))[0, 1] < -0.3
    assert (training["jets"]["mcEventWeight"] == 1).all()


def test_no_process_is_one_of_charm(training, training_pool):
    """Flaw: a third of the c jets came from a process that makes c jets, so that kinematics gave them away."""
    settings = Settings(1, chunk=100, pileup=PILEUP)
    first = {process_of(index, settings).name: index for index in reversed(range(20))}
    assert sorted(first) == ["ttbar", "zprime200", "zprime2000", "zprime800"]
    chunks = Chunks(settings, training_pool)
    processes = [training] + [chunks.make(first[name]) for name in sorted(first) if name != "ttbar"]
    for streams in processes:
        light, charm, bottom, tau = np.bincount(streams["jets"]["flavour_label"], minlength=4)
        assert 0.07 < charm / (charm + light) < 0.25
        assert min(bottom, tau) > 5


def test_one_to_two_percent_of_the_tracks_are_fakes(training):
    """Flaw: 3.8 % where 1 to 2 % were meant."""
    origin = training["tracks"]["ftagTruthOriginLabel"][training["tracks"]["valid"]]
    assert len(origin) > 15_000
    assert 0.01 < (origin == 1).mean() < 0.02


def test_truth_without_meaning_is_nan(training):
    """Flaw: hadron pT and Lxy of light jets were 0."""
    jets = training["jets"]
    light = jets["flavour_label"] == 0
    for field in ("HadronConeExclTruthLabelPt", "HadronConeExclTruthLabelLxy"):
        np.testing.assert_array_equal(np.isnan(jets[field]), light)
        assert (jets[field][~light] > 0).all()
    # some jets are of pile-up
    missing = np.isnan(jets["ptFromTruthJet"])
    np.testing.assert_array_equal(missing, np.isnan(jets["truthMass"]))
    assert 0.001 < missing.mean() < 0.1
    assert (jets["ptFromTruthJet"][~missing] > 5000).all()


def test_no_truth_among_the_variables_of_constituents():
    """Flaw: a flag of pile-up stood among the variables of flows and was not marked."""
    assert TRUTH_FIELDS["flows"] == ()
    for stream in ("jets", "tracks", "flows"):
        for field in set(DTYPES[stream].names) - set(TRUTH_FIELDS[stream]):
            assert "pileup" not in field.lower()
            assert not any(fnmatch.fnmatchcase(field, pattern) for pattern in conventions.TRUTH_FIELDS)


def test_taus_that_decay_to_leptons_make_no_tau_jet(training):
    """Flaw: they did."""
    jets, tracks = training["jets"], training["tracks"]
    tau = jets["flavour_label"] == 3
    assert tau.sum() > 20
    muons = tracks["valid"] & (tracks["ftagTruthOriginLabel"] == 6) & (tracks["ftagTruthTypeLabel"] == 6)
    assert not muons[tau].any()
    # one-prong and three-prong decays
    prongs = (tracks["valid"] & (tracks["ftagTruthOriginLabel"] == 6))[tau].sum(1)
    assert 1.0 < prongs.mean() < 2.2


def test_jets_are_sums_of_smeared_constituents(training):
    """Flaw: energy and mass were those of the true jet times a random number."""
    jets, flows = training["jets"], training["flows"]
    valid, all_there = flows["valid"], jets["n_flows"] <= 50
    # single precision is not enough for the mass of a few collimated constituents
    pt, energy, deta, dphi = (flows[name].astype(float) * valid for name in ("pt", "energy", "deta", "dphi"))
    eta, phi = jets["eta"][:, None] + deta, jets["phi"][:, None] + dphi
    px, py, pz = (pt * np.cos(phi)).sum(1), (pt * np.sin(phi)).sum(1), (pt * np.sinh(eta)).sum(1)
    energy, together = energy.sum(1), np.hypot(px, py)
    mass = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0))
    # one factor, that of the calibration, for momentum and mass
    factor = (jets["pt"] / together)[all_there]
    assert ((factor > 0.8) & (factor < 1.25)).all()
    heavy = all_there & (jets["mass"] > 1000)
    np.testing.assert_allclose(jets["mass"][heavy] / mass[heavy], (jets["pt"] / together)[heavy], rtol=0.02)
    np.testing.assert_allclose(np.arctan2(np.sin(jets["phi"] - np.arctan2(py, px)), 1)[all_there], 0, atol=1e-4)

    # the response of the mass is its own, neither that of the momentum nor as sharp
    known = ~np.isnan(jets["truthMass"]) & (jets["truthMass"] > 5000) & (jets["ptFromTruthJet"] > 30_000)
    momentum = jets["pt"][known] / jets["ptFromTruthJet"][known]
    mass = jets["mass"][known] / jets["truthMass"][known]
    assert np.diff(np.percentile(mass, [16, 84]))[0] > 1.2 * np.diff(np.percentile(momentum, [16, 84]))[0]
    assert abs(np.corrcoef(momentum, mass)[0, 1]) < 0.9
    assert np.diff(np.percentile(momentum, [16, 84]))[0] / 2 == pytest.approx(0.10, abs=0.04)


def test_collisions_are_spread_across_the_beam(training_pool):
    """Flaw: all collisions lay on the axis of the beam."""
    settings = Settings(1, mix=TTBAR, pileup=PILEUP)
    record = Record(400)
    for event in range(400):
        record.add(211, event=event)
    particles = record.particles()
    stable = overlay(particles, np.ones(400, np.int64), training_pool, 1.0, settings.beam, np.random.default_rng(0))
    assert stable.vertex[:, :2].std(0) == pytest.approx([settings.beam.width] * 2, rel=0.15)
    assert stable.vertex[:, 2].std() == pytest.approx(settings.beam.length, rel=0.15)
    assert settings.beam.width > 0.005
    assert 35 <= settings.beam.length <= 50
    hard = stable.particle >= 0
    assert (stable.x[hard] == stable.vertex[stable.event[hard], 0]).all()


def test_fields_agree_with_each_other(training):
    jets, tracks, flows, hadrons = (training[name] for name in ("jets", "tracks", "flows", "truth_hadrons"))

    def of(stream, name):
        """Values of the valid constituents, or of their jets."""
        valid = stream["valid"]
        values = stream[name] if name in stream.dtype.names else np.broadcast_to(jets[name[4:]][:, None], valid.shape)
        return values[valid].astype(float)

    for stream, count in ((tracks, "n_tracks"), (flows, "n_flows")):
        np.testing.assert_array_equal(np.minimum(jets[count], stream.shape[1]), stream["valid"].sum(1))
    for stream in (tracks, flows, hadrons):
        np.testing.assert_allclose(of(stream, "dr"), np.hypot(of(stream, "deta"), of(stream, "dphi")), rtol=1e-5)
    np.testing.assert_allclose(of(tracks, "ptfrac"), of(tracks, "pt") / of(tracks, "jet.pt"), rtol=1e-5)
    momentum = of(tracks, "pt") * np.cosh(of(tracks, "jet.eta") + of(tracks, "deta"))
    np.testing.assert_allclose(np.abs(of(tracks, "qOverP")) * momentum, 1.0, rtol=1e-5)
    momentum = of(hadrons, "pt") * np.cosh(of(hadrons, "jet.eta") + of(hadrons, "deta"))
    np.testing.assert_allclose(of(hadrons, "energy"), np.hypot(momentum, of(hadrons, "mass")), rtol=1e-5)
    flight = of(hadrons, "properDecayLength") * of(hadrons, "pt") / of(hadrons, "mass")
    np.testing.assert_allclose(flight, of(hadrons, "Lxy"), rtol=1e-5)
    energy, momentum = jets["energy"].astype(float), jets["pt"] * np.cosh(jets["eta"].astype(float))
    heavy = jets["mass"] > 0.05 * momentum
    np.testing.assert_allclose(energy[heavy], np.hypot(momentum, jets["mass"])[heavy], rtol=1e-5)
    # impact parameters: positive when the track crosses the axis of the jet ahead of the vertex
    signed = of(tracks, "d0") / of(tracks, "d0Uncertainty") * np.sign(np.sin(-of(tracks, "dphi")))
    np.testing.assert_allclose(of(tracks, "IP3D_signed_d0_significance"), signed, rtol=1e-5)
    origin, vertex = of(tracks, "ftagTruthOriginLabel"), of(tracks, "ftagTruthVertexIndex")
    assert (vertex[origin == 2] == 0).all()
    np.testing.assert_array_equal(vertex == -2, origin < 2)
    # the label is that of the hadrons beside it
    for flavour, label in ((5, 5), (4, 4)):
        has = ((hadrons["flavour"] == flavour) & hadrons["valid"]).any(1)
        above = ((hadrons["flavour"] == 5) & hadrons["valid"]).any(1) & (flavour == 4)
        np.testing.assert_array_equal(jets["HadronConeExclTruthLabelID"] == label, has & ~above)
