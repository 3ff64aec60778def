from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from salt_like.data.lock import Lock


def left_by(path, host: str, process: int, age: float = 0.0) -> None:
    path.write_text(f"{host} {process} token")
    stamp = path.stat().st_mtime - age
    os.utime(path, (stamp, stamp))


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_one_owner_at_a_time(tmp_path):
    first, second = Lock(tmp_path / "x.lock"), Lock(tmp_path / "x.lock")
    assert first.acquire()
    assert not second.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_a_lock_of_a_killed_process_is_removed(tmp_path, host):
    # on this machine at once, on another after a while without a sign of life
    path = tmp_path / "x.lock"
    left_by(path, host, ended_process(), age=0 if host == socket.gethostname() else 400)
    lock = Lock(path)
    assert not lock.acquire()
    assert not path.exists()
    assert lock.acquire()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("host", "process"), [("elsewhere", 1), (socket.gethostname(), os.getpid())], ids=["elsewhere", "here"]
)
def test_a_lock_of_a_running_process_stays(tmp_path, host, process):
    path = tmp_path / "x.lock"
    left_by(path, host, process, age=100)
    lock = Lock(path)
    assert not lock.acquire()
    assert not lock.acquire()


def test_a_process_of_another_user_counts_as_running(tmp_path, monkeypatch):
    def kill(process: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    path = tmp_path / "x.lock"
    left_by(path, socket.gethostname(), 1)
    lock = Lock(path)
    assert [lock.acquire(), lock.acquire()] == [False, False]


def test_the_owner_is_named(tmp_path):
    path = tmp_path / "x.lock"
    assert Lock(path).owner() == "another process"
    left_by(path, "elsewhere", 7)
    assert Lock(path).owner() == "process 7 on elsewhere"


def test_signs_of_life(tmp_path, monkeypatch):
    path = tmp_path / "x.lock"
    lock = Lock(path)
    lock.acquire()
    os.utime(path, (1, 1))
    lock.alive()
    assert path.stat().st_mtime == 1  # not more than once a second
    monkeypatch.setattr("salt_like.data.lock.SIGN", -1.0)
    lock.alive()
    assert path.stat().st_mtime > 1


def test_release_leaves_the_lock_of_the_next_owner_alone(tmp_path):
    path = tmp_path / "x.lock"
    lock = Lock(path)
    lock.acquire()
    left_by(path, "elsewhere", 7)
    lock.release()
    assert path.exists()
    path.unlink()
    lock.release()


def test_a_lock_that_changed_hands_meanwhile_is_put_back(tmp_path, monkeypatch):
    path = tmp_path / "x.lock"
    left_by(path, "elsewhere", 7, age=1000)
    lock = Lock(path)
    monkeypatch.setattr(lock, "_read", lambda: "elsewhere 6 former")
    assert not lock.acquire()
    assert path.read_text() == "elsewhere 7 token"


def test_a_lock_that_vanishes_meanwhile(tmp_path, monkeypatch):
    path = tmp_path / "x.lock"
    left_by(path, "elsewhere", 7, age=1000)
    lock = Lock(path)
    monkeypatch.setattr(lock, "_read", lambda: path.unlink(missing_ok=True) or "")
    assert not lock.acquire()
    assert list(tmp_path.iterdir()) == []
    lock._break_stale()
