from __future__ import annotations

import os
import pickle
import time

import h5py
import numpy as np
import pytest
from field_files import make_arrays, write

from salt_like.data.files import Files, find, fingerprint, named
from salt_like.data.source import Arrays
from salt_like.errors import UserError


@pytest.fixture
def arrays():
    return make_arrays(20)


@pytest.fixture
def path(tmp_path, arrays):
    return write(tmp_path / "a.h5", arrays)


def test_globs_are_sorted_and_files_come_once(tmp_path, arrays):
    for name in ("b.h5", "a.h5", "c10.h5"):
        write(tmp_path / name, arrays)
    found = find([str(tmp_path / "*.h5"), str(tmp_path / "b.h5")])
    assert [path.name for path in found] == ["a.h5", "b.h5", "c10.h5"]
    assert find(str(tmp_path / "b.h5")) == (tmp_path / "b.h5",)


def test_a_path_with_brackets_is_a_path(tmp_path, arrays):
    write(tmp_path / "a[1].h5", arrays)
    assert find(str(tmp_path / "a[1].h5"))[0].name == "a[1].h5"


def test_missing_files(tmp_path, path):
    with pytest.raises(UserError, match=r"no such file: .*/aa\.h5 \(data\.val\) \(did you mean '.*/a\.h5'\?\)"):
        find(str(tmp_path / "aa.h5"), "data.val")
    with pytest.raises(UserError, match=r"no file matches '.*x\*\.h5' \(data\.train\)"):
        find(str(tmp_path / "x*.h5"))
    with pytest.raises(UserError, match="a folder, not a file"):
        find(str(tmp_path))
    with pytest.raises(UserError, match=r"data\.train names no file"):
        find([])


def test_named_samples(path):
    assert named(str(path), "test") == {"test": (path,)}
    assert named({"ttbar": str(path), "zprime": [str(path)]}, "test") == {"ttbar": (path,), "zprime": (path,)}
    with pytest.raises(UserError, match=r"\(data\.test\.zprime\)"):
        named({"zprime": "nowhere.h5"}, "test", "data.test")
    with pytest.raises(UserError, match="'a/b' cannot name a sample"):
        named({"a/b": str(path)}, "test")
    with pytest.raises(UserError, match=r"data\.test names no sample"):
        named({}, "test", "data.test")


def test_headers_and_rows(path, arrays):
    files = Files([path, path])
    assert files.rows == 40
    assert files.parts == ((str(path), 20), (str(path), 20))
    assert files.header("tracks").capacity == 6
    assert files.header("jets").capacity == 0
    assert files.header("jets").fields == arrays["jets"].dtype.names
    assert files.header("jets").attributes == {"flavour_label": ["ujets", "cjets", "bjets", "taujets"]}
    assert files.attributes == {"units": "MeV, mm, rad"}
    rows = files.read("tracks", 1, 5, 9)
    assert rows.tobytes() == arrays["tracks"][5:9].tobytes()
    files.close()
    assert len(files.read("jets", 0, 0, 3)) == 3


def test_copies_open_their_own_files(path):
    files = Files([path])
    files.read("jets", 0, 0, 1)
    again = pickle.loads(pickle.dumps(files))
    assert again._open == {}
    assert len(again.read("jets", 0, 0, 2)) == 2


def test_a_fork_opens_its_own_files(path):
    files = Files([path])
    files.read("jets", 0, 0, 1)
    before = files._open[0]
    files._process = -1  # as a child finds it
    files.close()
    assert before.id.valid  # not its own to close
    files.read("jets", 0, 0, 1)
    assert files._open[0] is not before


def test_no_more_than_some_files_stay_open(tmp_path, arrays):
    paths = [write(tmp_path / f"{number}.h5", arrays) for number in range(20)]
    files = Files(paths)
    assert sum(len(files.read("jets", part, 0, 20)) for part in range(20)) == 400
    assert len(files._open) == 16


def test_locking_is_off():
    assert os.environ["HDF5_USE_FILE_LOCKING"] == "FALSE"


def test_unknown_dataset_and_field_get_the_nearest(path):
    files = Files([path])
    with pytest.raises(
        UserError, match=r"no dataset 'track' \(did you mean 'tracks'\?\)\nin .*a\.h5 \(datasets: jets, t"
    ):
        files.header("track")
    with pytest.raises(
        UserError, match=r"no field 'd00' \(did you mean 'd0'\?\) \(asked for in data\.inputs\.tracks\)"
    ):
        files.require("tracks", ["pt", "d00"], "data.inputs.tracks")
    with pytest.raises(UserError, match=r"no field 'zzz'\nin dataset 'jets' of .*a\.h5, which has 10 fields"):
        files.require("jets", ["zzz"])


def test_not_hdf5(tmp_path):
    (tmp_path / "a.h5").write_text("name: GN2")
    with pytest.raises(UserError, match=r"not an HDF5 file: .*a\.h5"):
        Files([tmp_path / "a.h5"])
    (tmp_path / "b.h5").write_bytes(b"")
    with pytest.raises(UserError, match="not an HDF5 file"):
        Files([tmp_path / "b.h5"])


def test_truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"the file is truncated \(an interrupted copy\?\): .*a\.h5"):
        Files([path])


