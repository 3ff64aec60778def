from __future__ import annotations

import pickle

import pytest
import torch
from packed_jets import SPEC, make_columns

from salt_like.batch import Batch
from salt_like.data.collate import collate
from salt_like.data.transfer import ALIGNMENT, Parcel


def tensors(batch: Batch) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    batch.map(keep)
    return found


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("jets", [0, 1, 17])
def test_everything_arrives(layout, jets):
    batch = collate(make_columns(jets), SPEC, layout, pair_streams=["tracks"])
    parcel = pickle.loads(pickle.dumps(Parcel.of([batch, (batch, batch)])))
    one, (two, three) = parcel.open()
    for arrived in (one, two, three):
        assert arrived.longest == batch.longest
        assert arrived.inputs.keys() == batch.inputs.keys()
        for mine, theirs in zip(tensors(arrived), tensors(batch), strict=True):
            assert mine.dtype == theirs.dtype
            assert mine.shape == theirs.shape
            assert torch.equal(mine.nan_to_num(nan=7.5), theirs.nan_to_num(nan=7.5))


def test_one_buffer_for_all():
    batch = collate(make_columns(17), SPEC)
    parcel = Parcel.of([batch])
    (arrived,) = parcel.open()
    storage = parcel.buffer.untyped_storage().data_ptr()
    assert all(tensor.untyped_storage().data_ptr() == storage for tensor in tensors(arrived))
    assert all(tensor.storage_offset() * tensor.element_size() % ALIGNMENT == 0 for tensor in tensors(arrived))
    assert parcel.buffer.numel() < sum(ALIGNMENT + t.numel() * t.element_size() for t in tensors(batch))
