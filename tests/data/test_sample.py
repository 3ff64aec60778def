from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from field_files import CAPACITY, make_arrays, write

from salt_like.data.columns import Columns
from salt_like.data.events import check_overlap, event_parts
from salt_like.data.files import Files
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Label, Stream, Variable

JETS = Stream("jets", (Variable("pt"), Variable("eta"), Variable("softMuon_pt", default=-999.0)), is_global=True)
TRACKS = Stream("tracks", (Variable("pt"), Variable("d0"), Variable("hits")), capacity=CAPACITY)
LABELS = (
    Label("jets", "flavour_label", "flavour_label", "class", ("u", "c", "b", "t")),
    Label("jets", "HadronPt[pt > 1e5]", "HadronPt", "real", where="pt > 1e5"),
    Label("tracks", "ftagTruthOriginLabel", "ftagTruthOriginLabel", "class", tuple("abcdefgh")),
    Label("tracks", "ftagTruthVertexIndex", "ftagTruthVertexIndex", "index"),
)
SPEC = DataSpec((JETS, TRACKS), LABELS, event=("eventNumber",))


def spec(jets=None, labels=LABELS, **tracks):
    return replace(SPEC, streams=(replace(JETS, selection=jets), replace(TRACKS, **tracks)), labels=labels)


def read(sample, *args, **kwargs) -> Columns:
    return Columns.concatenate(list(sample.chunks(*args, **kwargs)))


def same(one: Columns, other: Columns) -> None:
    np.testing.assert_array_equal(one.rows, other.rows)
    for name in other.inputs:
        np.testing.assert_array_equal(one.inputs[name], other.inputs[name])
    np.testing.assert_array_equal(one.counts["tracks"], other.counts["tracks"])
    np.testing.assert_array_equal(one.positions["tracks"], other.positions["tracks"])
    for stream, labels in other.labels.items():
        for key, values in labels.items():
            np.testing.assert_array_equal(one.labels[stream][key], values)
    np.testing.assert_array_equal(one.events, other.events)


def expected(arrays, keep_jet=lambda jet: True, keep=lambda track: True, key=None, most=None):
    """What a reader that goes jet by jet and track by track finds: (row, [slots])."""
    result = []
    for row, jet in enumerate(arrays["jets"]):
        if keep_jet(jet):
            tracks = arrays["tracks"][row]
            slots = [slot for slot in range(CAPACITY) if tracks[slot]["valid"] and keep(tracks[slot])]
            slots = [slot for _, slot in sorted(((key(tracks[slot]) if key else slot), slot) for slot in slots)]
            result.append((row, slots[:most]))
    return result


CASES = [
    ({}, {}),
    ({"jets": "pt > 1e5"}, {"keep_jet": lambda jet: jet["pt"] > 1e5}),
    ({"jets": "process == 1"}, {"keep_jet": lambda jet: jet["process"] == 1}),
    ({"selection": "d0 > 0.5 and hits > 4"}, {"keep": lambda track: track["d0"] > 0.5 and track["hits"] > 4}),
    ({"order_by": "-pt"}, {"key": lambda track: -track["pt"]}),
    ({"order_by": "d0", "max_constituents": 2}, {"key": lambda track: track["d0"], "most": 2}),
    ({"max_constituents": 3}, {"most": 3}),
    (
        {"jets": "pt > 6e4", "selection": "d0 > 0.3", "order_by": "hits", "max_constituents": 2},
        {
            "keep_jet": lambda jet: jet["pt"] > 6e4,
            "keep": lambda track: track["d0"] > 0.3,
            "key": lambda track: track["hits"],
            "most": 2,
        },
    ),
]


@pytest.mark.parametrize(("config", "slow"), CASES)
def test_reads_what_a_loop_over_jets_and_tracks_finds(tmp_path, config, slow):
    arrays = make_arrays(60)
    columns = read(Sample("train", [write(tmp_path / "a.h5", arrays)], spec(**config)), 17)
    found = expected(arrays, **slow)
    assert len(found) > 0
    rows = [row for row, _ in found]
    pairs = [(row, slot) for row, slots in found for slot in slots]
    jets = arrays["jets"][rows]
    tracks = arrays["tracks"][[row for row, _ in pairs], [slot for _, slot in pairs]]
    assert columns.rows.tolist() == rows
    assert columns.counts["tracks"].tolist() == [len(slots) for _, slots in found]
    assert columns.positions["tracks"].tolist() == [slot for _, slot in pairs]
    for stream, rows_of in (("jets", jets), ("tracks", tracks)):
        names = [variable.name for variable in SPEC.stream(stream).variables]
        wanted = np.stack([rows_of[name].astype(np.float32) for name in names], -1)
        np.testing.assert_array_equal(columns.inputs[stream], wanted)
        assert columns.inputs[stream].dtype == np.float32
        assert columns.inputs[stream].flags.c_contiguous
    assert columns.labels["jets"]["flavour_label"].tolist() == jets["flavour_label"].tolist()
    target = np.where(jets["pt"] > 1e5, jets["HadronPt"], np.nan)
    np.testing.assert_array_equal(columns.labels["jets"]["HadronPt[pt > 1e5]"], target)
    assert columns.labels["tracks"]["ftagTruthOriginLabel"].tolist() == tracks["ftagTruthOriginLabel"].tolist()
    assert columns.labels["tracks"]["ftagTruthVertexIndex"].tolist() == tracks["ftagTruthVertexIndex"].tolist()


