from __future__ import annotations

import multiprocessing
import pickle
import time

import numpy as np
import pytest
import torch
from packed_jets import SPEC, Readable

from salt_like.batch import Batch
from salt_like.data.augment import ConstituentDropout, Smearing
from salt_like.data.cache import Cache
from salt_like.data.collate import Collator
from salt_like.data.loader import Loader, PackedSteps, Preparation
from salt_like.data.packed import PackedColumns
from salt_like.data.shuffle import Order, Shards
from salt_like.data.stream import FileSteps, StreamedSteps, block_counts
from salt_like.errors import UserError

JETS, SIZE = 230, 20
AUGMENT = (ConstituentDropout("tracks", 0.3), Smearing("tracks", {"dr": 0.5}))


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> PackedColumns:
    return Cache(tmp_path_factory.mktemp("cache"), chunk=64).columns(Readable(JETS), {}, shuffle=True)


def packed_steps(
    packed, *, seed=0, accumulate=1, augment=(), rank=0, world=1, window=64, together=3 * SIZE
) -> PackedSteps:
    order = Order(len(packed), seed, chunk=64, window=window, run=4)
    prepare = Preparation(Collator(SPEC, pair_streams=("tracks",)), augment, seed, rank)
    return PackedSteps(packed, Shards(len(packed), SIZE, rank, world), prepare, order, accumulate, together)


def streamed_steps(*, seed=0, accumulate=1, augment=(), rank=0, world=1, kept=1) -> StreamedSteps:
    sample = Readable(JETS, piece=16, kept=kept)
    counts = block_counts(sample, 8)
    prepare = Preparation(Collator(SPEC), augment, seed, rank)
    shards = Shards(int(counts.sum()), SIZE, rank, world)
    return StreamedSteps(sample, counts, shards, prepare, accumulate, block=8, window=60)


def rows_of(steps) -> list[list[int]]:
    return [batch.rows.tolist() for batch in steps]


def flat(batches) -> list[int]:
    return [row for batch in batches for row in batch]


@pytest.fixture(params=["packed", "streamed"])
def make(request, packed):
    def make(**options):
        return packed_steps(packed, **options) if request.param == "packed" else streamed_steps(**options)

    return make


def test_every_jet_once_per_epoch_in_a_new_order(make):
    loader = Loader(make())
    one, other = rows_of(loader), rows_of(loader)
    assert len(one) == len(other) == len(loader) == 12
    assert sorted(flat(one)) == sorted(flat(other)) == list(range(JETS))
    assert one != other
    assert rows_of(Loader(make())) == one
    assert rows_of(Loader(make(seed=1))) != one


def test_pickled_for_workers_that_do_not_inherit(make):
    steps = make(augment=AUGMENT)
    next(iter(Loader(steps)))
    assert rows_of(Loader(pickle.loads(pickle.dumps(steps)))) == rows_of(Loader(steps))


@pytest.mark.parametrize(
    ("kind", "workers", "method"),
    [("packed", 1, "fork"), ("packed", 2, "fork"), ("streamed", 2, "fork"), ("packed", 1, "spawn")],
)
def test_any_number_of_workers_gives_the_same_batches(packed, kind, workers, method):
    def make():
        return packed_steps(packed, augment=AUGMENT) if kind == "packed" else streamed_steps(augment=AUGMENT)

    alone, helped = Loader(make()), Loader(make(), workers, method)
    for _ in range(2):
        for one, other in zip(alone, helped, strict=True):
            assert isinstance(one, Batch)
            assert isinstance(other, Batch)
            assert one.rows.equal(other.rows)
            assert one.inputs["tracks"].equal(other.inputs["tracks"])
            assert one.labels["tracks"]["origin"].equal(other.labels["tracks"]["origin"])
            assert one.offsets["flows"].equal(other.offsets["flows"])
            assert one.longest == other.longest
            assert all(a.equal(b) for a, b in zip(one.buckets, other.buckets, strict=True))
            assert one.pairs.keys() == other.pairs.keys()


def test_ranks_see_different_jets_of_the_same_batches(make):
    ranks = [rows_of(Loader(make(rank=rank, world=3))) for rank in range(3)]
    assert len({len(batches) for batches in ranks}) == 1
    assert sorted(flat(flat(batches) for batches in ranks)) == list(range(JETS))


def test_augmentation_differs_between_epochs_and_ranks(packed):
    def noise(loader):
        return torch.cat([batch.inputs["tracks"][:, 2] for batch in loader])

    loader = Loader(packed_steps(packed, augment=AUGMENT[1:]))
    one, other = noise(loader), noise(loader)
    assert one.shape == other.shape
    assert not one.sort().values.allclose(other.sort().values)


