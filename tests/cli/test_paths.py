from __future__ import annotations

import pytest

from salt_like.cli import paths
from salt_like.errors import UserError


@pytest.fixture
def folders(tmp_path):
    here, beside = tmp_path / "here", tmp_path / "beside"
    for folder in (here, beside):
        folder.mkdir()
    (here / "both.h5").touch()
    (beside / "both.h5").touch()
    (beside / "val1.h5").touch()
    return here, beside


def test_the_working_directory_comes_first_then_the_files_folder(folders):
    here, beside = folders
    given = {
        "data": {"train": "both.h5", "val": "val*.h5", "test": {"a": ["../beside/val1.h5", "none.h5"]}, "weight": "w"}
    }
    assert paths.absolute(given, folders)["data"] == {
        "train": str(here / "both.h5"),
        "val": str(beside / "val*.h5"),
        "test": {"a": [str(beside / "val1.h5"), str(here / "none.h5")]},
        "weight": "w",
    }
    assert given["data"]["train"] == "both.h5"


def test_absolute_paths_null_and_other_sections_stay(folders):
    given = {"model": {"train": "x"}, "data": {"train": "/a/b.h5", "val": None, "norm_dict": "n.yaml"}}
    found = paths.absolute(given, folders)
    assert found == {
        "model": {"train": "x"},
        "data": {"train": "/a/b.h5", "val": None, "norm_dict": str(folders[0] / "n.yaml")},
    }
    assert paths.absolute({"name": "x"}, folders) == {"name": "x"}


def test_home_is_expanded(folders, monkeypatch):
    monkeypatch.setenv("HOME", str(folders[1]))
    assert paths.absolute({"data": {"train": "~/val1.h5"}}, folders)["data"]["train"] == str(folders[1] / "val1.h5")


def test_a_missing_file_names_key_folders_and_neighbour(folders):
    here, beside = folders
    given = paths.absolute({"data": {"test": {"a": "both.hdf5"}}}, folders)
    with pytest.raises(UserError) as caught:
        paths.check(given, folders)
    assert str(caught.value) == (
        f"data.test: no such file: {here}/both.hdf5 (did you mean 'both.h5'?)\n"
        f"relative paths are looked up in: {here}, {beside}"
    )


def test_files_and_patterns_that_exist_pass(folders):
    paths.check({"data": {"train": str(folders[1] / "v*.h5"), "val": None}}, folders)
    paths.check({}, folders)
