from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from salt_like.cli import simulate
from salt_like.cli.main import main
from salt_like.cli.simulate import Lines, Rate, whole
from salt_like.errors import UserError
from salt_like.simulation import engines, production
from salt_like.simulation.settings import PileupSettings


@pytest.fixture
def produced(monkeypatch):
    """What `produce` is called with, in place of a simulation."""
    calls = []

    def produce(out, jets, settings, workers, resume, report):
        calls.append((out, jets, settings, workers, resume))
        report("pile-up", 0, jets)
        report("jets", jets, jets)
        Path(out).write_bytes(bytes(2_000_000))

    monkeypatch.setattr(production, "produce", produce)
    return calls


def test_options(produced, tmp_path, capsys):
    out = tmp_path / "jets.h5"
    arguments = ["--out", str(out), "--jets", "1e3", "--seed", "3", "--workers", "2", "--resume"]
    assert main(["simulate", *arguments, "--mix", "qcd:2", "--pileup", "5", "--preset", "flavour"]) == 0
    path, jets, settings, workers, resume = produced[0]
    assert (path, jets, workers, resume) == (out, 1000, 2, True)
    assert (settings.seed, settings.mix, settings.pileup) == (3, {"qcd": 1}, PileupSettings(mean=5.0))
    captured = capsys.readouterr()
    assert captured.out.startswith(f"1000 jets in {out} (2.0 MB) after 0 s")
    assert "arXiv:2203.11601" in captured.out
    assert captured.err == "", "nothing is said where there is nothing to wait for"


def test_options_win_over_the_file(produced, tmp_path):
    config = tmp_path / "sim.yaml"
    config.write_text("seed: 4\nmix: {ttbar: 1, qcd: 3}\npileup: {mean: 35, pool: 7}\njets: {minimum_pt: 30}\n")
    given = ["simulate", "--out", str(tmp_path / "a.h5"), "--jets", "10", "--config", str(config)]
    assert main(given) == 0
    assert main([*given, "--seed=5", "--pileup=1.5", "--mix=ttbar"]) == 0
    first, second = (call[2] for call in produced)
    assert (first.seed, first.pileup.mean, first.pileup.pool, first.mix) == (4, 35.0, 7, {"qcd": 3, "ttbar": 1})
    assert (second.seed, second.pileup.mean, second.pileup.pool, second.mix) == (5, 1.5, 7, {"ttbar": 1})
    assert first.jets.minimum_pt == second.jets.minimum_pt == 30.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no --out\nexample: train simulate"),
        (["--out", "a.h5"], "no --jets\nexample"),
        (["--out", "a.h5", "--jets", "5"], "no seed: give --seed"),
        (["--out", "a.h5", "--jets", "0", "--seed", "1"], "the number of jets must be at least 1, not 0"),
        (["--out", "a.h5", "--jets", "-3", "--seed", "1"], "the number of jets must be at least 1, not -3"),
        (["--out", "a.h5", "--jets", "many", "--seed", "1"], "--jets: must be a whole number, not 'many'"),
        (["--out", "a.h5", "--jets", "1.5", "--seed", "1"], "must be a whole number, not '1.5'"),
        (["--out", "a.h5", "--jets", "5", "--seed", "-1"], "'seed' must be at least 0, not -1"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--workers", "0"], "workers must be at least 1, not 0"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--mix", "ttbr"], "did you mean 'ttbar'?"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--mix", "ttbar;3"], "unknown process 'ttbar;3'"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--preset", "x"], "unknown preset 'x'\npresets: flavour"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--pileup", "-2"], "'pileup.mean' must be a number from 0"),
        (
            ["--out", "a.h5", "--jets", "5", "--seed", "1", "--pileup", "501"],
            "'pileup.mean' must be at most 500, not 501",
        ),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--pileup", "nan"], "must be a number from 0 on, not nan"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--json"], "--json has no meaning without --check"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--out-dir", "x"], "--out-dir has no meaning without --check"),
        (["--out", "a.h5", "--jets", "5", "--seed", "1", "--job"], "unknown argument '--job'"),
        (["--out", "a.h5", "--jets", "5", "--config", "no.yaml"], "no.yaml: cannot be read"),
        (["--out", "a.h5", "--jets", "5", "--config", "sim.yaml"], "unknown key 'pileup.men' (did you mean 'mean'?)"),
        (["--out", "sim.yaml/a.h5", "--jets", "5", "--seed", "1"], "nothing can be written to sim.yaml: Not a dir"),
        (["--out", "sim.yaml", "--jets", "5", "--seed", "1"], "sim.yaml exists already"),
    ],
)
def test_what_users_get_wrong(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "require_engines", lambda: None)
    monkeypatch.setattr(production, "versions", dict)
    Path("sim.yaml").write_text("seed: 1\npileup: {men: 3}\n")
    assert main(["simulate", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) <= 5
    assert captured.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["sim.yaml"]


def test_missing_packages(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    assert main(["simulate", "--out", str(tmp_path / "a.h5"), "--jets", "5", "--seed", "1"]) == 2
    assert "needs pythia8mc, fastjet, awkward, which are not installed\ninstall: pip" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "number"), [("5", 5), ("-3", -3), ("2e5", 200_000), ("9223372036854775807", 2**63 - 1)]
)
def test_whole_numbers(text, number):
    assert whole(text) == number


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_lines_come_rarely():
    clock, said = Clock(), []
    lines = Lines(said.append, clock)
    lines("pile-up", 0, 6000)
    for second in range(1, 201):
        clock.now = 100.0 + second
        lines("jets", 10 * second, 6000)
    assert said == [
        "simulating jets: 100 of 6000, 10 jets/s, 9 min 50 s left",
        "simulating jets: 700 of 6000, 10 jets/s, 8 min 50 s left",
        "simulating jets: 1300 of 6000, 10 jets/s, 7 min 50 s left",
        "simulating jets: 1900 of 6000, 10 jets/s, 6 min 50 s left",
    ]


