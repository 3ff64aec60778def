from __future__ import annotations

import json
import re

import pytest
import yaml

from salt_like.cli import run_folder
from salt_like.errors import UserError


def test_default_folder_is_named_after_model_and_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = run_folder.choose("GN2", None)
    assert folder.parent == tmp_path / "runs" / "GN2"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    assert not (tmp_path / "runs").exists()


def test_two_runs_in_one_second_get_different_folders(tmp_path, monkeypatch):
    class Fixed(run_folder.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder, "datetime", Fixed)
    names = []
    for _ in range(3):
        folder = run_folder.choose("x", None)
        run_folder.create(folder, {}, {})
        names.append(folder.name)
    assert names == ["2026-01-02_03-04-05", "2026-01-02_03-04-05-2", "2026-01-02_03-04-05-3"]


def test_the_wanted_folder_may_be_empty_but_not_used(tmp_path):
    assert run_folder.choose("x", str(tmp_path)) == tmp_path
    (tmp_path / "file").touch()
    for wanted, said in ((tmp_path, "exists and is not empty"), (tmp_path / "file", "this is a file; nothing was")):
        with pytest.raises(UserError, match=said):
            run_folder.choose("x", str(wanted))


@pytest.mark.parametrize("name", ["", "a/b", ".", ".."])
def test_names_that_are_no_folder(name):
    with pytest.raises(UserError, match="it names a folder"):
        run_folder.choose(name, None)


def test_later_processes_take_the_folder_of_the_first_and_write_nothing(tmp_path, monkeypatch):
    first = tmp_path / "first"
    run_folder.create(first, {"name": "x", "a": 1}, {"version": 1})
    assert yaml.safe_load((first / "config.yaml").read_text()) == {"name": "x", "a": 1}
    assert json.loads((first / "spec.json").read_text()) == {"version": 1}
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not run_folder.is_first()
    assert run_folder.choose("x", None) == first
    run_folder.create(tmp_path / "second", {}, {})
    assert not (tmp_path / "second").exists()
