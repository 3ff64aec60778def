from __future__ import annotations

import pytest
import torch

from salt_like.batch import Batch


@pytest.fixture
def batch():
    return Batch(
        rows=torch.tensor([4, 2]),
        inputs={"jets": torch.zeros(2, 3), "tracks": torch.ones(3, 2)},
        offsets={"tracks": torch.tensor([0, 1, 3])},
        valid={"flows": torch.ones(2, 4, dtype=torch.bool)},
        labels={"jets": {"flavour": torch.tensor([0, 1])}},
        weights=torch.ones(2),
        pairs={"tracks": torch.tensor([[1], [2]])},
        buckets=(torch.tensor([0, 1]),),
        longest={"tracks": (2,)},
    )


def tensors(batch):
    return [
        batch.rows,
        *batch.inputs.values(),
        *batch.offsets.values(),
        *batch.valid.values(),
        *(value for labels in batch.labels.values() for value in labels.values()),
        *([] if batch.weights is None else [batch.weights]),
        *batch.pairs.values(),
        *batch.buckets,
    ]


def test_map_reaches_every_tensor_and_leaves_the_batch(batch):
    mapped = batch.map(lambda tensor: tensor[None])
    for one, other in zip(tensors(batch), tensors(mapped), strict=True):
        assert torch.equal(one[None], other)
    assert batch.rows.shape == (2,)
    assert mapped.longest == batch.longest
    assert batch.size == 2


def test_without_weights_there_are_none_after_a_move():
    assert Batch(torch.zeros(1), {}).to("cpu").weights is None


def test_to(batch):
    assert all(tensor.device.type == "meta" for tensor in tensors(batch.to("meta")))


def test_frozen(batch):
    with pytest.raises(AttributeError):
        batch.rows = torch.zeros(1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_pin_memory(batch):
    assert all(tensor.is_pinned() for tensor in tensors(batch.pin_memory()))
