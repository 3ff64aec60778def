from __future__ import annotations

import pytest
import torch
from layouts import COUNTS, LAYOUTS, make_tokens, randomise

from salt_like.nn import AttentionPooling, ClassTokenPooling, MaxPooling, MeanPooling, SumPooling


def tokens(kind):
    counts = torch.tensor(COUNTS)
    x = torch.randn(int(counts.sum()), 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.split(list(COUNTS)), make_tokens(kind, {"tracks": (x, counts)})


def gate(pooling, jet):
    return (pooling.gate(jet).softmax(0) * jet).sum(0)


REFERENCES = {
    SumPooling: lambda _, jet: jet.sum(0),
    MeanPooling: lambda _, jet: jet.mean(0) if len(jet) else jet.sum(0),
    MaxPooling: lambda _, jet: jet.amax(0) if len(jet) else jet.sum(0),
    AttentionPooling: gate,
}


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("pooling", REFERENCES)
def test_by_hand(pooling, kind):
    ours = randomise(pooling(4).double())
    jets, arranged = tokens(kind)
    expected = torch.stack([REFERENCES[pooling](ours, jet) for jet in jets])
    torch.testing.assert_close(ours(arranged), expected, atol=1e-12, rtol=0)
    assert ours.dim == 4


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("pooling", [*REFERENCES, lambda dim: ClassTokenPooling(dim, heads=2)])
def test_alone_it_is_not_disturbed_by_garbage_in_padding(pooling, kind):
    ours = randomise(pooling(4).double())
    _, arranged = tokens(kind)
    values = arranged.values.clone().requires_grad_()
    ours(arranged.with_values(values)).square().sum().backward()
    assert values.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in ours.parameters())


@pytest.mark.parametrize("kind", LAYOUTS)
def test_class_token_by_hand(kind):
    ours = randomise(ClassTokenPooling(4, layers=1, heads=1).double())
    jets, arranged = tokens(kind)
    (layer,) = ours.layers
    attention = layer.attention
    rows = []
    for jet in jets:
        query, mixed = ours.start, torch.zeros(4, dtype=torch.float64)
        if len(jet):
            key, value = attention.key_value(ours.token_norm(jet)).chunk(2, -1)
            mixed = (key @ attention.query(layer.attention_norm(query)) / 2).softmax(0) @ value
        query = query + attention.out(mixed)
        rows.append(ours.final_norm(query + layer.feedforward(layer.feedforward_norm(query))))
    torch.testing.assert_close(ours(arranged), torch.stack(rows), atol=1e-11, rtol=0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="layers must be at least 1, got 0"):
        ClassTokenPooling(4, layers=0, heads=1)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        SumPooling(0)
