"""Killed at random moments, a training ends with the same bits as one that nobody disturbed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from salt_like.cli import run_folder

DRIVER = Path(__file__).parent / "killing.py"
STATES = {"SIGTERM": 143, "SIGUSR1": 138, "SIGINT": 130, "SIGKILL": -9}
STATE = ("state_dict", "optimizer_states", "lr_schedulers", "random", "epoch_losses", "epoch", "global_step")
# 8 steps and 3 batches of validation in each of 3 epochs
PLACES = [
    "SIGKILL:on_fit_start:1",  # nothing has been written but the record
    "SIGTERM:on_train_batch_end:3",
    "SIGKILL:on_train_batch_start:3",
    "SIGUSR1:on_validation_batch_start:2",
    "SIGINT:on_validation_batch_end:3",
    "SIGTERM:on_train_epoch_end:1",
]


def drive(folder: Path, seed: int, number: int, places: list[str]) -> list[list[str]]:
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "SALT_LIKE_CACHE": str(folder / "cache"),
        run_folder.HANDED_OVER: "",
    }
    command = [sys.executable, str(DRIVER), str(folder), str(seed), str(number), *places]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    said = folder / "log.txt"
    assert done.returncode == 0, done.stderr + (said.read_text() if said.exists() else "")
    return [line.split() for line in done.stdout.splitlines()]


def state(path: Path) -> dict[str, object]:
    return torch.load(path, weights_only=True)


def flat(value: object, where: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        return {key: one for name, part in value.items() for key, one in flat(part, f"{where}.{name}").items()}
    if isinstance(value, (list, tuple)):
        return {key: one for name, part in enumerate(value) for key, one in flat(part, f"{where}.{name}").items()}
    return {where: value}


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("last", "best", "best-2"):
        mine, theirs = (state(run / "checkpoints" / f"{name}.ckpt") for run in (one, other))
        for key in STATE:
            first, second = flat(mine[key]), flat(theirs[key])
            assert first.keys() == second.keys()
            for place, value in first.items():
                if isinstance(value, torch.Tensor):
                    assert value.numpy().tobytes() == second[place].numpy().tobytes(), f"{name} {key}{place}"
                else:
                    assert value == second[place], f"{name} {key}{place}"
    tables = [list(csv.DictReader((run / "metrics.csv").read_text().splitlines())) for run in (one, other)]
    for rows in tables:
        for row in rows:
            row.pop("seconds")
    assert tables[0] == tables[1]
    records = [json.loads((run / "run.json").read_text()) for run in (one, other)]
    for key in ("state", "epochs_done", "steps_done", "jets_seen"):
        assert records[0][key] == records[1][key], key


def check(folder: Path, legs: list[list[str]], kills: int) -> None:
    *killed, last = legs
    assert len(killed) == kills
    assert last == ["end", "0"], (folder / "log.txt").read_text()
    for sent, status, place in killed:
        expected = {STATES[sent]} if place != "random" else {STATES[sent], 0}  # 0: it was faster
        assert int(status) in expected, (folder / "log.txt").read_text()
    assert sum(int(status) != 0 for _, status, _ in killed) >= min(kills, 6)
    assert_same_run(folder / "whole", folder / "broken")


def test_killed_at_ten_moments_it_ends_with_the_same_bits(tmp_path):
    check(tmp_path, drive(tmp_path, 1, 4, PLACES), 10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_many_random_moments_it_ends_with_the_same_bits(tmp_path, seed):
    check(tmp_path, drive(tmp_path, seed, 25, []), 25)
