"""`make quickstart` leaves every earlier run as it was."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# what `train` does with folders, without training: it refuses one that is there and not empty
TRAIN = """#!/bin/sh
set -e
echo "$*" >> calls
case "$1" in
fit) test ! -e "$5/config.yaml"; mkdir -p "$5"; echo "$5" > "$5/config.yaml" ;;
test) test -e "$2/config.yaml" ;;
esac
"""
DATE = """#!/bin/sh
echo run-$(wc -l < calls 2>/dev/null || echo 0)
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with an installed environment whose commands stand in for the real ones."""
    (tmp_path / "bin").mkdir()
    for name, text in {"bin/train": TRAIN, "bin/date": DATE, "pyproject.toml": "", "constraints": ""}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "installed").write_text("")
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def quickstart(clone: Path) -> None:
    given = ["VENV=.", "CONSTRAINTS=constraints", "quickstart"]
    environment = {"PATH": f"{clone / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    subprocess.run(["make", "--silent", *given], cwd=clone, env=environment, check=True, timeout=60)


def test_each_time_a_new_folder_and_last_names_the_newest(clone: Path) -> None:
    quickstart(clone)
    quickstart(clone)
    runs = sorted(path.name for path in (clone / "runs" / "quickstart").iterdir() if not path.is_symlink())
    assert len(runs) == 2
    for name in runs:
        assert (clone / "runs" / "quickstart" / name / "config.yaml").read_text() == f"runs/quickstart/{name}\n"
    last = clone / "runs" / "quickstart" / "last"
    assert last.is_symlink()
    assert last.resolve().name == runs[-1]
    assert (clone / "calls").read_text().splitlines()[-2:] == [
        f"fit --config quickstart --run runs/quickstart/{runs[-1]}",
        f"test runs/quickstart/{runs[-1]}",
    ]


def test_a_folder_of_that_name_is_left_alone(clone: Path) -> None:
    mine = clone / "runs" / "quickstart" / "last"
    mine.mkdir(parents=True)
    (mine / "config.yaml").write_text("mine")
    quickstart(clone)
    assert not mine.is_symlink()
    assert (mine / "config.yaml").read_text() == "mine"
    assert [path.name for path in mine.iterdir()] == ["config.yaml"]
