from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_jets import CAPACITY, SPEC, make_columns

from salt_like.batch import Batch
from salt_like.data.collate import Collator, collate
from salt_like.errors import UserError
from salt_like.grouping import partition_batches
from salt_like.sets import layout_of


@pytest.mark.parametrize("buckets", [1, 3, 8])
def test_both_layouts_hold_the_same_numbers(buckets):
    columns = make_columns(40)
    packed = collate(columns, SPEC, "packed", buckets)
    padded = collate(columns, SPEC, "padded")
    assert packed.inputs["jets"].equal(padded.inputs["jets"])
    for stream in ("tracks", "flows"):
        own, other = layout_of(packed, stream), layout_of(padded, stream)
        assert own.counts.equal(other.counts)
        assert padded.inputs[stream].shape[1] == CAPACITY
        assert own.to_padded(packed.inputs[stream], CAPACITY).equal(padded.inputs[stream])
        together = own.from_grids(own.grids(packed.inputs[stream]))
        assert together.equal(packed.inputs[stream])
    for stream, labels in packed.labels.items():
        for key, values in labels.items():
            other = padded.labels[stream][key]
            if stream == "jets":
                assert other.equal(values) or torch.allclose(other, values, equal_nan=True)
            else:
                assert other[padded.valid[stream]].equal(values)
                assert (other[~padded.valid[stream]] == -1).all()


def test_a_jet_keeps_its_own_constituents_and_labels():
    batch = collate(make_columns(30, first=11), SPEC)
    owner = layout_of(batch, "tracks").spread(batch.rows)
    assert batch.inputs["tracks"][:, 0].equal(owner.float())
    assert batch.labels["tracks"]["vertex"].equal(owner * 3 - 2)
    assert batch.labels["jets"]["flavour"].equal(batch.rows % 3)
    assert batch.weights is not None
    assert batch.weights.equal(1.0 + batch.rows % 2)


def test_buckets_partition_the_jets_and_longest_bounds_each():
    batch = collate(make_columns(64), SPEC, buckets=4)
    assert torch.cat(batch.buckets).sort().values.equal(torch.arange(64))
    for stream in ("tracks", "flows"):
        counts = layout_of(batch, stream).counts
        assert batch.longest[stream] == tuple(max(int(counts[jets].max()), 1) for jets in batch.buckets)


def test_one_bucket_is_not_listed():
    batch = collate(make_columns(5), SPEC, buckets=1)
    assert batch.buckets == ()
    assert batch.longest["tracks"] == (int(make_columns(5).counts["tracks"].max()),)


def test_pairs_only_where_asked_for():
    columns = make_columns(20)
    batch = collate(columns, SPEC, pair_streams=["tracks"])
    assert set(batch.pairs) == {"tracks"}
    counts = columns.counts["tracks"].astype(int)
    assert batch.pairs["tracks"].shape == (2, (counts * (counts - 1) // 2).sum())
    owner = np.repeat(columns.rows, counts)
    first, second = batch.pairs["tracks"].numpy()
    assert (owner[first] == owner[second]).all()
    assert (first < second).all()


def test_no_copy_of_the_inputs():
    columns = make_columns(10)
    batch = collate(columns, SPEC)
    assert batch.inputs["tracks"].data_ptr() == columns.inputs["tracks"].ctypes.data


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_jets_without_constituents_and_no_jets_at_all(layout):
    columns = make_columns(24)
    bare = columns.select(columns.counts["tracks"] == 0)
    batch = collate(bare, SPEC, layout, pair_streams=["tracks"])
    assert layout_of(batch, "tracks").counts.tolist() == [0] * len(bare)
    none = collate(columns.select(slice(0, 0)), SPEC, layout)
    assert none.size == 0
    assert layout_of(none, "tracks").counts.shape == (0,)


def test_padded_to_a_fixed_length():
    batch = collate(make_columns(10), SPEC, "padded", length=20)
    assert batch.inputs["tracks"].shape == (10, 20, 3)
    assert batch.inputs["flows"].shape == (10, 20, 1)


def test_padded_refuses_jets_longer_than_the_fixed_length():
    with pytest.raises(UserError, match=r"row 5 has 11 constituents of 'tracks', more than the 8"):
        collate(make_columns(10), SPEC, "padded", length=8)


def test_padding_of_real_labels_is_nan_also_for_unknown_ones():
    columns = make_columns(6)
    tracks = {"ip": np.ones(len(columns.inputs["tracks"]), np.float32), "barcode": columns.labels["tracks"]["vertex"]}
    batch = collate(replace(columns, labels={"tracks": tracks}, weights=None), SPEC, "padded")
    assert batch.labels["tracks"]["ip"][~batch.valid["tracks"]].isnan().all()
    assert (batch.labels["tracks"]["barcode"][~batch.valid["tracks"]] == -1).all()
    assert batch.weights is None


def test_a_file_with_more_constituents_than_the_training_file_still_fits_the_padded_layout():
    short = replace(SPEC, streams=tuple(replace(s, capacity=0 if s.is_global else 4) for s in SPEC.streams))
    batch = Collator(short, "padded")(make_columns(10))
    assert batch.inputs["tracks"].shape[1] == int(make_columns(10).counts["tracks"].max())


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("buckets", [1, 3, 8])
@pytest.mark.parametrize("sizes", [[40], [20, 20], [1, 38, 1], [7, 0, 33]])
def test_several_batches_at_once_are_those_made_one_by_one(layout, buckets, sizes):
    columns = make_columns(40, first=5)
    collator = Collator(SPEC, layout, buckets, ("tracks",))
    ends = np.cumsum(sizes)
    together = collator.batches(columns, sizes)
    for batch, start, stop in zip(together, ends - sizes, ends, strict=True):
        alone = collator(columns.select(slice(start, stop)))
        if 0 in sizes:  # then none is divided into groups
            alone = Collator(SPEC, layout, 1, ("tracks",))(columns.select(slice(start, stop)))
        assert batch.longest == alone.longest
        assert len(batch.buckets) == len(alone.buckets)
        for mine, other in zip(tensors(batch), tensors(alone), strict=True):
            assert mine.dtype == other.dtype
            assert mine.is_contiguous()
            torch.testing.assert_close(mine, other, rtol=0, atol=0, equal_nan=True)


def tensors(batch: Batch) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    batch.map(lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=40), min_size=1, max_size=5), st.integers(1, 11))
def test_groups_of_several_batches_are_those_of_each(batches, number):
    counts = np.array([count for batch in batches for count in batch])
    order, edges = partition_batches(counts, np.cumsum([0, *map(len, batches)]), number)
    found = np.split(order, edges[1:-1])
    wanted = [group for batch in batches for group in straightforward(torch.tensor(batch), number)]
    assert [group.tolist() for group in found] == [group.tolist() for group in wanted]


def straightforward(counts: torch.Tensor, number: int) -> tuple[torch.Tensor, ...]:
    order = counts.argsort(stable=True)
    work = (counts[order] + 2).double().pow(2).cumsum(0)
    edges = torch.searchsorted(work, work[-1:] * torch.arange(1, number, dtype=torch.float64) / number)
    return tuple(torch.tensor_split(order, edges))
