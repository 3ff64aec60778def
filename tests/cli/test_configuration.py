from __future__ import annotations

import pytest

from salt_like.cli import configuration
from salt_like.errors import UserError


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_later_files_and_overrides_win_and_paths_follow_their_file(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    first = write(tmp_path / "a/first.yaml", "name: one\ndata: {train: t.h5, val: v.h5}\nmodel: {dim: 1}")
    second = write(tmp_path / "b/second.yaml", "name: two\ndata: {val: v.h5}\n")
    write(tmp_path / "a/t.h5", "")
    write(tmp_path / "b/v.h5", "")
    found = configuration.load([first, second], [("model.dim", 3), ("data.test", "t.h5")])
    assert found.content == {
        "name": "two",
        "data": {
            "train": str(tmp_path / "a/t.h5"),
            "val": str(tmp_path / "b/v.h5"),
            "test": str(here / "t.h5"),
        },
        "model": {"dim": 3},
    }
    assert found.folders == (here, tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: {}", r"unknown key 'modle' \(did you mean 'model'\?\)"),
        ("data: [1]", r"'data' is a section of keys and values, found \[1\]"),
        ("model: {name: x}", "'model.name' is set by 'name'"),
        ("data: {requests: []}", "'data.requests' is set by 'model.tasks'"),
        ("data: {seed: 3}", "'data.seed' is set by 'seed'"),
        ("seed_everything: 3", "'seed_everything' is set by 'seed'"),
        ("trainer: {accumulate_grad_batches: 4}", r"accumulate_grad_batches = 4 .*\nset data.accumulate instead"),
    ],
)
def test_mistakes_at_the_top(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        configuration.load([write(tmp_path / "c.yaml", text)])


def test_mistakes_on_the_command_line_name_the_option():
    with pytest.raises(UserError, match=r"--trainer.accumulate_grad_batches: .* = 2"):
        configuration.load([], [("trainer.accumulate_grad_batches", 2)])
    configuration.load([], [("trainer.accumulate_grad_batches", 1)])


def test_empty_sections_are_allowed(tmp_path):
    assert configuration.load([write(tmp_path / "c.yaml", "data:\nmodel:\n")]).content == {"data": None, "model": None}
