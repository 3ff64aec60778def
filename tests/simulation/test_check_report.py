from __future__ import annotations

import h5py
import numpy as np
import pytest
from checked_files import BOTTOM, CHARM, CTAU, LIGHT, SHARES, TAU, make, write

from salt_like.errors import UserError
from salt_like.simulation.check import blocks, check, identity
from salt_like.simulation.check.verdict import FEW, MISSING, NONE, OK, OUTSIDE

S = "\N{GREEK SMALL LETTER SIGMA}"


def report_of(tmp_path, arrays, **attributes):
    return check(write(tmp_path / "made.h5", arrays, **attributes))


def line(report, name):
    found = [row for row in report.lines if row.name == name]
    assert len(found) == 1, sorted(row.name for row in report.lines)
    return found[0]


def outside(report):
    return {row.name for row in report.lines if row.verdict == OUTSIDE}


@pytest.fixture(scope="module")
def good():
    return make(events=6000, seed=3)


@pytest.fixture(scope="module")
def good_report(good, tmp_path_factory):
    return report_of(tmp_path_factory.mktemp("good"), good)


def changed(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def test_a_file_as_expected_is_all_right(good_report):
    assert outside(good_report) == set()
    assert good_report.verdicts[MISSING] == 0
    assert good_report.verdicts[OK] > 70
    assert not good_report.failed
    assert good_report.jets == 24000
    assert good_report.generator == "made by hand"


def test_what_was_put_in_comes_out_within_errors(good_report):
    names = {521: "B+", 511: "B0", 531: "Bs", 5122: "Λb", 421: "D0", 411: "D+", 431: "Ds", 4122: "Λc"}
    planted = {f"mean Lxy·m/pT of {name}": 1000 * CTAU[pdg] for pdg, name in names.items()}
    planted |= {f"{name} in b jets": SHARES[pdg] for pdg, name in names.items() if pdg < 1000 and name[0] == "B"}
    planted |= {"b baryons in b jets": SHARES[5122], "D0 in c jets": SHARES[421], "c baryons in c jets": SHARES[4122]}
    planted |= {f"width of z0SinTheta/{S}": 1.0, f"median of z0SinTheta/{S}": 0.0, "fakes among tracks": 1.5}
    planted |= {"c origin in c jets": 26.0, "b origin in b jets": 50.0, "tau origin in tau jets": 60.0}
    planted |= {"pT response, 50 to 100 GeV": 1.0, "pT resolution, 50 to 100 GeV": 0.1}
    planted |= {"tracks per b jet": 9.0, "tracks per tau jet": 3.0, "AUC of pT alone, b against light": 0.5}
    planted |= {"share of light jets": 40.0, "width of primaryVertexZ": 42.0, "<x²>/2<x>² of x = Lxy·m/pT of D+": 1.0}
    planted |= {f"median {S}(q/p) / |q/p|": 0.01, "pT response per pile-up collision, 30 to 60 GeV": 0.0}
    pulls = []
    for name, value in planted.items():
        row = line(good_report, name)
        assert row.error > 0
        assert row.error < 0.15 * max(abs(row.value), 1), name
        step = 0.0005 if "q/p" in name else 0.0  # half a bin of a quantity that is always the same
        pulls.append(max(abs(row.value - value) - step, 0) / row.error)
        assert pulls[-1] < 4, name
    assert 0.5 < np.sqrt(np.mean(np.square(pulls))) < 1.5  # the errors are neither too small nor too large


def test_jets_of_an_event_are_not_independent(good_report):
    """What four jets share is known as well as from one of them."""
    row = line(good_report, "mean number of pile-up collisions")
    assert row.error == pytest.approx(np.sqrt(20 / 6000), rel=0.35)


def test_exact_numbers(good, good_report):
    assert line(good_report, "events").value == 6000
    assert line(good_report, "jets per event").value == 4
    light = good["jets"]["flavour_label"] == LIGHT
    tracks = good["tracks"][light]
    far = tracks["valid"] & (tracks["IP3D_signed_d0_significance"] >= 3)
    expected = 100 * far.sum() / tracks["valid"].sum()
    assert line(good_report, "tracks with S(d0) > 3 in light jets").value == pytest.approx(expected, abs=1e-9)
    low = good["tracks"][good["tracks"]["valid"] & (good["tracks"]["pt"] >= 500) & (good["tracks"]["pt"] < 600)]
    median = 1000 * np.median(low["d0Uncertainty"])
    assert line(good_report, f"median {S}(d0), 0.5 to 0.6 GeV").value == pytest.approx(median, rel=0.01)


def test_blocks_and_units_do_not_matter(good, good_report, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 777)
    arrays = changed(good)
    for stream, fields in (
        ("jets", ("pt", "mass", "ptFromTruthJet", "truthMass", "HadronConeExclTruthLabelPt")),
        ("tracks", ("pt",)),
        ("flows", ("pt",)),
        ("truth_hadrons", ("pt", "mass")),
    ):
        for name in fields:
            arrays[stream][name] /= 1000
    for name in ("qOverP", "qOverPUncertainty"):
        arrays["tracks"][name] *= 1000
    other = report_of(tmp_path, arrays, units="GeV, mm, rad")
    assert other.unit == "GeV"
    assert [row.verdict for row in other.lines] == [row.verdict for row in good_report.lines]
    for here, there in zip(other.lines, good_report.lines, strict=True):
        assert here.value == pytest.approx(there.value, rel=1e-3, abs=1e-3), here.name


@pytest.mark.parametrize(
    ("collisions", "low", "high", "found"),
    [(None, 0.5, 12, OK), (20.0, 0.5, 12, OK), (60.0, 1.5, 36, OK), (0.0, 0, 0.1, OUTSIDE)],
)
def test_tracks_of_pile_up_are_expected_where_there_is_pile_up(good, tmp_path, collisions, low, high, found):
    row = line(report_of(tmp_path, good, pileup=collisions), "pile-up among tracks")
    assert (row.band.low, row.band.high) == pytest.approx((low, high))
    assert row.verdict == found


def many_fakes(arrays):
    primary = arrays["tracks"]["ftagTruthOriginLabel"] == 2
    turned = primary & (np.random.default_rng(0).random(primary.shape) < 0.04)
    arrays["tracks"]["ftagTruthOriginLabel"][turned] = 1
    arrays["tracks"]["ftagTruthVertexIndex"][turned] = -2


def flight_from_collision(arrays):
    """Charm hadrons of b hadrons with the flight of the b hadron added."""
    arrays["truth_hadrons"]["Lxy"][:, 1] += np.nan_to_num(arrays["truth_hadrons"]["Lxy"][:, 0])


def no_b_plus(arrays):
    label = arrays["jets"]["HadronConeExclTruthLabelPdgId"]
    label[np.abs(label) == 521] = 511


def harder_charm(arrays):
    charm = arrays["jets"]["flavour_label"] == CHARM
    for name in ("pt", "ptFromTruthJet", "mass", "truthMass"):
        arrays["jets"][name][charm] *= 2


def own_process(arrays):
    charm = arrays["jets"]["flavour_label"] == CHARM
    arrays["jets"]["process"][charm] = 7


def mass_of_truth(arrays):
    jets = arrays["jets"]
    jets["mass"] = jets["truthMass"] * jets["pt"] / jets["ptFromTruthJet"]


def pileup_left(arrays):
    jets = arrays["jets"]
    jets["pt"] *= 1 + 0.01 * (jets["n_pileup"] - 20)


def numbers_again(arrays):
    arrays["jets"]["eventNumber"] %= 3000


def jets_again(arrays):
    for array in arrays.values():
        array[-4:] = array[:4]


def no_lifetime_sign(arrays):
    tracks = arrays["tracks"]
    tracks["IP3D_signed_d0_significance"] *= np.random.default_rng(0).choice([-1, 1], tracks.shape)


def other_significance(arrays):
    arrays["tracks"]["IP3D_signed_d0_significance"] *= 1.1


def leptonic_taus(arrays):
    tau = arrays["jets"]["flavour_label"] == TAU
    tracks = arrays["tracks"]
    tracks["ftagTruthTypeLabel"][(np.arange(len(tau)) % 3 == 0) & tau, 0] = 6
    tracks["ftagTruthOriginLabel"][(np.arange(len(tau)) % 3 == 0) & tau, 0] = 6
    tracks["ftagTruthVertexIndex"][(np.arange(len(tau)) % 3 == 0) & tau, 0] = 1


def one_side(arrays):
    arrays["jets"]["eta"][::5] = np.abs(arrays["jets"]["eta"][::5])


def put(stream, field, value, row=5, slot=0):
    def change(arrays):
        arrays[stream][field][(row, slot) if arrays[stream].ndim == 2 else row] = value

    return change


def scaled(stream, field, factor):
    def change(arrays):
        arrays[stream][field] *= factor

    return change


def zero_for_light(arrays):
    jets = arrays["jets"]
    jets["HadronConeExclTruthLabelPt"][jets["flavour_label"] == LIGHT] = 0


def nan_for_bottom(arrays):
    jets = arrays["jets"]
    jets["HadronConeExclTruthLabelLxy"][jets["flavour_label"] == BOTTOM] = np.nan


def wrong_primary(arrays):
    tracks = arrays["tracks"]
    tracks["ftagTruthVertexIndex"][tracks["ftagTruthOriginLabel"] == 2] = 3


# name of the line → what is wrong; what stands in one dictionary is wrong in one file
FLAWS = (
    {
        "fakes among tracks": many_fakes,
        "mean Lxy·m/pT of D0": flight_from_collision,
        "B0 in b jets": no_b_plus,
        "processes of c against light": own_process,
        "mass response equal to pT response": mass_of_truth,
        "share of S(d0) > 0, b and c tracks of b jets": no_lifetime_sign,
        f"width of d0/{S}": scaled("tracks", "d0", 1.25),
        "jets that are there twice": jets_again,
    },
    {
        "AUC of pT alone, c against light": harder_charm,
        "pT response per pile-up collision, 30 to 60 GeV": pileup_left,
        "tau jets with an electron or muon from the tau": leptonic_taus,
        "share of jets with η > 0": one_side,
        "light jets with a number as HadronConeExclTruthLabelPt": zero_for_light,
        f"tracks with |S(d0)| = |d0|/{S} within 1 %": other_significance,
        "event numbers that several events have": numbers_again,
    },
    {
        f"width of z0SinTheta/{S}, 1 to 2 GeV": scaled("tracks", "z0SinThetaUncertainty", 1.3),
        f"median {S}(d0), above 30 GeV": scaled("tracks", "d0Uncertainty", 2),
        "median of pT · |q/p| · cosh η": scaled("tracks", "qOverP", 1.05),
        "pT response, 100 to 200 GeV": scaled("jets", "pt", 0.9),
        "mass response, 50 to 100 GeV": scaled("jets", "mass", 1.5),
        "mean Lxy·m/pT of b hadrons": scaled("truth_hadrons", "Lxy", 1.3),
        "width of primaryVertexZ": scaled("jets", "primaryVertexZ", 0.1),
        "b, c and tau jets without a number as HadronConeExclTruthLabelLxy": nan_for_bottom,
        "pile-up or fake tracks with a vertex": scaled("tracks", "ftagTruthVertexIndex", -1),
    },
    {
        "primary tracks with another vertex than 0": wrong_primary,
        "tracks of unknown origin": put("tracks", "ftagTruthOriginLabel", 8),
        "NaN or infinite in other fields": put("tracks", "z0SinTheta", np.inf),
        "jets whose flavour_label and HadronConeExclTruthLabelID disagree": put("jets", "flavour_label", -1),
        "jets with ptFromTruthJet of 0 or less": put("jets", "ptFromTruthJet", 0),
        "jets with another n_tracks than they have": put("jets", "n_tracks", 39),
        "weights that are no number": put("jets", "mcEventWeight", np.nan),
        "weights of 0": put("jets", "mcEventWeight", 0, row=6),
    },
    {
        "largest weight / sum": put("jets", "mcEventWeight", 1e5),
        "highest pT of a jet / of a truth jet": put("jets", "pt", 3e8),
    },
)


@pytest.mark.parametrize("flaws", FLAWS)
def test_flaws_are_found(flaws, good, good_report, tmp_path):
    arrays = changed(good)
    for spoil in flaws.values():
        spoil(arrays)
    report = report_of(tmp_path, arrays)
    assert report.failed
    for name in flaws:
        assert line(good_report, name).verdict != OUTSIDE
        assert line(report, name).verdict == OUTSIDE, name


def test_what_the_file_does_not_say(good, tmp_path):
    path = write(tmp_path / "made.h5", changed(good), units=None, licence=None)
    with h5py.File(path, "a") as file:
        del file["jets"].attrs["truth"], file["tracks"].attrs["ftagTruthOriginLabel"]
    report = check(path)
    marks = line(report, "truth fields not marked as truth")
    assert marks.value == 12
    assert marks.note.startswith("jets.ptFromTruthJet, jets.truthMass, ")
    assert line(report, "labels without class names: tracks.ftagTruthOriginLabel").verdict == OUTSIDE
    assert line(report, "labels without class names: jets.flavour_label").verdict == OK
    units = line(report, "momenta without a unit")
    assert (units.value, units.verdict) == (4, OUTSIDE)
    assert "taken as MeV" in units.note
    assert "licence" in line(report, "not said: generator, licence, seed").note


def test_truth_among_the_flows_must_be_marked(good, tmp_path):
    arrays = changed(good)
    kind = np.dtype([*arrays["flows"].dtype.descr, ("isPileup", "u1")])
    flows = np.zeros(arrays["flows"].shape, kind)
    for name in arrays["flows"].dtype.names:
        flows[name] = arrays["flows"][name]
    arrays["flows"] = flows
    row = line(report_of(tmp_path, arrays), "truth fields not marked as truth")
    assert (row.verdict, row.note) == (OUTSIDE, "flows.isPileup")


def test_weights_are_used_and_their_cost_is_said(good, tmp_path):
    arrays = changed(good)
    jets = arrays["jets"]
    softer = (jets["flavour_label"] == CHARM) & (jets["ptFromTruthJet"] < 40e3)
    jets["mcEventWeight"][softer] = 0.1
    report = report_of(tmp_path, arrays)
    assert report.weighted
    assert line(report, "AUC of pT alone, c against light, unweighted").verdict == OK
    assert line(report, "AUC of pT alone, c against light, weighted").verdict == OUTSIDE
    weights = jets["mcEventWeight"].astype(float)
    share = 100 * weights.sum() ** 2 / (weights**2).sum() / len(weights)
    assert line(report, "effective number / number").value == pytest.approx(share, abs=1e-3)
    expected = 100 * weights[jets["flavour_label"] == LIGHT].sum() / weights.sum()
    assert line(report, "share of light jets").value == pytest.approx(expected, rel=1e-6)


def test_negative_weights_are_counted(good, tmp_path):
    arrays = changed(good)
    arrays["jets"]["mcEventWeight"][::10] = -1
    row = line(report_of(tmp_path, arrays), "share of negative weights")
    assert row.value == pytest.approx(10)


def without(arrays, stream, *fields):
    arrays = changed(arrays)
    kept = [name for name in arrays[stream].dtype.names if name not in fields]
    array = np.zeros(arrays[stream].shape, [(name, arrays[stream].dtype[name]) for name in kept])
    for name in kept:
        array[name] = arrays[stream][name]
    arrays[stream] = array
    return arrays


@pytest.mark.parametrize(
    ("stream", "field", "name"),
    [
        ("jets", "mcEventWeight", "event weights"),
        ("jets", "ptFromTruthJet", "response to transverse momentum"),
        ("jets", "primaryVertexZ", "length of the luminous region"),
        ("tracks", "ftagTruthOriginLabel", "origins of tracks"),
        ("tracks", "d0Uncertainty", "pulls of primary tracks"),
        ("truth_hadrons", "Lxy", "flight lengths of heavy hadrons"),
    ],
)
def test_missing_fields_are_named_and_the_rest_is_checked(stream, field, name, good, tmp_path):
    report = report_of(tmp_path, without(good, stream, field))
    row = line(report, name)
    assert row.verdict == MISSING
    assert f"{stream}.{field}" in row.note
    assert not report.failed
    assert report.verdicts[OK] > 40


def test_jets_alone(good, tmp_path):
    report = report_of(tmp_path, {"jets": good["jets"]})
    assert line(report, "tracks per jet").note == "tracks"
    assert line(report, "share of light jets").verdict == NONE
    assert not report.failed


def test_no_label_at_all(good, tmp_path):
    arrays = without(good, "jets", "HadronConeExclTruthLabelID", "flavour_label")
    report = report_of(tmp_path, arrays)
    assert line(report, "flavour composition").verdict == MISSING
    assert line(report, "pT response, 50 to 100 GeV").verdict == OK


def test_the_label_may_be_an_index_only(good, good_report, tmp_path):
    arrays = without(good, "jets", "HadronConeExclTruthLabelID")
    assert line(report_of(tmp_path, arrays), "share of c jets") == line(good_report, "share of c jets")


def test_other_names_of_labels(good, good_report, tmp_path):
    arrays = changed(good)
    fields = arrays["tracks"].dtype.descr
    renamed = [(name.replace("ftagTruthOriginLabel", "truthOriginLabel"), kind) for name, kind in fields]
    arrays["tracks"] = arrays["tracks"].view(renamed)
    assert line(report_of(tmp_path, arrays), "fakes among tracks") == line(good_report, "fakes among tracks")


def test_one_jet(good, tmp_path):
    report = report_of(tmp_path, {name: array[:1] for name, array in good.items()})
    assert not report.failed
    assert line(report, "fakes among tracks").verdict == FEW
    assert line(report, "events").value == 1


def test_no_b_jets(good, tmp_path):
    kept = good["jets"]["flavour_label"] != BOTTOM
    report = report_of(tmp_path, {name: array[kept] for name, array in good.items()})
    assert not report.failed
    assert line(report, "B+ in b jets").verdict == FEW
    assert line(report, "mean Lxy·m/pT of b hadrons").verdict == FEW
    assert line(report, "D+ in c jets").verdict == OK


def test_jets_without_any_constituent(good, tmp_path):
    arrays = changed(good)
    for name in ("tracks", "flows", "truth_hadrons"):
        arrays[name]["valid"] = False
    arrays["jets"]["n_tracks"] = arrays["jets"]["n_flows"] = 0
    report = report_of(tmp_path, arrays)
    assert line(report, "jets without tracks").value == 100
    assert line(report, "jets without tracks").verdict == OUTSIDE
    assert line(report, f"width of d0/{S}").verdict == FEW


def test_datasets_of_other_lengths_are_left_out(good, tmp_path):
    arrays = changed(good)
    arrays["truth_hadrons"] = arrays["truth_hadrons"][:10]
    assert line(report_of(tmp_path, arrays), "flight lengths of heavy hadrons").verdict == MISSING


def test_what_is_no_file_of_jets(good, tmp_path):
    for file_name, stream, array in (("other.h5", "events", good["flows"]), ("deep.h5", "jets", good["tracks"])):
        with h5py.File(tmp_path / file_name, "w") as file:
            file[stream] = array
        with pytest.raises(UserError, match="no dataset 'jets' with one row per jet"):
            check(tmp_path / file_name)
    with pytest.raises(UserError, match="no jets to check"):
        report_of(tmp_path, {name: array[:0] for name, array in good.items()})
    (tmp_path / "text.h5").write_text("no HDF5", encoding="utf-8")
    with pytest.raises(UserError, match="not an HDF5 file"):
        check(tmp_path / "text.h5")
    with pytest.raises(UserError, match="no such file"):
        check(tmp_path / "nothing.h5")


def test_many_events_are_sampled(good, tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "MOST_KEPT", 3000)
    arrays = changed(good)
    numbers_again(arrays)
    report = report_of(tmp_path, arrays)
    events = line(report, "events")
    assert "estimated from one event in" in events.note
    assert events.value == pytest.approx(3000, rel=0.15)
    assert line(report, "jets per event").value == pytest.approx(8, abs=1e-9)
    assert line(report, "event numbers that several events have").verdict == OUTSIDE
