from __future__ import annotations

import math

import pytest

from salt_like.cli import yaml_file
from salt_like.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("2E5", 200000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("1.", 1.0),
        ("12", 12),
        ("1.2.3", "1.2.3"),
        ("e5", "e5"),
        ("true", True),
        ("null", None),
        ("{a: 1, b: [x, 2]}", {"a": 1, "b": ["x", 2]}),
        ("{5: bjets}", {5: "bjets"}),
    ],
)
def test_values(text, value):
    found = yaml_file.parse(text, "test")
    assert found == value
    assert type(found) is type(value)


def test_duplicate_key_names_both_lines():
    with pytest.raises(UserError, match=r"c\.yaml, line 4: key 'dim' is given twice \(first in line 2\)"):
        yaml_file.parse("model:\n  dim: 3\n  encoder: {}\n  dim: 4\n", "c.yaml")


def test_a_duplicate_key_deep_inside_a_list_is_found():
    with pytest.raises(UserError, match="line 3: key 'x' is given twice"):
        yaml_file.parse("a:\n- {x: 1,\n   x: 2}\n", "c.yaml")


def test_boolean_key_is_explained():
    with pytest.raises(UserError, match="line 1: YAML reads the key 'on' as True; write it in quotes"):
        yaml_file.parse("on: 3", "c.yaml")


def test_key_that_is_a_list_is_refused():
    with pytest.raises(UserError, match="line 1: a key must be a name or a number"):
        yaml_file.parse("? [1, 2]\n: 3", "c.yaml")


def test_syntax_error_names_line_and_shows_it():
    with pytest.raises(UserError, match=r"c\.yaml, line 3, column \d+: not valid YAML: .*\n  dim: 3"):
        yaml_file.parse("model:\n  a: [1, 2\n  dim: 3\n", "c.yaml")


def test_control_character_is_refused():
    with pytest.raises(UserError, match=r"c\.yaml: not valid YAML"):
        yaml_file.parse("a: \x00", "c.yaml")


def test_anchors_and_merge_keys_work():
    assert yaml_file.parse("a: &x {p: 1}\nb: {<<: *x, q: 2}", "c") == {"a": {"p": 1}, "b": {"p": 1, "q": 2}}


def test_reading_files(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: x\n")
    assert yaml_file.read(path) == {"name": "x"}
    path.write_text("# nothing\n")
    assert yaml_file.read(path) == {}
    path.write_text("- 1\n")
    with pytest.raises(UserError, match="a configuration is a mapping of keys to values, this is a list"):
        yaml_file.read(path)
    path.write_bytes(b"\x89HDF\r\n\xff\xfe")
    with pytest.raises(UserError, match="not a text file"):
        yaml_file.read(path)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        yaml_file.read(tmp_path / "none.yaml")
