from __future__ import annotations

import pytest
import torch
from layouts import COUNTS, make_layout

from salt_like.nn import DropPath, LayerScale, TransformerLayer


@pytest.mark.parametrize("kind", ["packed", "padded"])
def test_drop_path_keeps_or_drops_a_jet_whole(kind):
    layout = make_layout(kind, torch.tensor(COUNTS * 50))
    ones = torch.ones(*layout.valid.shape, 3)
    torch.manual_seed(0)
    dropped = DropPath(0.25)(ones, layout)
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    share = layout.mean(dropped)[layout.counts > 0]
    assert ((share - share[:, :1]).abs() < 1e-6).all()
    assert all(value == pytest.approx(0) or value == pytest.approx(4 / 3) for value in share.flatten().tolist())
    assert (share == 0).float().mean().item() == pytest.approx(0.25, abs=0.06)


def test_drop_path_does_nothing_in_evaluation():
    layout = make_layout("packed", torch.tensor([2]))
    x = torch.ones(2, 3)
    assert DropPath(0.9).eval()(x, layout) is x
    assert DropPath(0.0)(x, layout) is x
    assert repr(DropPath(0.5)) == "DropPath(0.5)"


def test_layer_scale():
    scale = LayerScale(3, 0.1)
    torch.testing.assert_close(scale(torch.ones(2, 3)), torch.full((2, 3), 0.1))


def test_layer_scale_of_zero_leaves_only_the_residual():
    layer = TransformerLayer(4, 2, layer_scale=0.0)
    x = torch.randn(3, 4)
    torch.testing.assert_close(layer(x, make_layout("packed", torch.tensor([1, 2]))), x, atol=0, rtol=0)


def test_bad_place():
    with pytest.raises(ValueError, match="norm_place must be one of pre, post, hybrid, got 'none'"):
        TransformerLayer(4, 2, norm_place="none")
