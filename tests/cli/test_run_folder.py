from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

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
    with run_folder.taken("x", None) as one, run_folder.taken("x", None) as two, run_folder.taken("x", None) as three:
        names = [folder.name for folder in (one, two, three)]
    assert names == ["2026-01-02_03-04-05", "2026-01-02_03-04-05-2", "2026-01-02_03-04-05-3"]
    faster = tmp_path / "runs" / "x" / "2026-01-02_03-04-05-4"
    mkdir = Path.mkdir

    def another_is_faster(folder, *arguments, **options):
        if folder == faster and not folder.exists():
            mkdir(folder)
        return mkdir(folder, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", another_is_faster)
    with run_folder.taken("x", None) as folder:
        assert folder.name == "2026-01-02_03-04-05-5"
    assert list(faster.iterdir()) == []


def test_of_two_that_want_one_folder_the_second_is_refused(tmp_path):
    wanted = tmp_path / "mine"
    with run_folder.taken("x", str(wanted)) as folder:
        assert folder == wanted
        with pytest.raises(UserError, match="exists and is not empty"), run_folder.taken("x", str(wanted)):
            pytest.fail("taken twice")
        run_folder.write(folder, {"name": "x"}, {})
    assert yaml.safe_load((wanted / "config.yaml").read_text()) == {"name": "x"}


@pytest.mark.parametrize("there", [False, True])
def test_the_folder_is_as_before_when_no_training_began(tmp_path, there):
    wanted = tmp_path / "mine"
    if there:
        wanted.mkdir()
    with suppress(KeyboardInterrupt), run_folder.taken("x", str(wanted)) as folder:
        run_folder.write(folder, {}, {})
        raise KeyboardInterrupt
    assert wanted.exists() == there
    assert not there or list(wanted.iterdir()) == []


@pytest.mark.parametrize("began", [False, True])
def test_a_continued_run_is_as_before_when_no_training_began(tmp_path, began):
    (tmp_path / "config.yaml").write_text("name: before\n")
    (tmp_path / "run.json").write_text("{}")
    with suppress(UserError), run_folder.continued(tmp_path) as folder:
        run_folder.write(folder, {"name": "after"}, {})
        if began:
            (tmp_path / "run.json").write_text('{"state": "running"}')
        raise UserError("wrong")
    after = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert after == {"name": "after" if began else "before"}
    assert (tmp_path / "spec.json").exists() == began


def test_one_training_in_a_folder_at_a_time(tmp_path, monkeypatch):
    lock = tmp_path / run_folder.LOCK
    with run_folder.held(tmp_path):
        said = rf"going on: process {os.getpid()} on {socket.gethostname()}\n.*remove {lock}"
        with pytest.raises(UserError, match=said), run_folder.held(tmp_path):
            pytest.fail("held twice")
        assert lock.exists()  # the refused one leaves it
        monkeypatch.setenv("LOCAL_RANK", "1")
        with run_folder.held(tmp_path):  # further processes of the same training
            pass
        monkeypatch.delenv("LOCAL_RANK")
    assert list(tmp_path.iterdir()) == []


def test_a_new_run_is_held_while_it_trains(tmp_path):
    refused = pytest.raises(UserError, match="a training of this run is going on")
    with run_folder.taken("x", str(tmp_path / "mine")) as folder, refused, run_folder.held(folder):
        pytest.fail("held twice")
    assert not (folder / run_folder.LOCK).exists()


def test_the_lock_of_a_training_that_was_killed_is_taken_over(tmp_path):
    lock = tmp_path / run_folder.LOCK
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock.write_text(f"{socket.gethostname()} {ended.pid} token")
    with run_folder.held(tmp_path):
        assert lock.read_text().split()[1] == str(os.getpid())
    lock.write_text("elsewhere 7 token")  # of another machine: after half an hour without a sign of life
    with pytest.raises(UserError, match="process 7 on elsewhere"), run_folder.held(tmp_path):
        pytest.fail("held twice")
    stamp = lock.stat().st_mtime - 1801
    os.utime(lock, (stamp, stamp))
    with run_folder.held(tmp_path):
        assert lock.read_text().split()[1] == str(os.getpid())


def test_the_wanted_folder_may_be_empty_but_not_used(tmp_path):
    assert run_folder.choose("x", str(tmp_path)) == tmp_path
    (tmp_path / "file").touch()
    for wanted, said in ((tmp_path, "exists and is not empty"), (tmp_path / "file", "this is a file; nothing was")):
        with pytest.raises(UserError, match=said):
            run_folder.choose("x", str(wanted))


@pytest.mark.parametrize("name", ["", "a/b", ".", ".."])
def test_names_that_are_no_folder(name, tmp_path):
    with pytest.raises(UserError, match="it names a folder"):
        run_folder.choose(name, None)
    with pytest.raises(UserError, match="it names a folder"):
        run_folder.choose(name, str(tmp_path / "new"))


def test_later_processes_take_the_folder_of_the_first_and_write_nothing(tmp_path, monkeypatch):
    with run_folder.taken("x", str(tmp_path / "first")) as first:
        run_folder.write(first, {"name": "x", "a": 1}, {"version": 1})
    assert yaml.safe_load((first / "config.yaml").read_text()) == {"name": "x", "a": 1}
    assert json.loads((first / "spec.json").read_text()) == {"version": 1}
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not run_folder.is_first()
    assert run_folder.choose("x", None) == first
    with suppress(UserError), run_folder.taken("x", None) as folder:
        assert folder == first
        run_folder.write(tmp_path / "second", {}, {})
        raise UserError("wrong")
    assert not (tmp_path / "second").exists()
    assert (first / "config.yaml").exists()
    monkeypatch.setenv(run_folder.HANDED_OVER, "")  # started by a batch system, not by the first process
    assert run_folder.choose("x", str(first)) == first