@pytest.mark.parametrize("rows_per_chunk", [1, 7, 1000])
def test_chunks_files_and_memory_make_no_difference(tmp_path, rows_per_chunk):
    arrays = make_arrays(50)
    config = spec(jets="pt > 5e4", order_by="-pt", max_constituents=3)
    whole = read(Sample("a", arrays, config))
    cuts = [0, 13, 13, 50]
    parts = [{name: one[a:b] for name, one in arrays.items()} for a, b in pairwise(cuts)]
    paths = [write(tmp_path / f"{number}.h5", part) for number, part in enumerate(parts)]
    sample = Sample("a", paths, config)
    assert sample.rows == 50
    same(read(sample, rows_per_chunk), whole)
    same(read(sample, rows_per_chunk, first=9, last=31), whole.select((whole.rows >= 9) & (whole.rows < 31)))
    same(read(pickle.loads(pickle.dumps(sample)), rows_per_chunk), whole)


def test_types_may_differ_between_files(tmp_path):
    arrays = make_arrays(20)
    wide = [(name, "f8" if kind == "<f4" else kind) for name, kind in arrays["jets"].dtype.descr]
    paths = [
        write(tmp_path / "a.h5", arrays),
        write(tmp_path / "b.h5", {**arrays, "jets": arrays["jets"].astype(wide)}),
    ]
    columns = read(Sample("a", paths, SPEC))
    np.testing.assert_array_equal(columns.inputs["jets"][:20], columns.inputs["jets"][20:])


def test_ties_keep_the_order_of_the_file_and_nan_comes_last():
    arrays = make_arrays(1)
    arrays["tracks"]["valid"] = True
    arrays["tracks"]["ftagTruthOriginLabel"] = 0
    arrays["tracks"]["d0"] = [[2, np.nan, 1, 2, 1, 3]]
    config = spec(order_by="d0")
    config = replace(config, streams=(JETS, replace(config.stream("tracks"), variables=(Variable("pt"),))))
    tracks = config.stream("tracks")
    assert read(Sample("a", arrays, config)).positions["tracks"].tolist() == [2, 4, 0, 3, 5, 1]
    config = replace(config, streams=(JETS, replace(tracks, order_by="-d0")))
    assert read(Sample("a", arrays, config)).positions["tracks"].tolist() == [5, 0, 3, 2, 4, 1]


def test_without_the_field_valid_everything_is_real():
    arrays = make_arrays(3)
    arrays["tracks"]["d0"] = 0.5
    arrays["tracks"]["ftagTruthOriginLabel"] = 1
    names = [name for name in arrays["tracks"].dtype.names if name != "valid"]
    arrays["tracks"] = arrays["tracks"][names]
    assert read(Sample("a", arrays, SPEC)).counts["tracks"].tolist() == [CAPACITY] * 3


def test_jets_without_constituents():
    arrays = make_arrays(5)
    arrays["tracks"]["valid"] = False
    columns = read(Sample("a", arrays, spec(order_by="-pt", max_constituents=2, selection="d0 > 0")))
    assert columns.counts["tracks"].tolist() == [0] * 5
    assert columns.inputs["tracks"].shape == (0, 3)


def test_truncation_is_counted():
    arrays = make_arrays(30)
    sample = Sample("a", arrays, spec(max_constituents=2))
    read(sample, 7)
    assert sample.truncated["tracks"] == int((arrays["tracks"]["valid"].sum(1) - 2).clip(0).sum()) > 0


