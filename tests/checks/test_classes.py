from __future__ import annotations

import numpy as np

from salt_like.checks.finding import Options
from salt_like.checks.run import check


def with_classes(arrays, classes):
    arrays["jets"]["flavour_label"] = classes
    arrays["jets"]["HadronConeExclTruthLabelID"] = np.array([0, 4, 5, 15])[classes]
    origin = np.array([2, 5, 3, 6])[classes]
    arrays["tracks"]["ftagTruthOriginLabel"][:, 0] = origin
    arrays["tracks"]["ftagTruthVertexIndex"][:, 0] = np.where(origin == 2, 0, 1)
    return arrays


def test_counts_per_file_and_share(clean, source):
    random = np.random.default_rng(0)
    classes = [random.integers(0, 4, 600), random.integers(0, 4, 200)]
    files = source(*(with_classes(clean(len(one), seed), one) for seed, one in enumerate(classes)))
    found = check({"both": files}, Options()).samples[0].classes
    np.testing.assert_array_equal(found.per_file, [np.bincount(one, minlength=4) for one in classes])
    every = np.concatenate(classes)
    counts = found.counts([0, 266, 533, 800])  # the second worker reads from both files... or not
    np.testing.assert_array_equal(
        counts, [np.bincount(every[a:b], minlength=4) for a, b in ((0, 266), (266, 533), (533, 800))]
    )
    assert found.plain()["label"] == "jets.flavour_label"
    assert list(found.plain()["files"].values())[1]["bjets"] == (classes[1] == 2).sum()


def test_class_that_is_absent(clean, checked, of):
    arrays = with_classes(clean(), np.random.default_rng(0).integers(0, 3, 600))
    (found,) = of(checked(arrays), "class-absent")
    assert (found.where, found.value, found.number, found.total) == ("jets.flavour_label", "taujets", 0, 600)


def test_class_that_is_absent_from_a_file(clean, source, of):
    random = np.random.default_rng(0)
    parts = [with_classes(clean(300, seed), random.integers(0, 4, 300)) for seed in range(3)]
    parts[1] = with_classes(parts[1], random.integers(1, 4, 300))
    report = check({"all": source(*parts)}, Options(workers=1))
    (found,) = of(report, "class-absent-from-file")
    assert (found.value, found.number, found.total) == ("ujets", 0, 300)
    assert found.file.endswith("part1.h5")
    assert len(report.findings) == 1


def test_class_that_only_one_file_has(clean, source, of):
    random = np.random.default_rng(0)
    parts = [with_classes(clean(300, seed), random.integers(0, 3, 300)) for seed in range(3)]
    parts[2]["jets"]["flavour_label"][:90] = 3
    report = check({"all": source(*parts)}, Options(workers=1))
    (found,) = of(report, "class-in-one-file")
    assert (found.value, found.number, found.total) == ("taujets", 90, 300)
    assert found.file.endswith("part2.h5")
    assert of(report, "class-absent-from-file") == []


def test_few_jets_of_a_rare_class_are_no_surprise(clean, source):
    random = np.random.default_rng(0)
    parts = [with_classes(clean(300, seed), random.integers(0, 3, 300)) for seed in range(2)]
    parts[0] = with_classes(parts[0], np.where(np.arange(300) < 4, 3, parts[0]["jets"]["flavour_label"]))
    assert check({"all": source(*parts)}, Options()).findings == []


def test_classes_that_are_sorted(clean, checked, of):
    arrays = with_classes(clean(), np.sort(np.random.default_rng(0).integers(0, 4, 600)))
    (found,) = of(checked(arrays, workers=3), "class-order")
    labels = arrays["jets"]["flavour_label"]
    last = int((labels[400:] == 3).sum())
    assert last - (labels == 3).sum() / 3 > 100  # no worker and class are further from the mean
    assert (found.value, found.number, found.total, found.row) == ("taujets", last, 200, 400)
    assert found.detail == f"worker 3 of 3, 200 rows; in all {(labels == 3).mean():.1%}"
    assert of(checked(arrays, workers=1), "class-order") == []
    assert of(checked(clean(), workers=3), "class-order") == []


def test_without_a_label(clean, checked):
    jets = clean()["jets"]
    jets = jets[[name for name in jets.dtype.names if name not in ("flavour_label", "HadronConeExclTruthLabelID")]]
    report = checked({"jets": np.array(jets.tolist(), [(n, jets.dtype[n]) for n in jets.dtype.names])})
    assert report.samples[0].classes is None
    assert report.findings == []