def test_accumulated_batches_come_as_tuples(make):
    batches = rows_of(Loader(make()))
    loader = Loader(make(accumulate=5))
    steps = [[batch.rows.tolist() for batch in step] for step in loader]
    assert len(steps) == len(loader)
    assert all(isinstance(step, list) for step in steps)
    assert [len(step) for step in steps] == [5, 5, 2]
    assert sorted(flat(flat(steps))) == sorted(flat(batches))
    assert max(map(len, flat(steps))) <= SIZE + 4


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 5, 11])
def test_continues_in_the_middle_of_an_epoch(make, workers, stop):
    straight = Loader(make())
    expected = [rows_of(straight) for _ in range(3)]
    first = Loader(make())
    rows_of(first)
    iterator = iter(first)
    seen = [next(iterator).rows.tolist() for _ in range(stop)]
    state = first.state_dict()
    assert state == {"epoch": 1, "done": stop, "of": 12}
    second = Loader(make(), workers)
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert seen + rows_of(second) == expected[1]
    assert rows_of(second) == expected[2]


def test_continues_after_a_complete_epoch(make):
    first, second = Loader(make()), Loader(make())
    rows_of(first)
    second.load_state_dict(first.state_dict())
    assert rows_of(second) == rows_of(first)


def test_lightning_says_which_epoch_comes(make):
    loader = Loader(make())
    epochs = [rows_of(loader) for _ in range(4)]
    loader.sampler.set_epoch(2)
    assert rows_of(loader) == epochs[2]
    # an epoch that was cut short, as by limit_train_batches
    iterator = iter(loader)
    next(iterator)
    loader.sampler.set_epoch(1)
    assert rows_of(loader) == epochs[1]


def test_the_position_is_forgotten_when_another_epoch_comes(make):
    loader = Loader(make())
    loader.load_state_dict({"epoch": 0, "done": 3, "of": 12})
    loader.sampler.set_epoch(1)
    assert len(rows_of(loader)) == 12


def test_a_position_in_an_epoch_of_another_length_is_refused(make):
    with pytest.raises(UserError, match=r"3 of 40 steps of epoch 2, but now an epoch has 12 steps"):
        Loader(make()).load_state_dict({"epoch": 2, "done": 3, "of": 40})
    Loader(make()).load_state_dict({"epoch": 2, "done": 40, "of": 40})


def test_an_abandoned_iteration_does_not_disturb_the_next_with_workers(packed):
    loader, expected = Loader(packed_steps(packed), 2, "fork"), Loader(packed_steps(packed))
    next(iter(loader))
    rows_of(expected)
    assert rows_of(loader) == rows_of(expected)


def test_workers_end_at_once_when_the_loader_is_closed(packed):
    loader = Loader(packed_steps(packed), 2, "fork")
    iterator = iter(loader)
    next(iterator)
    workers = multiprocessing.active_children()
    assert len(workers) >= 2
    started = time.monotonic()
    loader.close()
    assert time.monotonic() - started < 4
    assert not any(worker.is_alive() for worker in workers)
    loader.close()
    assert len(rows_of(loader)) == 12
    loader.close()


def test_without_an_order_the_cache_is_read_in_its_own(packed):
    prepare = Preparation(Collator(SPEC))
    loader = Loader(PackedSteps(packed, Shards(JETS, SIZE), prepare, Order(JETS, window=64, in_order=True)))
    assert flat(rows_of(loader)) == packed.take(np.arange(JETS)).rows.tolist()


def test_streamed_batches_are_as_large_as_asked_for_and_mixed():
    batches = rows_of(Loader(streamed_steps()))
    assert max(len(batch) for batch in batches) <= SIZE + 4
    assert all(np.ptp(batch) > SIZE + 8 for batch in batches)


def test_streaming_after_a_selection():
    batches = rows_of(Loader(streamed_steps(kept=3)))
    assert sorted(flat(batches)) == list(range(0, JETS, 3))
    assert len(batches) == 4


@pytest.mark.parametrize(("kept", "block"), [(1, 40), (7, 40), (1, 50), (60, 20)])
@pytest.mark.parametrize("workers", [0, 2])
def test_in_the_order_of_the_files(kept, block, workers):
    steps = FileSteps(Readable(JETS, kept=kept), SIZE, Preparation(Collator(SPEC)), block=block)
    loader = Loader(steps, workers, "fork")
    batches = rows_of(loader)
    assert flat(batches) == list(range(0, JETS, kept))
    assert 0 < min(map(len, batches)) <= max(map(len, batches)) <= SIZE
    assert len(batches) <= len(loader) == 12


def test_ranks_read_their_own_rows_of_the_files():
    loaders = [
        Loader(FileSteps(Readable(JETS), SIZE, Preparation(Collator(SPEC)), rank, 2, block=40)) for rank in (0, 1)
    ]
    rows = [flat(rows_of(loader)) for loader in loaders]
    assert sorted(rows[0] + rows[1]) == list(range(JETS))
    assert [len(loader) for loader in loaders] == [6, 6]


def test_lightning_finds_what_it_looks_for(packed):
    assert Loader(packed_steps(packed)).batch_sampler is None
