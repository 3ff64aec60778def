from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from packed_jets import CAPACITY, SPEC, make_columns

from salt_like.data.collate import Collator, collate
from salt_like.errors import UserError
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
