from __future__ import annotations

import pytest
import torch
from layouts import COUNTS, LAYOUTS, arrange, make_layout, packed_values, randomise
from torch import nn

from salt_like.nn import QueryAttention, RMSNorm, SelfAttention


def jets(kind, dim=8):
    counts = torch.tensor(COUNTS)
    x = torch.randn(int(counts.sum()), dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layout = make_layout(kind, counts)
    return x, layout.blank(arrange(kind, x, counts, layout)), layout


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("bias", [True, False])
def test_is_the_attention_of_torch(kind, bias):
    ours = randomise(SelfAttention(8, 4, bias=bias).double())
    other = nn.MultiheadAttention(8, 4, bias=bias, batch_first=True, dtype=torch.float64)
    state = {"in_proj_weight": ours.qkv.weight, "out_proj.weight": ours.out.weight}
    other.load_state_dict(state | ({"in_proj_bias": ours.qkv.bias, "out_proj.bias": ours.out.bias} if bias else {}))
    x, arranged, layout = jets(kind)
    expected = torch.cat([other(jet[None], jet[None], jet[None])[0][0] for jet in x.split(list(COUNTS)) if len(jet)])
    torch.testing.assert_close(packed_values(ours(arranged, layout), layout), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_bias_of_pairs(kind):
    ours = randomise(SelfAttention(8, 2).double())
    x, arranged, layout = jets(kind)
    zero = [torch.zeros(len(v), 2, v.shape[1], v.shape[1], dtype=torch.float64) for v in layout.grid_valid()]
    alone = [bias - 1e9 * (1 - torch.eye(bias.shape[-1])) for bias in zero]
    plain = ours(arranged, layout)
    torch.testing.assert_close(
        packed_values(ours(arranged, layout, zero), layout), packed_values(plain, layout), atol=1e-10, rtol=0
    )
    own = ours.out(ours.qkv(x)[:, 16:])  # each constituent sees only itself
    torch.testing.assert_close(packed_values(ours(arranged, layout, alone), layout), own, atol=1e-10, rtol=0)


@pytest.mark.parametrize("norm", ["RMSNorm", "LayerNorm"])
def test_scores_do_not_depend_on_the_size_of_normalised_queries(norm):
    ours = randomise(SelfAttention(8, 2, qk_norm=True, norm=norm, bias=False).double())
    _, x, layout = jets("packed")
    before = ours(x, layout)
    with torch.no_grad():
        ours.qkv.weight[:16] *= 1000
    torch.testing.assert_close(ours(x, layout), before, atol=1e-2, rtol=0)
    assert isinstance(SelfAttention(8, 2, v_norm=True).value_norm, RMSNorm)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_query_attention_is_that_of_torch(kind):
    ours = randomise(QueryAttention(8, 4).double())
    other = nn.MultiheadAttention(8, 4, batch_first=True, dtype=torch.float64)
    other.load_state_dict(
        {
            "in_proj_weight": torch.cat([ours.query.weight, ours.key_value.weight]),
            "in_proj_bias": torch.cat([ours.query.bias, ours.key_value.bias]),
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    x, arranged, layout = jets(kind)
    query = torch.randn(len(COUNTS), 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows = [
        other(one[None, None], jet[None], jet[None])[0][0, 0] if len(jet) else ours.out.bias
        for one, jet in zip(query, x.split(list(COUNTS)), strict=True)
    ]
    torch.testing.assert_close(ours(query, arranged, layout), torch.stack(rows), atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", [SelfAttention, QueryAttention])
def test_heads_must_divide_the_width(kind):
    with pytest.raises(ValueError, match="dim must be a multiple of heads, got dim=8 and heads=3"):
        kind(8, 3)
    with pytest.raises(ValueError, match="heads must be at least 1, got 0"):
        kind(8, 0)


def test_bad_dropout():
    with pytest.raises(ValueError, match="dropout"):
        SelfAttention(8, 2, dropout=-0.5)
