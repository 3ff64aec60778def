from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation.objects import COUNTS, Objects, ObjectSums, Said, count, of_classes

KINDS = 3


def random_objects(seed: int = 0, jets: int = 300, number: int = 4, queries: int = 5) -> tuple[Objects, Said]:
    random = np.random.default_rng(seed)
    jet = np.repeat(np.arange(jets), random.integers(0, 11, jets))
    there = np.arange(number) < random.integers(0, number + 1, jets)[:, None]
    truth = random.integers(-1, number, len(jet))
    truth = np.where((truth >= 0) & there[jet, truth], truth, -1)
    index = np.where(random.random(len(jet)) < 0.75, truth, random.integers(-1, queries, len(jet)))
    classes = random.integers(0, KINDS, (jets, number))
    said = random.integers(0, KINDS, (jets, queries))
    said[:, :number] = np.where(random.random((jets, number)) < 0.6, classes, said[:, :number])
    return Objects(jet, truth, there, np.where(there, classes, -1)), Said(index, said)


def brute(objects: Objects, said: Said) -> tuple[np.ndarray, np.ndarray]:
    """The definition, jet by jet."""
    counts = np.zeros((objects.jets, len(COUNTS)))
    kinds = np.zeros((objects.jets, KINDS, 2))
    for jet in range(objects.jets):
        members = np.flatnonzero(objects.jet == jet)
        true = {m: {t for t in members if objects.truth[t] == m} for m in np.flatnonzero(objects.there[jet])}
        found = {q: {t for t in members if said.index[t] == q} for q in range(said.classes.shape[1])}
        known = {m: own for m, own in true.items() if own}
        found = {q: own for q, own in found.items() if own}
        pairs = {}
        for q, own in found.items():
            for m, theirs in known.items():
                both = len(own & theirs)
                if q not in pairs and both >= 0.65 * len(theirs) - 1e-9 and both >= 0.5 * len(own) - 1e-9:
                    pairs[q] = m
        right = sum(said.classes[jet, q] == objects.classes[jet, m] for q, m in pairs.items())
        overlap = sum(len(found[q] & known[m]) / len(found[q] | known[m]) for q, m in pairs.items())
        given = 0
        for track in members:
            q, m = said.index[track], objects.truth[track]
            given += (q < 0 and m < 0) or (q >= 0 and m >= 0 and pairs.get(q) == m)
        counts[jet] = [
            len(true), len(known), len(found), len(pairs), right, overlap, len(members), given, not known,
            not known and len(found) > 0,
        ]  # fmt: skip
        for m in known:
            kinds[jet, objects.classes[jet, m]] += [1, m in pairs.values()]
    return counts, kinds


@pytest.mark.parametrize("seed", [0, 1])
def test_counts_are_those_of_the_definition(seed):
    objects, said = random_objects(seed)
    expected, kinds = brute(objects, said)
    np.testing.assert_allclose(count(objects, said), expected, atol=1e-12)
    np.testing.assert_array_equal(of_classes(objects, said, KINDS), kinds)
    assert (expected.sum(0) > 10).all()


def test_metrics_beside_trivial_answers():
    objects, said = random_objects(3)
    names = ("b", "c", "tau")
    whole, parts = ObjectSums(5, names, 1, ("u", "b")), ObjectSums(5, names, 1, ("u", "b"))
    group, flavour = np.arange(objects.jets) % 5, np.arange(objects.jets) % 2
    weights = np.random.default_rng(0).uniform(0.5, 2, objects.jets)
    whole.add(objects, said, group, weights, flavour)
    for low, high in ((0, 100), (100, 300)):
        inside = (objects.jet >= low) & (objects.jet < high)
        jets = slice(low, high)
        some = Objects(objects.jet[inside] - low, objects.truth[inside], objects.there[jets], objects.classes[jets])
        one = Said(said.index[inside], said.classes[jets])
        parts.add(some, one, group[jets], weights[jets], flavour[jets])
    metrics = {(one.name, one.baseline_name): one for one in whole.metrics()}
    assert [one.value for one in parts.metrics()] == pytest.approx([one.value for one in whole.metrics()], nan_ok=True)
    counts, _ = brute(objects, said)
    sums = (counts * weights[:, None]).sum(0)
    for name, above, below in (("efficiency", 3, 1), ("purity", 3, 2), ("right class of matched objects", 4, 3)):
        assert metrics[name, "no object"].value == pytest.approx(sums[above] / sums[below])
        assert metrics[name, "the truth"].baseline == 1
    assert metrics["efficiency", "no object"].baseline == 0
    assert np.isnan(metrics["purity", "no object"].baseline)
    assert 0 < metrics["efficiency", "all in one object"].baseline < 0.5
    assert metrics["fake rate (jets without true object)", "the truth"].baseline == 0
    assert 0 < metrics["efficiency", "no object"].error < 0.1
    assert set(whole.by_class()) == {"u", "b"}


def test_without_classes_nothing_is_said_of_them():
    objects, said = random_objects()
    sums = ObjectSums()
    sums.add(objects, said, np.arange(objects.jets) % 20)
    names = {one.name for one in sums.metrics()}
    assert not [name for name in names if "class" in name or "efficiency of" in name]
    assert "efficiency" in names