def test_vanished_file_and_folder(tmp_path, path):
    files = Files([path])
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        files.read("jets", 0, 0, 1)
    with pytest.raises(UserError, match="cannot open"):
        Files([tmp_path])


def test_damaged_chunk(tmp_path, arrays):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("jets", data=np.repeat(arrays["jets"], 100), compression="gzip", chunks=(500,))
        place = file["jets"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    path.write_bytes(content)
    files = Files([path])
    assert len(files.read("jets", 0, 0, 500)) == 500
    with pytest.raises(
        UserError, match=r"cannot read rows 500 to 999 of dataset 'jets': the file is damaged\nin .*a\.h5"
    ):
        files.read("jets", 0, 500, 1000)


def test_ragged_lengths(tmp_path, arrays):
    arrays["tracks"] = arrays["tracks"][:-1]
    files = Files([write(tmp_path / "a.h5", arrays)])
    with pytest.raises(UserError, match=r"different lengths: jets 20, tracks 19\nin .*a\.h5: row i of each"):
        files.require_alike(["jets", "tracks"])


def test_datasets_that_are_not_of_jets_may_have_other_lengths(tmp_path, arrays):
    arrays["eventwise"] = np.zeros(3, [("n", "i4")])
    files = Files([write(tmp_path / "a.h5", arrays)])
    files.require_alike(["jets", "tracks"])
    assert (files.rows, files.lengths["eventwise"]) == (20, (3,))
    del arrays["jets"]
    assert Files([write(tmp_path / "b.h5", arrays, jets={})]).rows == 20


def test_no_structured_array(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets/pt"] = np.zeros(3)
        file["plain"] = np.zeros(3)
    with pytest.raises(UserError, match=r"no structured array at the root of .*a\.h5 \(there is: jets, plain\)"):
        Files([tmp_path / "a.h5"])


def test_three_dimensions(tmp_path, arrays):
    with pytest.raises(UserError, match=r"'tracks' is not a structured array of shape \(N,\) or \(N, L\)"):
        Files([write(tmp_path / "a.h5", {"tracks": arrays["tracks"][None]})])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda one: one.pop("tracks"), r"no dataset 'tracks' in .*b\.h5\nwhich .*a\.h5"),
        (
            lambda one: one.update(tracks=one["tracks"][:, :4]),
            r"'tracks' holds 4 constituents per jet in .*b\.h5\nbut 6",
        ),
        (
            lambda one: one.update(jets=one["jets"][["pt", "eta"]]),
            r"'jets' has different fields \(Hadron.*\) in .*b\.h5",
        ),
    ],
)
def test_files_of_one_sample_must_be_alike(tmp_path, path, arrays, change, match):
    other = dict(arrays)
    change(other)
    with pytest.raises(UserError, match=match):
        Files([path, write(tmp_path / "b.h5", other)])


def test_fingerprint_follows_the_content(tmp_path, path, arrays):
    before, files = fingerprint(path), Files([path]).fingerprint()
    assert fingerprint(path) == before
    arrays["jets"]["pt"][0] += 1
    write(path, arrays)
    assert fingerprint(path) != before
    assert Files([path]).fingerprint() != files
    now = time.time_ns() + 10**9
    os.utime(path, ns=(now, now))
    assert Files([path]).fingerprint() not in (files, before)


def virtual(tmp_path, path):
    with h5py.File(path) as file, h5py.File(tmp_path / "v.h5", "w") as output:
        for name, dataset in file.items():
            layout = h5py.VirtualLayout(dataset.shape, dataset.dtype)
            layout[...] = h5py.VirtualSource("a.h5", name, dataset.shape)
            output.create_virtual_dataset(name, layout)
    return tmp_path / "v.h5"


def test_virtual_datasets_follow_their_sources(tmp_path, path, arrays):
    link = virtual(tmp_path, path)
    files = Files([link])
    assert files.read("jets", 0, 0, 20)["pt"].tolist() == arrays["jets"]["pt"].tolist()
    before = files.fingerprint()
    files.close()
    arrays["jets"]["pt"][0] += 1
    write(path, arrays)
    assert Files([link]).fingerprint() != before


def test_virtual_dataset_without_its_source(tmp_path, path):
    link = virtual(tmp_path, path)
    path.unlink()
    with pytest.raises(UserError, match=r"no such file: .*a\.h5\nto which the virtual datasets of .*v\.h5 point"):
        Files([link])


def test_arrays_behave_like_a_file(arrays):
    source = Arrays(arrays, "the notebook")
    assert source.rows == 20
    assert source.parts == (("the notebook", 20),)
    assert source.read("tracks", 0, 3, 5).shape == (2, 6)
    before = source.fingerprint()
    arrays["jets"]["pt"][0] += 1
    assert Arrays(arrays).fingerprint() != before
    with pytest.raises(UserError, match="no dataset 'jet'"):
        source.read("jet", 0, 0, 1)
    with pytest.raises(UserError, match="different lengths: jets 3, tracks 20\nin the notebook"):
        Arrays({**arrays, "jets": arrays["jets"][:3]}, "the notebook").require_alike(["jets", "tracks"])
    with pytest.raises(UserError, match="'jets' is not a structured array"):
        Arrays({"jets": np.zeros((3, 2))})


def test_no_permission(path, monkeypatch):
    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(UserError, match="no permission to read"):
        Files([path])
