from __future__ import annotations

from functools import partial

import jets
import pytest
import torch

from salt_like.encoders import Transformer
from salt_like.tasks import Classification
from salt_like.training.module import Model
from salt_like.training.speed import Rate, matrix_rate, measure


@pytest.fixture(scope="module")
def rates() -> dict[str, Rate]:
    tasks = {"flavour": partial(Classification, stream="jets", label="flavour_label", hidden=[])}
    model = Model(jets.spec(), tasks, dim=8, encoder=partial(Transformer, layers=1, heads=2))
    batches = [jets.packed(jets.make(20, seed=seed)) for seed in range(3)]
    return {rate.work: rate for rate in measure(model, [batches[0], tuple(batches[1:])], batches=2, seconds=0.02)}


def test_every_kind_of_work_is_timed(rates):
    assert list(rates) == ["loader alone", "forward", "training step", "prediction"]
    for rate in rates.values():
        assert 0 < rate.low <= rate.jets_per_second <= rate.high
        assert rate.peak_memory >= 0


def test_operations_are_those_of_the_matrix_products(rates):
    pytest.importorskip("torch.utils.flop_counter", reason="torch before 2.1 does not count operations")
    assert rates["loader alone"].flops_per_jet == 0
    # the backward pass has two products for each one of the forward pass, but none for the inputs
    assert 2.2 < rates["training step"].flops_per_jet / rates["forward"].flops_per_jet < 3.0
    assert rates["prediction"].flops_per_jet == rates["forward"].flops_per_jet
    content = jets.make(20, seed=0)
    tracks, flows = (sum(len(one) for one in stream) for stream in (content.tracks, content.flows))
    # two dense layers of each tokenizer (8 wide), and of the encoder layer qkv, out and the feed-forward network
    linear = tracks * (7 * 8 + 8 * 8) + flows * (4 * 8 + 8 * 8) + (tracks + flows) * (3 * 64 + 64 + 2 * 8 * 16)
    assert rates["forward"].flops_per_jet > 2 * linear / 20
    assert rates["forward"].flops_per_jet < 2 * linear / 20 * 2


def test_the_rate_of_operations_is_the_product():
    rate = Rate("x", jets_per_second=200.0, low=190.0, high=210.0, flops_per_jet=3e6, peak_memory=0)
    assert rate.flops_per_second == pytest.approx(6e8)


def test_the_matrix_rate_is_that_of_this_machine():
    rate = matrix_rate(size=256, seconds=0.05)
    assert 1e8 < rate < 1e14
    assert torch.get_num_threads() >= 1
