from __future__ import annotations

import itertools

import numpy as np
import pytest

from salt_like.data.shuffle import RUN, WINDOW, Order, Shards, grouped
from salt_like.errors import UserError

SMALL = {"chunk": 512, "window": 1024, "run": 8}


def whole(order: Order, epoch: int) -> np.ndarray:
    return order.epoch(epoch).take(0, order.size)


@pytest.mark.parametrize("size", [1, 7, 1000, 1024, 1025, 5000, 5121])
def test_every_jet_once_per_epoch(size):
    order = Order(size, seed=3, **SMALL)
    for epoch in (0, 1):
        assert np.array_equal(np.sort(whole(order, epoch)), np.arange(size))


@pytest.mark.parametrize("size", [900, 5000])
def test_reproducible_from_seed_and_epoch(size):
    order = Order(size, seed=3, **SMALL)
    assert np.array_equal(whole(order, 4), whole(Order(size, seed=3, **SMALL), 4))
    assert not np.array_equal(whole(order, 4), whole(order, 5))
    assert not np.array_equal(whole(order, 4), whole(Order(size, seed=4, **SMALL), 4))


@pytest.mark.parametrize("size", [900, 5000])
def test_any_part_can_be_asked_for_in_any_order(size):
    order = Order(size, **SMALL)
    expected = whole(order, 2)
    starts = list(range(0, size, 130))
    parts = {start: order.epoch(2).take(start, min(start + 130, size)) for start in starts}
    again = order.epoch(2)
    for start in reversed(starts):
        assert np.array_equal(again.take(start, min(start + 130, size)), parts[start])
    assert np.array_equal(np.concatenate([parts[start] for start in starts]), expected)


def in_file(order: Order, rows_of_cache: np.ndarray, epoch: int) -> np.ndarray:
    return rows_of_cache[whole(order, epoch)]


def shuffled_chunks(size: int, chunk: int) -> np.ndarray:
    """Rows in the order in which a cache holds them."""
    random = np.random.default_rng(1)
    return np.concatenate([s + random.permutation(min(chunk, size - s)) for s in range(0, size, chunk)])


def meetings(rows: np.ndarray, batch: int, distance: int) -> int:
    """Pairs of rows this far apart in the file that are in one batch."""
    where = np.empty(len(rows), int)
    where[rows] = np.arange(len(rows)) // batch
    return int((where[distance:] == where[:-distance]).sum())


@pytest.mark.parametrize("size", [1024, 20_000])
@pytest.mark.parametrize("distance", [1, 2, 7])
def test_neighbours_meet_no_more_often_than_by_chance(size, distance):
    batch, epochs = 64, 60
    order = Order(size, seed=1, **SMALL)
    rows = shuffled_chunks(size, order.chunk)
    found = sum(meetings(in_file(order, rows, epoch), batch, distance) for epoch in range(epochs))
    expected = epochs * (size - distance) * (batch - 1) / (size - 1)
    assert found < expected + 4 * np.sqrt(expected)
    assert found > expected - 6 * np.sqrt(expected)


