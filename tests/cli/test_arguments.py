from __future__ import annotations

import pytest

from salt_like.cli import arguments
from salt_like.errors import UserError

OPTIONS = ["--config", "--run", "--resume"]


def overrides(*rest):
    return arguments.overrides(rest, OPTIONS, "fit")


def test_both_spellings_in_order():
    assert overrides("--model.dim=3", "--model.dim", "4", "--name=x") == [
        ("model.dim", 3), ("model.dim", 4), ("name", "x")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("[a, b]", ["a", "b"]),
        ("null", None),
        ("", None),
        ("*.h5", "*.h5"),
        ("data/*.h5", "data/*.h5"),
        ("pt > 20e3 and abs(eta) < 2.5", "pt > 20e3 and abs(eta) < 2.5"),
        ("{a: 1}", {"a": 1}),
        ("a=b", "a=b"),
    ],
)
def test_values_are_yaml(text, value):
    assert overrides(f"--data.train={text}") == [("data.train", value)]


def test_negative_number_as_next_argument():
    assert overrides("--model.x", "-1") == [("model.x", -1)]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (["gn2.yaml"], r"unexpected argument 'gn2.yaml' \(did you mean '--config gn2.yaml'\?\)"),
        (["--confg=x"], r"unknown argument '--confg' \(did you mean '--config'\?\)"),
        (["--modle.dim=3"], r"unknown argument '--modle.dim' \(did you mean '--model'\?\)"),
        (["--model.compile"], "'--model.compile' needs a value"),
        (["--model.compile", "--name=x"], "'--model.compile' needs a value"),
        (["--model.dim=[1"], "--model.dim, line 1, column 3: not valid YAML"),
    ],
)
def test_mistakes(rest, message):
    with pytest.raises(UserError, match=message):
        overrides(*rest)


def test_parser_reports_user_errors_and_knows_its_options():
    parser = arguments.Parser("cache", "x")
    parser.add_argument("--dir")
    parser.add_argument("action", choices=["list"])
    assert parser.options() == ["--help", "--dir"]
    assert parser.strict(["list", "--dir", "x"]).dir == "x"
    with pytest.raises(UserError, match=r"unknown argument '--dirr' \(did you mean '--dir'\?\)"):
        parser.strict(["list", "--dirr=3"])
    with pytest.raises(UserError, match="invalid choice: 'lst'"):
        parser.strict(["lst"])
    with pytest.raises(UserError, match="unknown argument '--di'"):  # no abbreviations
        parser.strict(["list", "--di", "x"])