def test_labels_can_be_left_out(tmp_path):
    arrays = make_arrays(9)
    arrays["jets"] = arrays["jets"][["pt", "eta", "softMuon_pt"]]
    arrays["tracks"] = arrays["tracks"][["pt", "d0", "hits", "valid"]]
    hadrons = Label("hadrons", "x", "x", "real")
    config = replace(SPEC, streams=(*SPEC.streams, Stream("hadrons", capacity=3)), labels=(*LABELS, hadrons))
    path = write(tmp_path / "a.h5", arrays)
    columns = read(Sample("a", [path], config, labels=False))
    assert columns.labels == {}
    assert columns.events is None
    assert set(columns.counts) == {"tracks"}
    with pytest.raises(UserError, match="no dataset 'hadrons'"):
        Sample("a", [path], config)
    with pytest.raises(
        UserError, match=r"no field 'flavour_label' \(asked for in labels of the tasks; to predict, none"
    ):
        Sample("a", [path], SPEC)


def test_a_stream_that_only_carries_labels():
    config = replace(SPEC, streams=(JETS, replace(TRACKS, variables=(), order_by="-pt", max_constituents=1)))
    columns = read(Sample("a", make_arrays(20), config))
    assert set(columns.inputs) == {"jets"}
    assert columns.counts["tracks"].max() == 1
    assert len(columns.labels["tracks"]["ftagTruthVertexIndex"]) == columns.counts["tracks"].sum()


def test_weights_are_scaled_and_may_be_negative():
    arrays = make_arrays(10)
    arrays["jets"]["weight"][3] = -2
    columns = read(Sample("a", arrays, SPEC, weight="weight", weight_scale=2.0))
    np.testing.assert_allclose(columns.weights, arrays["jets"]["weight"] / 2)
    arrays["jets"]["weight"][4] = np.nan
    with pytest.raises(UserError, match=r"the weight 'weight' is nan\nin row 4 of dataset 'jets'"):
        read(Sample("a", arrays, SPEC, weight="weight"), 3)
    with pytest.raises(UserError, match=r"no field 'weigth' \(did you mean 'weight'\?\)"):
        Sample("a", arrays, SPEC, weight="weigth")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_input_that_is_no_number(tmp_path, value):
    arrays = make_arrays(20)
    arrays["jets"]["eta"][[11, 12]] = value
    path = write(tmp_path / "a.h5", arrays)
    text = {"nan": r"\.nan", "inf": r"\.inf", "-inf": r"-\.inf"}[str(value)]
    match = (
        rf"the input 'eta' is {value} [^\n]*\nin row 11 of dataset 'jets' in .*a\.h5\n.*data\.defaults: {{eta: {text}}}"
    )
    with pytest.raises(UserError, match=match):
        read(Sample("a", [path, path], SPEC), 5)
    streams = (replace(JETS, variables=(Variable("eta", default=float(value)),)), TRACKS)
    np.testing.assert_array_equal(
        read(Sample("a", [path], replace(SPEC, streams=streams))).inputs["jets"][:, 0], arrays["jets"]["eta"]
    )


def test_constituent_that_is_no_number_is_found_in_its_slot():
    arrays = make_arrays(20)
    row = int(np.flatnonzero(arrays["tracks"]["valid"].sum(1) > 3)[0])
    arrays["tracks"]["pt"][row, 2] = np.inf
    with pytest.raises(UserError, match=rf"'pt' is inf \(1 of [^\n]*\nin row {row}, constituent 2 of dataset 'tracks'"):
        read(Sample("a", arrays, SPEC))


def test_value_that_float32_cannot_hold():
    arrays = make_arrays(4)
    arrays["jets"]["mass"][1] = 1e60
    streams = (replace(JETS, variables=(Variable("mass"),)), TRACKS)
    with pytest.raises(UserError, match=r"'mass' is 1e\+60 [^\n]*\nin row 1 [^\n]*\nwhich float32 cannot hold"):
        read(Sample("a", arrays, replace(SPEC, streams=streams)))


def test_label_outside_the_classes_names_the_row_of_its_file(tmp_path):
    arrays = make_arrays(10)
    first = write(tmp_path / "a.h5", arrays)
    arrays["jets"]["flavour_label"][7] = 9
    with pytest.raises(UserError, match=r"first in row 7 of dataset 'jets' in .*b\.h5"):
        read(Sample("a", [first, write(tmp_path / "b.h5", arrays)], SPEC), 4)


