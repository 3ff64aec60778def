"""Operations on sets against plain loops, in every layout."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import COUNTS, LAYOUTS, arrange, brute_pairs, make_layout, make_tokens, packed_values

from salt_like import sets
from salt_like.batch import Batch
from salt_like.grouping import list_pairs, partition
from salt_like.sets import Packed, Padded, Tokens, layout_of

EMPTY = (0, 0, 0)


@pytest.fixture(params=LAYOUTS)
def kind(request):
    return request.param


@pytest.fixture(params=[COUNTS, EMPTY, (5,)], ids=["ragged", "all-empty", "one"])
def counts(request):
    return torch.tensor(request.param)


def values(counts, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(int(counts.sum()), *shape, generator=generator, dtype=torch.float64)


def jets(x, counts):
    return x.split(counts.tolist())


def set_up(kind, counts, *shape):
    x = values(counts, *shape).requires_grad_()
    layout = make_layout(kind, counts)
    return x, arrange(kind, x, counts, layout), layout


def gradients_agree(x, ours, expected, atol=1e-12):
    weights = torch.linspace(0.5, 2.0, max(ours.numel(), 1), dtype=torch.float64)[: ours.numel()].reshape(ours.shape)
    torch.testing.assert_close(ours, expected, atol=atol, rtol=0)
    (one,) = torch.autograd.grad((ours * weights).sum() + 0 * x.sum(), x, retain_graph=True)
    (other,) = torch.autograd.grad((expected * weights).sum() + 0 * x.sum(), x, retain_graph=True)
    torch.testing.assert_close(one, other, atol=atol, rtol=0)


REDUCTIONS = {
    "sum": lambda jet: jet.sum(0),
    "mean": lambda jet: jet.sum(0) / max(len(jet), 1),
    "max": lambda jet: jet.amax(0) if len(jet) else jet.sum(0),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_reductions(kind, counts, name, shape):
    x, arranged, layout = set_up(kind, counts, *shape)
    expected = torch.stack([REDUCTIONS[name](jet) for jet in jets(x, counts)])
    gradients_agree(x, getattr(layout, name)(arranged), expected)


def test_ranks_count_the_constituents_of_each_jet(kind, counts):
    layout = make_layout(kind, counts)
    expected = [rank for count in counts.tolist() for rank in range(count)]
    assert packed_values(layout.ranks, layout).tolist() == expected


def test_maximum_of_zero_has_the_whole_gradient(kind):
    counts = torch.tensor([2, 0, 1])
    x = torch.tensor([[-1.0], [0.0], [0.0]], dtype=torch.float64, requires_grad=True)
    layout = make_layout(kind, counts)
    result = layout.max(arrange(kind, x, counts, layout))
    (gradient,) = torch.autograd.grad(result.sum(), x)
    assert result.tolist() == [[0.0], [0.0], [0.0]]
    assert gradient.tolist() == [[0.0], [1.0], [1.0]]


@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_softmax(kind, counts, size):
    x, arranged, layout = set_up(kind, counts, 3)
    expected = torch.cat([(jet * size).softmax(0) for jet in jets(x, counts)])
    ours = layout.softmax(arranged * size)
    gradients_agree(x, packed_values(ours, layout), expected, atol=1e-11 * size)
    if isinstance(layout, Padded):
        assert (ours[~layout.valid] == 0).all()


def test_softmax_in_half_precision(kind):
    counts = torch.tensor(COUNTS)
    x = values(counts, 2).half()
    layout = make_layout(kind, counts)
    ours = packed_values(layout.softmax(arrange(kind, x, counts, layout)), layout)
    expected = torch.cat([jet.float().softmax(0) for jet in jets(x, counts)])
    torch.testing.assert_close(ours.float(), expected, atol=2e-3, rtol=0)


def test_spread(kind, counts):
    layout = make_layout(kind, counts)
    vectors = torch.arange(len(counts) * 2.0).reshape(-1, 2)
    expected = torch.cat([vectors[[jet] * int(count)] for jet, count in enumerate(counts)])
    torch.testing.assert_close(packed_values(layout.spread(vectors), layout), expected, atol=0, rtol=0)


def test_counts_and_valid(kind, counts):
    layout = make_layout(kind, counts)
    assert layout.counts.tolist() == counts.tolist()
    assert int(layout.valid.sum()) == int(counts.sum())


def test_blank_removes_padding_from_values_and_gradients(kind, counts):
    x, arranged, layout = set_up(kind, counts, 2)
    ours = layout.blank(arranged)
    assert ours.isfinite().all()
    gradients_agree(x, packed_values(ours, layout), x)


def test_repeat_fills_a_constant_layout(kind, counts):
    layout = make_layout(kind, counts)
    start = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    constant = layout.constant(2)
    ours = packed_values(layout.repeat(start), constant)
    assert constant.counts.tolist() == [2] * len(counts)
    torch.testing.assert_close(ours, torch.cat([start] * len(counts)), atol=0, rtol=0)


def test_grids_and_back(kind, counts):
    x, arranged, layout = set_up(kind, counts, 2, 3)
    grids = layout.grids(arranged)
    assert sum(grid.shape[0] for grid in grids) == len(counts)
    real = sum(int(valid.sum()) for valid in layout.grid_valid())
    assert real == int(counts.sum())
    gradients_agree(x, packed_values(layout.from_grids(grids), layout), x)
    for grid, valid in zip(grids, layout.grid_valid(), strict=True):
        assert grid.shape[:2] == valid.shape


@pytest.mark.parametrize("length", [3, 20])
def test_to_padded(kind, counts, length):
    x, arranged, layout = set_up(kind, counts, 2)
    expected = torch.zeros(len(counts), length, 2, dtype=torch.float64)
    for number, jet in enumerate(jets(x, counts)):
        expected[number, : min(len(jet), length)] = jet[:length]
    gradients_agree(x, layout.to_padded(arranged, length), expected)


def test_pairs(kind, counts):
    x = values(counts, 2)
    layout = make_layout(kind, counts, listed=list_pairs(counts))
    first, second, real = layout.pairs(arrange(kind, x, counts, layout))
    ours = {(tuple(a), tuple(b)) for a, b in zip(first[real].tolist(), second[real].tolist(), strict=True)}
    assert len(ours) == int(real.sum())
    assert ours == {(tuple(x[i].tolist()), tuple(x[j].tolist())) for i, j in brute_pairs(counts)}


@pytest.mark.parametrize("error", [-2e-7, 0.0, 2e-7])
def test_ends_of_pairs_do_not_hang_on_the_last_digit_of_a_root(error, monkeypatch):
    root = torch.Tensor.sqrt
    monkeypatch.setattr(torch.Tensor, "sqrt", lambda x: root(x) * (1 + error))
    _, larger = sets.triangle(400, torch.device("cpu"))
    assert torch.equal(larger, torch.arange(400).repeat_interleave(torch.arange(400)))


def test_pairs_that_no_one_asked_for():
    with pytest.raises(ValueError, match="must ask for them"):
        make_layout("packed", torch.tensor([2])).pairs(torch.zeros(2, 1))


def reference_attention(qkv, counts, bias=None):
    results = []
    for number, jet in enumerate(jets(qkv, counts)):
        query, key, value = (part.transpose(0, 1) for part in jet.unbind(1))
        scores = query @ key.transpose(1, 2) / qkv.shape[-1] ** 0.5
        if bias is not None:
            scores = scores + bias[number][:, : len(jet), : len(jet)]
        results.append((scores.softmax(-1) @ value).transpose(0, 1))
    return torch.cat(results)


def test_attention_is_that_of_each_jet_alone(kind, counts):
    x, _, layout = set_up(kind, counts, 3, 2, 4)
    qkv = layout.blank(arrange(kind, x, counts, layout))
    expected = reference_attention(x, counts)
    gradients_agree(x, packed_values(sets.self_attention(qkv, layout), layout), expected)
    apart = sets.attention(*qkv.unbind(-3), layout)
    gradients_agree(x, packed_values(apart, layout), expected)


def test_attention_with_scores_far_below_zero(kind):
    counts = torch.tensor(COUNTS)
    x = values(counts, 3, 1, 2).float() * 1e4
    layout = make_layout(kind, counts)
    ours = packed_values(sets.self_attention(layout.blank(arrange(kind, x, counts, layout)), layout), layout)
    torch.testing.assert_close(ours, reference_attention(x, counts), atol=1e-2, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 45), min_size=1, max_size=25), st.integers(1, 6))
def test_rows_hold_every_jet(counts, number):
    counts = torch.tensor(counts)
    buckets = partition(counts, number)
    longest = tuple(max([1, *counts[group].tolist()]) for group in buckets)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    layout = Packed(offsets, int(counts.sum()), longest, buckets)
    qkv = values(counts, 3, 1, 2)
    torch.testing.assert_close(sets.self_attention(qkv, layout), reference_attention(qkv, counts), atol=1e-12, rtol=0)


def test_attention_with_bias(kind, counts):
    x, _, layout = set_up(kind, counts, 3, 2, 4)
    size = max(1, *counts.tolist()) + 2
    full = torch.randn(len(counts), 2, size, size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    groups = layout.buckets if isinstance(layout, Packed) else (torch.arange(len(counts)),)
    widths = [valid.shape[1] for valid in layout.grid_valid()]
    bias = [full[group][:, :, :n, :n] for group, n in zip(groups, widths, strict=True)]
    qkv = layout.blank(arrange(kind, x, counts, layout))
    ours = packed_values(sets.self_attention(qkv, layout, bias), layout)
    gradients_agree(x, ours, reference_attention(x, counts, full))


def test_dropout_of_attention_keeps_the_mean():
    counts = torch.tensor([4, 2])
    qkv, layout = values(counts, 3, 1, 2).float(), make_layout("packed", counts)
    torch.manual_seed(0)
    dropped = torch.stack([sets.self_attention(qkv, layout, dropout=0.3) for _ in range(4000)])
    assert dropped.std(0).min() > 0.05
    torch.testing.assert_close(dropped.mean(0), sets.self_attention(qkv, layout), atol=0.06, rtol=0)


@pytest.mark.parametrize("wide", [True, False])
def test_attention_under_autocast(wide):
    counts = torch.tensor(COUNTS)
    x = values(counts, 3, 2, 4).to(torch.float32 if wide else torch.bfloat16).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        ours = sets.self_attention(x, make_layout("buckets", counts))
    assert ours.dtype == x.dtype
    (gradient,) = torch.autograd.grad(ours.float().square().sum(), x)
    assert gradient.dtype == x.dtype
    torch.testing.assert_close(ours.float(), reference_attention(x.float(), counts), atol=0.05, rtol=0)


def two_streams():
    tracks, flows = torch.tensor(COUNTS), torch.tensor(COUNTS[::-1])
    return {"tracks": (values(tracks, 3), tracks), "flows": (values(flows, 3, seed=1), flows)}


def test_merged_streams_stand_jet_by_jet(kind):
    streams = two_streams()
    tokens = make_tokens(kind, streams)
    expected = [part for pair in zip(*(jets(*stream) for stream in streams.values()), strict=True) for part in pair]
    torch.testing.assert_close(packed_values(tokens.values, tokens.layout), torch.cat(expected), atol=0, rtol=0)
    for name, (x, counts) in streams.items():
        ours, layout = tokens.of(name)
        assert layout.counts.tolist() == counts.tolist()
        torch.testing.assert_close(packed_values(ours, layout), x, atol=0, rtol=0)


def test_joined_keeps_the_streams(kind):
    streams = two_streams()
    tokens = make_tokens(kind, streams)
    start = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=torch.float64)
    layout = tokens.layout.constant(2)
    more = tokens.joined("registers", tokens.layout.repeat(start), layout)
    assert set(tokens.parts) == {"tracks", "flows"}
    for name, (x, _) in streams.items():
        torch.testing.assert_close(packed_values(*more.of(name)), x, atol=0, rtol=0)
    torch.testing.assert_close(packed_values(*more.of("registers")), torch.cat([start] * len(COUNTS)), atol=0, rtol=0)
    assert more.layout.counts.tolist() == [a + b + 2 for a, b in zip(COUNTS, COUNTS[::-1], strict=True)]
    with pytest.raises(ValueError, match="'tracks'"):
        more.joined("tracks", more.layout.repeat(start), layout)


def test_packed_and_padded_do_not_mix():
    counts = torch.tensor([1, 2])
    with pytest.raises(TypeError, match="cannot be merged"):
        make_layout("packed", counts).merge([make_layout("padded", counts)])


def test_tokens_of_one_stream_are_not_copied(kind):
    counts = torch.tensor(COUNTS)
    x, arranged, layout = set_up(kind, counts, 2)
    tokens = Tokens.merged({"tracks": (arranged, layout)})
    assert tokens.of("tracks")[0] is arranged
    assert tokens.with_values(arranged * 2).values.shape == arranged.shape
    assert x.requires_grad


def test_layout_of_a_batch():
    counts = torch.tensor([2, 0, 1])
    rows = torch.arange(3)
    packed = Batch(
        rows,
        {"tracks": torch.zeros(3, 4)},
        offsets={"tracks": torch.tensor([0, 2, 2, 3])},
        pairs={"tracks": list_pairs(counts)},
        longest={"tracks": (2,)},
    )
    layout = layout_of(packed, "tracks")
    assert isinstance(layout, Packed)
    assert layout.counts.tolist() == [2, 0, 1]
    assert layout.pairs(packed.inputs["tracks"])[0].shape == (1, 4)
    valid = torch.tensor([[True, True], [False, False], [True, False]])
    padded = Batch(rows, {"tracks": torch.zeros(3, 2, 4)}, valid={"tracks": valid})
    assert isinstance(layout_of(padded, "tracks"), Padded)
