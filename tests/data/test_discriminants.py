from __future__ import annotations

import pytest

from salt_like.data.discriminants import resolve_discriminants
from salt_like.errors import UserError

FLAVOURS = ("ujets", "cjets", "bjets", "taujets")


def test_usual_ones_of_flavour_tagging():
    db, dc = resolve_discriminants(None, [("a", "b"), FLAVOURS])
    assert (db.name, db.signal, db.background) == ("Db", "bjets", {"cjets": 0.1, "taujets": 0.02, "ujets": 0.88})
    assert (dc.name, dc.signal) == ("Dc", "cjets")
    assert sum(dc.background.values()) == pytest.approx(1)
    db, _ = resolve_discriminants(None, [FLAVOURS[:3]])
    assert db.background == {"cjets": 0.1, "ujets": 0.9}
    assert resolve_discriminants(None, [("signal", "background")]) == ()
    assert resolve_discriminants({}, [FLAVOURS]) == ()


def test_own_ones():
    config = {"Ds": {"signal": "s", "background": {"q": 0.25, "g": 0.75}}}
    (own,) = resolve_discriminants(config, [FLAVOURS, ("s", "q", "g")])
    assert (own.name, own.signal, own.background) == ("Ds", "s", {"q": 0.25, "g": 0.75})


@pytest.mark.parametrize(
    ("one", "match"),
    [
        ({"signal": "bjet", "background": {"cjets": 1}}, r"needs the class 'bjet' \(did you mean 'bjets'\?\)"),
        ({"signal": "bjets", "background": {"cjet": 1}}, r"needs the class 'cjet' \(did you mean 'cjets'\?\)"),
        ({"signal": "bjets", "background": {"cjets": 0.5}}, "must be at least 0 and sum to 1, not to 0.5"),
        ({"signal": "bjets", "background": {"cjets": "a"}}, "background.cjets = 'a': expected a number"),
        ({"signal": "bjets", "background": {"cjets": 1.5, "ujets": -0.5}}, "must be at least 0 and sum to 1"),
        ({"signal": "bjets", "background": {"bjets": 1}}, "'bjets' is both signal and background"),
        ({"signal": "bjets", "backgrounds": {"cjets": 1}}, r"no key 'backgrounds' \(did you mean 'background'\?\)"),
        ({"signal": "bjets"}, "needs a signal class and a background"),
        ({"signal": "bjets", "background": {}}, "needs a signal class and a background"),
    ],
)
def test_mistakes(one, match):
    with pytest.raises(UserError, match=rf"data\.discriminants\.Db.*{match}") as error:
        resolve_discriminants({"Db": one}, [FLAVOURS])
    if "signal class" not in match and "no key" not in match:
        assert f"\nclasses of the jets: {', '.join(sorted(FLAVOURS))}" in str(error.value)


def test_no_task_classifies_jets():
    with pytest.raises(UserError, match="none, no task classifies jets"):
        resolve_discriminants({"Db": {"signal": "bjets", "background": {"cjets": 1}}}, [])