def test_missing_variable_and_selection_get_the_nearest():
    arrays = make_arrays(4)
    streams = (replace(JETS, variables=(Variable("etaa"),)), TRACKS)
    with pytest.raises(
        UserError, match=r"no field 'etaa' \(did you mean 'eta'\?\) \(asked for in data\.inputs\.jets\)"
    ):
        Sample("a", arrays, replace(SPEC, streams=streams))
    with pytest.raises(UserError, match=r"no field 'etaa' \(did you mean 'eta'\?\) in dataset 'jets'"):
        Sample("a", arrays, spec(jets="etaa > 0"))
    with pytest.raises(UserError, match=r"no field 'pT'[^\n]*data\.order\.tracks"):
        Sample("a", arrays, spec(order_by="-pT"))
    with pytest.raises(UserError, match=r"'tracks' has shape \(N, L\) where \(N,\) is needed"):
        Sample("a", arrays, replace(SPEC, streams=(replace(JETS, is_global=False), replace(TRACKS, is_global=True))))


def test_ragged_lengths_and_other_datasets(tmp_path):
    arrays = make_arrays(10)
    arrays["eventwise"] = np.zeros(3, [("n", "i4")])
    assert len(read(Sample("a", [write(tmp_path / "a.h5", arrays)], SPEC))) == 10
    arrays["tracks"] = arrays["tracks"][:9]
    with pytest.raises(UserError, match=r"datasets of different lengths: jets 10, tracks 9\nin .*b\.h5: row i of each"):
        Sample("a", [write(tmp_path / "b.h5", arrays)], SPEC)


def test_rows_are_counted_by_the_global_stream():
    arrays = make_arrays(10)
    muons = {"muons": arrays["jets"], "tracks": arrays["tracks"], "jets": arrays["jets"][:4]}
    config = replace(SPEC, streams=(replace(JETS, name="muons"), TRACKS), labels=())
    assert read(Sample("a", muons, config), 3).rows.tolist() == list(range(10))


def test_nothing_left_after_the_selection():
    sample = Sample("train", make_arrays(10), spec(jets="pt > 1e9"))
    with pytest.raises(
        UserError, match=r"no jets left of the 10 of the sample 'train'\nafter the selection pt > 1e9\n"
    ):
        list(sample.chunks())
    assert [len(columns) for columns in sample.chunks(first=0, last=5)] == [0]
    assert list(Sample("a", make_arrays(0), SPEC).chunks()) == []


def test_split_by_event_covers_every_jet_once():
    arrays = make_arrays(400)
    parts = event_parts("eventNumber", [0.5, 0.25, 0.25])
    samples = [Sample("a", arrays, spec(jets="pt > 5e4"), part=part) for part in parts]
    found = [read(sample, 33) for sample in samples]
    together = np.sort(np.concatenate([columns.rows for columns in found]))
    np.testing.assert_array_equal(together, np.flatnonzero(arrays["jets"]["pt"] > 5e4))
    assert [sample.count() for sample in samples] == [len(columns) for columns in found]
    check_overlap({str(number): sample.events() for number, sample in enumerate(samples)}, ["eventNumber"])
    np.testing.assert_array_equal(samples[0].events(), np.unique(found[0].events))
    with pytest.raises(UserError, match=r"and the share 0\.9 to 0\.9 of the events"):
        list(Sample("a", arrays, SPEC, part=replace(parts[0], low=0.9, high=0.9)).chunks())


def test_events_of_another_run_are_other_events(tmp_path):
    arrays = make_arrays(20)
    seeds = {"a": 1, "b": 2, "c": 1, "d": "unknown"}
    paths = {name: write(tmp_path / f"{name}.h5", arrays, file={"seed": seed}) for name, seed in seeds.items()}
    one, other, again, none = (Sample("a", [path], SPEC).events() for path in paths.values())
    assert np.intersect1d(one, other).size == 0
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(none, Sample("a", arrays, SPEC).events())
    both = Sample("a", [paths["b"], paths["a"]], SPEC)
    np.testing.assert_array_equal(both.events(), np.union1d(one, other))
    np.testing.assert_array_equal(np.unique(read(both).events), both.events())
    assert Sample("a", arrays, replace(SPEC, event=())).events().size == 0


@pytest.mark.parametrize("selection", [None, "pt > 5e4"])
def test_limit_is_shared_out_over_the_files(tmp_path, selection):
    paths = [write(tmp_path / f"{number}.h5", make_arrays(size, number)) for number, size in enumerate((30, 60, 0, 10))]
    everything = read(Sample("a", paths, spec(jets=selection)))
    file = np.searchsorted([30, 90, 90, 100], everything.rows, "right")
    sample = Sample("a", paths, spec(jets=selection), limit=20)
    rows = read(sample, 7).rows
    assert len(rows) == sample.count() == 20
    shares = np.bincount(np.searchsorted([30, 90, 90, 100], rows, "right"), minlength=4)
    assert np.abs(shares - 20 * np.bincount(file, minlength=4) / len(everything)).max() < 1
    for number in range(4):  # the first ones of each file
        np.testing.assert_array_equal(
            rows[np.searchsorted([30, 90, 90, 100], rows, "right") == number],
            everything.rows[file == number][: shares[number]],
        )
    same(read(pickle.loads(pickle.dumps(sample))), read(sample))