def test_slices_alone_would_fail_that_test():
    # what the field's loaders do: permute contiguous slices
    size, batch = 20_000, 64
    slices = np.random.default_rng(0).permutation(size // batch)
    rows = (slices[:, None] * batch + np.arange(batch)).ravel()
    assert meetings(rows, batch, 1) > 100 * size * (batch - 1) / (size - 1)


def test_each_window_takes_its_share_of_every_chunk():
    order = Order(16 * 512, **SMALL)
    for window in range(order.windows):
        jets = order.epoch(0).take(window * order.length, (window + 1) * order.length)
        shares = np.bincount(jets // order.chunk, minlength=16)
        assert np.abs(shares - order.length / 16).max() <= 2


def test_a_window_takes_one_run_of_each_chunk():
    order = Order(16 * 512, **SMALL)
    for window in range(order.windows):
        firsts, _ = order.epoch(0).runs(window)
        # a run that is divided by the ends of its chunk, and what two windows share at their border
        assert len(firsts) <= 16 + 16 // 4 + 6
    huge = Order(300 * 512, chunk=512, window=128, run=8)
    for window in range(0, huge.windows, 50):
        firsts, lasts = huge.epoch(0).runs(window)
        assert np.median(lasts - firsts) == 8


def test_a_sorted_file_gives_batches_of_the_same_mixture():
    # one class in the first half of the file, the other in the second
    size, batch = 20_000, 100
    order = Order(size, **SMALL)
    rows = in_file(order, shuffled_chunks(size, order.chunk), 0)
    share = (rows < size // 2).reshape(-1, batch).mean(1)
    assert np.abs(share - 0.5).max() < 5 * 0.5 / np.sqrt(batch)


def test_composition_of_batches_changes_from_epoch_to_epoch():
    order = Order(20_000, **SMALL)
    one, other = (whole(order, epoch) for epoch in (0, 1))
    together = np.intersect1d(one[:64], other[:64]).size
    companions = max(np.intersect1d(one[:64], other[s : s + 64]).size for s in range(0, 20_000, 64))
    assert together <= 6
    assert companions <= 6


@pytest.mark.parametrize("size", [500, 1024, 1025, 5121, 20_000])
@pytest.mark.parametrize("in_order", [False, True])
def test_the_runs_of_a_window_hold_its_jets_and_no_others(size, in_order):
    order = Order(size, in_order=in_order, **SMALL)
    epoch = order.epoch(1)
    for window in range(order.windows):
        start, stop = window * order.length, min((window + 1) * order.length, size)
        firsts, lasts = epoch.runs(window)
        assert (lasts > firsts).all()
        jets = np.concatenate([np.arange(a, b) for a, b in zip(firsts, lasts, strict=True)])
        assert np.array_equal(epoch.take(start, stop), jets[epoch.places(window)])
        assert np.array_equal(np.sort(epoch.places(window)), np.arange(stop - start))


def test_in_order():
    order = Order(5000, in_order=True, **SMALL)
    assert np.array_equal(whole(order, 0), np.arange(5000))
    assert np.array_equal(order.epoch(3).take(1000, 1030), np.arange(1000, 1030))


def test_windows_and_runs_for_data_of_any_size():
    small = Order.of(400_000, 250_000_000)
    assert (small.windows, small.window) == (1, 400_000)
    sizes = [10**6, 4 * 10**6, 10**8]
    orders = [Order.of(size, 640 * size) for size in sizes]
    assert {order.window for order in orders} == {(1 << 26) // 640}
    assert [order.windows for order in orders] == [10, 39, 954]
    assert [order.length for order in orders] == [100_000, 102_565, 104_822]
    assert Order.of(10**6, 60 * 10**6).windows == 1
    assert Order.of(10**8, 60 * 10**8).window == WINDOW
    assert Order.of(10**5, 10**12).window == RUN
    assert Order.of(0, 0).windows == 1


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [7, 8, 20, 41, 43, 280, 281, 287])
def test_ranks_share_all_jets_and_have_equally_many_batches(size, world):
    ranks = [Shards(size, 20, rank, world) for rank in range(world)]
    assert len({one.batches for one in ranks}) == 1
    bounds = [one.bounds(batch) for batch in range(ranks[0].batches) for one in ranks]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == size
    assert all(one[1] == other[0] for one, other in itertools.pairwise(bounds))
    lengths = [stop - start for start, stop in bounds]
    assert min(lengths) >= 1
    assert max(lengths) <= 21
    # together the ranks hold the jets of one large batch
    assert all(length == 20 for length in lengths[: (ranks[0].batches - 1) * world])


def test_the_last_batch_is_smaller_and_nothing_is_dropped():
    shards = Shards(45, 20)
    assert [shards.bounds(batch) for batch in range(shards.batches)] == [(0, 20), (20, 40), (40, 45)]


def test_a_remainder_too_small_for_all_ranks_joins_the_batch_before():
    ranks = [Shards(81, 20, rank, 2) for rank in (0, 1)]
    assert ranks[0].batches == 2
    assert [one.bounds(1) for one in ranks] == [(40, 60), (60, 81)]


def test_what_cannot_be_divided():
    with pytest.raises(UserError, match=r"3 jets cannot be divided over 4 processes"):
        Shards(3, 10, 0, 4)
    with pytest.raises(UserError, match=r"batch_size is 0"):
        Shards(3, 0)


def test_grouped():
    assert grouped([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