def test_the_rate_does_not_count_what_was_finished_before():
    clock = Clock()
    rate = Rate(clock)
    assert rate.of(5000) == 0.0
    clock.now += 2.0
    assert rate.of(5400) == 200.0


def test_durations():
    shown = [simulate._duration(seconds) for seconds in (0.4, 59.4, 60, 3599.6, 7325)]
    assert shown == ["0 s", "59 s", "1 min 00 s", "1 h 00 min", "2 h 02 min"]


def test_a_bar_on_a_terminal(produced, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["simulate", "--out", str(tmp_path / "a.h5"), "--jets", "10", "--seed", "1"]) == 0
    assert "simulating jets" in terminal.getvalue()


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="needs signals")
def test_interrupted_with_workers_and_gone_on(tmp_path):
    for module in ("pythia8mc", "fastjet", "awkward"):
        pytest.importorskip(module)
    (tmp_path / "sim.yaml").write_text("{seed: 1, chunk: 10, pileup: 0, mix: ttbar}")
    given = [sys.executable, "-m", "salt_like", "simulate", "--config=sim.yaml", "--out=jets.h5", "--workers=2"]
    options = {"cwd": tmp_path, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("started in the background by a shell, which makes Ctrl-C do nothing here and in what is started")
    with subprocess.Popen([*given, "--jets=100000"], start_new_session=True, **options) as process:
        while not list(tmp_path.glob("jets.h5.parts/chunk-*")) and process.poll() is None:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does, to all of them
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-2:] == ["finished chunks are kept in jets.h5.parts; go on with --resume", "interrupted"]
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.glob("*.h5*")] == ["jets.h5.parts"]
    refused = subprocess.run([*given, "--jets=60"], check=False, **options)
    assert refused.returncode == 2
    assert "go on with them: --resume" in refused.stderr
    assert subprocess.run([*given, "--jets=60", "--resume"], check=True, **options).stdout.startswith("60 jets")
    with h5py.File(tmp_path / "jets.h5") as file:
        assert file["jets"].shape == (60,)
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".coverage")]  # of killed processes
    assert sorted(left) == ["jets.h5", "sim.yaml"]


def test_workers_end_with_the_process_that_started_them(tmp_path):
    for module in ("pythia8mc", "fastjet", "awkward"):
        pytest.importorskip(module)
    (tmp_path / "sim.yaml").write_text("{seed: 1, chunk: 10, pileup: 0, mix: ttbar}")
    given = [sys.executable, "-m", "salt_like", "simulate", "--config=sim.yaml", "--out=jets.h5", "--workers=2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*given, "--jets=100000"], cwd=tmp_path, start_new_session=True, **quiet) as process:
        while not list(tmp_path.glob("jets.h5.parts/chunk-*")) and process.poll() is None:
            time.sleep(0.1)
        process.kill()
    for _ in range(300):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError("workers go on")


def test_settings_need_a_mapping(tmp_path):
    (tmp_path / "sim.yaml").write_text("- 1")
    with pytest.raises(UserError, match="a configuration is a mapping"):
        simulate.main(["--out", "a.h5", "--jets", "1", "--config", str(tmp_path / "sim.yaml")])
