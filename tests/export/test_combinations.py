"""Sums and differences of outputs as a user writes them."""

from __future__ import annotations

import pytest

from salt_like.errors import UserError
from salt_like.export.combinations import combination

READ = {
    "plight=1.0*pu+0.5*pc": {"pu": 1.0, "pc": 0.5},
    "d=pb-0.5*pc": {"pb": 1.0, "pc": -0.5},
    "d=1.0*pb+-1.0*pc": {"pb": 1.0, "pc": -1.0},
    " d = pb - pc ": {"pb": 1.0, "pc": -1.0},
    "d=pb- 0.5 * pc": {"pb": 1.0, "pc": -0.5},
    "d=pb - -0.5*pc": {"pb": 1.0, "pc": 0.5},
    "d=-pb+pc-.25*pu": {"pb": -1.0, "pc": 1.0, "pu": -0.25},
    "d=1e-5*pb-1e-3*pc+2E+2*pu": {"pb": 1e-5, "pc": -1e-3, "pu": 200.0},
    "d=GN2_pb-2*GN2_pc": {"GN2_pb": 1.0, "GN2_pc": -2.0},
    "d=pb-pc-p2e-pu": {"pb": 1.0, "pc": -1.0, "p2e": -1.0, "pu": -1.0},
}


@pytest.mark.parametrize("text", READ)
def test_read(text):
    name, factors = combination(text)
    assert name == text.partition("=")[0].strip()
    assert factors == pytest.approx(READ[text])
    assert list(factors) == list(READ[text])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("d", ""),
        ("d=", ""),
        ("=pb", ""),
        ("d=-", ""),
        ("d=pb+", ""),
        ("d=x*pb", "found: 'x' in place of a number"),
        ("d=pb - x*pc", "found: 'x' in place of a number"),
        ("d=inf*pb", "found: the factor inf"),
        ("d=pb+0.5*pb", "found: 'pb' twice"),
    ],
)
def test_what_cannot_be_read(text, found):
    with pytest.raises(UserError, match="write NAME=FACTOR") as error:
        combination(text)
    assert found in str(error.value)
