from __future__ import annotations

import pickle

import numpy as np
import pytest

from salt_like.data.expressions import Expression
from salt_like.errors import UserError

ROWS = np.zeros(5, [("pt", "f4"), ("eta", "f2"), ("n", "u1"), ("big", "u8"), ("good", "?"), ("label", "i4")])
ROWS["pt"] = [1e4, 3e4, np.nan, 5e4, np.inf]
ROWS["eta"] = [0, 2.5, -1, -2.75, 1]
ROWS["n"] = [0, 1, 2, 3, 255]
ROWS["big"] = [0, 1, 2, 2**63, 2**64 - 1]
ROWS["good"] = [1, 0, 1, 0, 1]
ROWS["label"] = [0, 4, 5, 15, -1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt > 20e3", [0, 1, 0, 1, 1]),
        ("pt > 20e3 and abs(eta) < 2.5", [0, 0, 0, 0, 1]),
        ("(pt > 20e3) & (abs(eta) <= 2.5)", [0, 1, 0, 0, 1]),
        ("pt < 2e4 | n == 3", None),
        ("(pt < 2e4) | (n == 3)", [1, 0, 0, 1, 0]),
        ("20e3 < pt < 40e3", [0, 1, 0, 0, 0]),
        ("not pt > 20e3", [1, 0, 1, 0, 0]),
        ("~(pt > 20e3)", [1, 0, 1, 0, 0]),
        ("pt != 10e3", [0, 1, 0, 1, 1]),
        ("pt not in [10e3]", [0, 1, 0, 1, 1]),
        ("label in [4, 5]", [0, 1, 1, 0, 0]),
        ("label in (4, -1)", [0, 1, 0, 0, 1]),
        ("n - 2 >= 0", [0, 0, 1, 1, 1]),
        ("n + 1 == 256", [0, 0, 0, 0, 1]),
        ("-n < -2", [0, 0, 0, 1, 1]),
        ("+n * 2 // 3 % 2 == 0", [1, 1, 0, 1, 1]),
        ("n / 2 == 1.5", [0, 0, 0, 1, 0]),
        ("n ** 2 == 9", [0, 0, 0, 1, 0]),
        ("big > 9223372036854775807", [0, 0, 0, 1, 1]),
        ("good", [1, 0, 1, 0, 1]),
        ("good and not n", [1, 0, 0, 0, 0]),
        ("good == 1", [1, 0, 1, 0, 1]),
        ("min(n, 2) == 2 and max(n, label, 3) > 3", [0, 0, 1, 1, 1]),
        ("log(pt) > 10", [0, 1, 0, 1, 1]),
        ("sqrt(eta) < 1.1", [1, 0, 0, 0, 1]),
        ("log10(n) >= 0 and exp(n) > 3", [0, 0, 1, 1, 1]),
        ("isnan(pt) or not isfinite(pt)", [0, 0, 1, 0, 1]),
        ("pt == inf or pt == nan", [0, 0, 0, 0, 1]),
        ("abs(eta) < pi / 2", [1, 0, 1, 0, 1]),
        ("eta * 1e5 == 2.5e5", [0, 1, 0, 0, 0]),
        ("eta > 1e30", [0, 0, 0, 0, 0]),
        ("1 // n == 1 or 1 % n == 1", [0, 1, 1, 1, 1]),
        ("True", [1, 1, 1, 1, 1]),
        ("pt > 20e3\n  and n > 1", [0, 0, 0, 1, 1]),
    ],
)
def test_value(text, expected):
    if expected is None:
        with pytest.raises(UserError, match="bind tighter than comparisons"):
            Expression(text)
        return
    result = Expression(text)(ROWS)
    assert result.dtype == bool
    assert result.tolist() == [bool(one) for one in expected]


def test_works_on_arrays_by_name_and_on_two_dimensions():
    expression = Expression("pt > 20e3 and n < 3")
    by_name = {name: ROWS[name] for name in ("pt", "n")}
    assert expression(by_name).tolist() == expression(ROWS).tolist()
    assert expression(ROWS[:4].reshape(2, 2)).tolist() == expression(ROWS)[:4].reshape(2, 2).tolist()


def test_null_byte_is_a_syntax_error_in_every_python(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise ValueError("source code string cannot contain null bytes")

    monkeypatch.setattr("ast.parse", refuse)
    with pytest.raises(UserError, match="cannot contain null bytes"):
        Expression("pt > 3")


def test_fields_and_copies():
    expression = Expression("20e3 < pt and abs(eta) < 2.5 and pt < inf", "data.select.jets")
    assert expression.fields == ("pt", "eta")
    again = pickle.loads(pickle.dumps(expression))
    assert again.fields == expression.fields
    assert (again(ROWS) == expression(ROWS)).all()
    assert repr(again) == "Expression('20e3 < pt and abs(eta) < 2.5 and pt < inf')"


def test_unknown_field_gets_the_nearest():
    expression = Expression("ptt > 3", "data.select.jets")
    with pytest.raises(UserError, match=r"no field 'ptt' \(did you mean 'pt'\?\) in dataset 'jets'"):
        expression.check(["pt", "eta"], "dataset 'jets'")
    Expression("pt > 3").check(["pt"], "dataset 'jets'")


@pytest.mark.parametrize(
    ("text", "problem", "column"),
    [
        ("pt >", "invalid syntax", 4),
        ("pt > > 3", "invalid syntax", 5),
        ("pt", None, 0),
        ("pt + 3", "number where a condition is needed", 0),
        ("pt > 3 and eta", None, 11),
        ("pt > 3 and 4", "number where a condition is needed", 11),
        ("foo(pt) > 3", "no function 'foo'", 0),
        ("absolute(pt) > 3", r"no function 'absolute'", 0),
        ("abs(pt, eta) > 3", "'abs' takes one value", 0),
        ("max(pt) > 3", "'max' takes two or more values", 0),
        ("abs(x=pt) > 3", "'abs' takes one value", 0),
        ("pt in eta", "'in' needs a list", 6),
        ("pt is 3", "only < <= > >= == != and in compare", 0),
        ("pt[0] > 3", "no such thing", 0),
        ("pt.max > 3", "no such thing", 0),
        ("pt > 'a'", "no such thing", 5),
        ("__import__('os').system('true')", "number where a condition", 0),
        ("(lambda: 1) > 0", "no such thing", 1),
        ("isnan(pt) > 0", "no such thing", 0),
        ("pt\0> 3", "null bytes|cannot contain", 6),
    ],
)
def test_error_points_at_the_place(text, problem, column):
    with pytest.raises(UserError, match=problem or "'(pt|eta)' is a number where a condition is needed") as caught:
        Expression(text, "data.select.jets")(ROWS)
    first, shown, arrow = str(caught.value).splitlines()
    assert first.startswith("selection (data.select.jets): ")
    assert shown.strip() == text
    assert arrow == "  " + " " * column + "^"
