from __future__ import annotations

import pytest
import torch
from layouts import randomise

from salt_like.tokenizers import DenseTokenizer, PeriodicTokenizer


def test_dense():
    tokenizer = randomise(DenseTokenizer(3, 5))
    x = torch.randn(4, 3)
    first, _, last = tokenizer.network
    torch.testing.assert_close(tokenizer(x), last(torch.nn.functional.silu(first(x))), atol=0, rtol=0)
    assert first.out_features == 5
    assert len(DenseTokenizer(3, 5, []).network) == 1
    assert tokenizer(torch.zeros(0, 3)).shape == (0, 5)


def test_periodic():
    tokenizer = randomise(PeriodicTokenizer(3, 5, 2))
    x = torch.randn(2, 4, 3)
    expected = tokenizer.network(torch.cat([x, tokenizer.periodic(x)], -1))
    torch.testing.assert_close(tokenizer(x), expected, atol=0, rtol=0)
    assert not PeriodicTokenizer(3, 5, learned=False).periodic.frequency.requires_grad


@pytest.mark.parametrize("kind", [DenseTokenizer, PeriodicTokenizer])
def test_bad_arguments(kind):
    with pytest.raises(ValueError, match="in_dim must be at least 1, got 0"):
        kind(0, 4)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        kind(4, 0)
