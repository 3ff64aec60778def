from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from salt_like.nn import InputNorm
from salt_like.spec import Stream, Variable

NAN, INF = float("nan"), float("inf")


def stream(*variables):
    return Stream("tracks", variables)


VARIABLES = (
    Variable("pt", "log", clip=(1.0, None), mean=2.0, std=0.5),
    Variable("d0", "asinh", default=-999.0, flag_default=True, mean=0.1, std=2.0),
    Variable("n", "log1p", clip=(None, 50.0), mean=1.0, std=3.0),
    Variable("eta", default=NAN, flag_default=True, mean=-0.2, std=1.5),
)


def test_values_by_hand():
    raw = torch.tensor([[20.0, 0.3, 7.0, 1.2], [0.2, -999.0, 80.0, NAN], [INF, NAN, -1.0, -INF]])
    log = math.log
    expected = [
        [(log(20) - 2) / 0.5, (np.arcsinh(0.3) - 0.1) / 2, (log(8) - 1) / 3, 1.4 / 1.5, 0, 0],
        [(0 - 2) / 0.5, 0, (log(51) - 1) / 3, 0, 1, 1],
        [0, 0, 0, 0, 1, 1],
    ]
    ours = InputNorm(stream(*VARIABLES))(raw)
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float32), atol=1e-6, rtol=0)


def test_every_layout_of_the_leading_axes():
    norm = InputNorm(stream(*VARIABLES))
    raw = torch.rand(6, 4) * 5
    torch.testing.assert_close(norm(raw.view(2, 3, 4)), norm(raw).view(2, 3, 6), atol=0, rtol=0)
    assert norm(raw[:0]).shape == (0, 6)
    assert (norm.in_dim, norm.out_dim) == (4, 6)


@pytest.mark.parametrize("bad", [NAN, INF, -INF, 3e38, -3e38, 0.0, -1.0, -5.0])
def test_garbage_gives_no_nan_in_values_or_gradients(bad):
    variables = [Variable(str(name), name, mean=1.0, std=1e-3) for name in (None, "log", "log1p", "asinh")]
    raw = torch.full((2, 4), bad, requires_grad=True)
    normalised = InputNorm(stream(*variables))(raw)
    assert normalised.isfinite().all()
    normalised.sum().backward()
    assert raw.grad.isfinite().all()


def test_without_any_option_it_is_the_same_in_fewer_steps():
    raw = torch.tensor([[1.5, -2.0], [NAN, INF], [-INF, 3e38], [0.0, -3e38]], requires_grad=True)
    plain = InputNorm(stream(Variable("a", mean=0.5, std=0.1), Variable("b", mean=-1.0, std=4.0)))
    options = InputNorm(stream(Variable("a", mean=0.5, std=0.1), Variable("b", default=-999.0, mean=-1.0, std=4.0)))
    assert (plain.plain, options.plain) == (True, False)
    found, expected = plain(raw), options(raw)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    torch.testing.assert_close(found[0], torch.tensor([10.0, -0.25]))
    ours, theirs = (torch.autograd.grad(one.sum(), raw)[0] for one in (found, expected))
    torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_gradient_is_that_of_the_formula():
    raw = torch.tensor([[20.0, 0.3, 7.0, 1.2]], dtype=torch.float64, requires_grad=True)
    norm = InputNorm(stream(*VARIABLES)).double()
    (gradient,) = torch.autograd.grad(norm(raw).sum(), raw)
    expected = [1 / 20 / 0.5, 1 / math.sqrt(1 + 0.3**2) / 2, 1 / 8 / 3, 1 / 1.5]
    torch.testing.assert_close(gradient, torch.tensor([expected], dtype=torch.float64), atol=1e-12, rtol=0)


def test_without_a_default_nothing_equals_it():
    norm = InputNorm(stream(Variable("x", flag_default=True, mean=0.0, std=1.0)))
    assert norm(torch.tensor([[-999.0], [NAN]])).tolist() == [[-999.0, 0.0], [0.0, 1.0]]


def test_normalisation_is_part_of_the_state():
    state = InputNorm(stream(*VARIABLES)).state_dict()
    assert state["mean"].tolist() == pytest.approx([2.0, 0.1, 1.0, -0.2])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"transform": "sqrt"}, "transform of variable 'x' of stream 'tracks' must be one of log.* got 'sqrt'"),
        ({"std": 0.0}, "std of variable 'x' .* got 0.0"),
        ({"std": NAN}, "std of variable 'x' .* got nan"),
        ({"mean": INF}, "mean of variable 'x' .* got inf"),
        ({"clip": (2.0, 1.0)}, r"clip of variable 'x' .* got \(2.0, 1.0\)"),
    ],
)
def test_bad_variables(fields, message):
    with pytest.raises(ValueError, match=message):
        InputNorm(stream(Variable("x", **fields)))