@pytest.mark.parametrize("limit", range(1, 30, 4))
def test_limit_in_files_that_are_read_in_pieces(monkeypatch, limit):
    monkeypatch.setattr("salt_like.data.sample.ROWS_PER_CHUNK", 1)  # pieces of 20 rows
    arrays = make_arrays(100)
    arrays["jets"]["pt"] = np.where(np.arange(100) % 4 == 3, 1e5, 2e4)  # 5 of each 20, the last row among them
    sample = Sample("a", arrays, spec(jets="pt > 5e4"), limit=limit)
    assert read(sample, 9).rows.tolist() == list(range(3, 100, 4))[:limit]


def test_limit_beyond_what_there_is():
    sample = Sample("a", make_arrays(10), SPEC, limit=99)
    assert sample.count() == len(read(sample)) == 10
    with pytest.raises(UserError, match="limited to 0: give at least 1"):
        Sample("a", make_arrays(10), SPEC, limit=0)


def test_fields_are_copied_with_their_types(tmp_path):
    arrays = make_arrays(30)
    paths = [
        write(tmp_path / f"{n}.h5", {k: v[a:b] for k, v in arrays.items()})
        for n, (a, b) in enumerate([(0, 12), (12, 30)])
    ]
    sample = Sample("a", paths, spec(jets="pt > 5e4"))
    rows = read(sample).rows
    copied = sample.fields("jets", ["eta", "eventNumber"], rows)
    assert copied.dtype == np.dtype([("eta", "f2"), ("eventNumber", "i8")])
    np.testing.assert_array_equal(copied["eta"], arrays["jets"]["eta"][rows])
    tracks = sample.fields("tracks", ["hits"], rows[3:9])
    np.testing.assert_array_equal(tracks["hits"], arrays["tracks"]["hits"][rows[3:9]])
    assert sample.fields("jets", ["pt"], rows[:0]).shape == (0,)
    with pytest.raises(UserError, match="no field 'ptt'"):
        sample.fields("jets", ["ptt"], rows)
    assert sample.place("jets", 11).startswith("row 11 of dataset 'jets' in ")
    assert sample.place("jets", 12) == f"row 0 of dataset 'jets' in {paths[1]}"


def test_fingerprint_follows_what_decides_the_columns(tmp_path):
    path = write(tmp_path / "a.h5", make_arrays(10))
    base = Sample("a", [path], SPEC).fingerprint()
    assert Sample("b", [path], SPEC).fingerprint() == base
    normalised = replace(
        SPEC, streams=(JETS, replace(TRACKS, variables=tuple(replace(v, mean=3.0) for v in TRACKS.variables)))
    )
    assert Sample("a", [path], normalised).fingerprint() == base
    others = [
        Sample("a", [path, path], SPEC),
        Sample("a", [path], spec(jets="pt > 0")),
        Sample("a", [path], spec(order_by="-pt")),
        Sample("a", [path], spec(max_constituents=3)),
        Sample("a", [path], spec(labels=LABELS[1:])),
        Sample("a", [path], SPEC, labels=False),
        Sample("a", [path], SPEC, weight="weight"),
        Sample("a", [path], SPEC, limit=5),
        Sample("a", [path], SPEC, part=event_parts("eventNumber", [0.5, 0.5])[0]),
        Sample("a", [path], replace(SPEC, event=("process", "eventNumber"))),
    ]
    assert len({sample.fingerprint() for sample in others} | {base}) == len(others) + 1


def test_progress_reaches_the_end(tmp_path):
    path = write(tmp_path / "a.h5", make_arrays(10))
    calls = []
    list(Sample("a", [path, path], SPEC).chunks(4, progress=lambda done, total: calls.append((done, total))))
    assert calls == [(4, 20), (8, 20), (10, 20), (14, 20), (18, 20), (20, 20)]


def test_reads_without_opening_before_the_first_chunk(tmp_path):
    files = Files([write(tmp_path / "a.h5", make_arrays(10))])
    sample = Sample("a", files, SPEC)
    assert files._open == {}
    next(iter(sample.chunks()))
    assert len(files._open) == 1
