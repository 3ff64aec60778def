from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from field_files import make_arrays

from salt_like.data.cells import CellFinder
from salt_like.data.sample import Sample
from salt_like.data.spectra import Spectra, effective_counts, weighed
from salt_like.data.statistics import Statistics, measure, statistics_key
from salt_like.errors import UserError
from salt_like.reweighting import Reweighting
from salt_like.spec import DataSpec, Label, Stream, Variable

CLASSES = ("u", "c", "b")
BINS = 12
DRAFT = Reweighting("flavour", CLASSES, ("pt",), (tuple(float(edge) for edge in range(BINS + 1)),), max_weight=5.0)


def spectra(weights, jets=None, squares=None) -> Spectra:
    """Sums of the cells, with nothing outside of them."""
    weights = np.asarray(weights, float)
    jets = np.where(weights != 0, 10, 0) if jets is None else np.asarray(jets)
    squares = weights**2 / 10 if squares is None else np.asarray(squares)
    return Spectra([*jets.ravel().tolist(), 0], [*weights.ravel().tolist(), 0.0], [*squares.ravel().tolist(), 0.0], {})


def table(found: Reweighting) -> np.ndarray:
    return np.array(found.weights).reshape(len(found.classes), -1)


def by_bisection(own: np.ndarray, target: np.ndarray, most: float) -> np.ndarray:
    """The weights of one class by searching for the factor, bin by bin."""
    share = own / own.sum()
    low, high = 0.0, 1e9
    for _ in range(300):
        middle = (low + high) / 2
        mean = sum(one * min(middle * wanted / one, most) for one, wanted in zip(share, target, strict=True))
        low, high = (middle, high) if mean < 1 else (low, middle)
    return np.array([min(low * wanted / one, most) for one, wanted in zip(share, target, strict=True)])


@pytest.mark.parametrize("target", ["mean", "flat", "b"])
@pytest.mark.parametrize("most", [1.2, 2.0, 5.0, 1e6])
def test_weights_are_those_of_a_search(target, most):
    sums = np.random.default_rng(3).lognormal(3, 1.5, (3, BINS))
    shares = sums / sums.sum(1, keepdims=True)
    wanted = {"mean": shares.mean(0), "flat": np.ones(BINS), "b": shares[2]}[target]
    weights = table(weighed(replace(DRAFT, target=target, max_weight=most), spectra(sums)))
    for number in range(3):
        np.testing.assert_allclose(weights[number], by_bisection(sums[number], wanted, most), rtol=1e-9)
    np.testing.assert_allclose((sums * weights).sum(1), sums.sum(1))
    if most == 1e6:
        weighted = sums * weights / sums.sum(1, keepdims=True)
        np.testing.assert_allclose(weighted, np.tile(wanted / wanted.sum(), (3, 1)))


def test_the_target_class_stays_as_it_is():
    sums = np.random.default_rng(1).uniform(1, 9, (3, BINS))
    np.testing.assert_allclose(table(weighed(replace(DRAFT, target="b"), spectra(sums)))[2], 1)


def test_bins_without_jets_have_weight_1_and_the_rest_keeps_the_sum():
    sums = np.random.default_rng(2).uniform(1, 9, (3, BINS))
    sums[0, 4:] = 0
    weights = table(weighed(DRAFT, spectra(sums)))
    assert (weights[0, 4:] == 1).all()
    assert (sums[0] * weights[0]).sum() == pytest.approx(sums[0].sum())


def test_bins_where_the_target_is_empty_have_weight_0():
    sums = np.random.default_rng(2).uniform(1, 9, (3, BINS))
    sums[2, :3] = 0
    found = weighed(replace(DRAFT, target="b"), spectra(sums, jets=np.where(sums > 0, 7, 0)))
    weights = table(found)
    assert (weights[:2, :3] == 0).all()
    assert (weights[:2, 3:] > 0).all()
    np.testing.assert_allclose((sums * weights).sum(1), sums.sum(1))
    assert [one.dropped for one in found.summary] == [0.25, 0.25, 0]


def test_bins_whose_weights_are_not_positive_are_left_as_they_are():
    sums = np.random.default_rng(2).uniform(1, 9, (3, BINS))
    sums[1, 5], sums[1, 6] = -3.0, 0.0
    weights = table(weighed(DRAFT, spectra(sums, jets=np.full(sums.shape, 4))))
    assert weights[1, 5] == weights[1, 6] == 1
    assert (sums[1] * weights[1]).sum() == pytest.approx(sums[1].sum())
    assert (weights >= 0).all()


def test_a_class_without_jets_is_no_part_of_the_mean():
    sums = np.random.default_rng(2).uniform(1, 9, (3, BINS))
    sums[0] = 0
    found = weighed(replace(DRAFT, max_weight=100.0), spectra(sums))
    weighted = sums[1:] * table(found)[1:]
    weighted /= weighted.sum(1, keepdims=True)
    np.testing.assert_allclose(weighted[0], weighted[1])
    assert (found.summary[0].jets, found.summary[0].effective, found.summary[0].capped) == (0, 0, 0)


def test_the_summary_is_that_of_a_loop_over_jets():
    random = np.random.default_rng(8)
    classes, bins = random.integers(0, 3, 3000), (random.beta(0.4, 2, 3000) * BINS).astype(int)
    bins = np.where(classes == 1, BINS - 1 - bins, bins)
    event = random.normal(1, 0.7, 3000)
    cells = classes * BINS + bins
    sums, squares = (np.bincount(cells, values, 3 * BINS) for values in (event, event**2))
    found = weighed(replace(DRAFT, max_weight=3.0), spectra(sums, np.bincount(cells, minlength=3 * BINS), squares))
    assert found.summary[0].capped > 0
    for number, one in enumerate(found.summary):
        jets = [(w, found.weights[cell]) for w, cell in zip(event, cells, strict=True) if cell // BINS == number]
        total, spread = sum(w * k for w, k in jets), sum((w * k) ** 2 for w, k in jets)
        assert one.jets == len(jets)
        assert one.effective == pytest.approx(total**2 / spread)
        assert one.effective_before == pytest.approx(sum(w for w, _ in jets) ** 2 / sum(w * w for w, _ in jets))
        assert one.capped == pytest.approx(sum(k >= 3 for _, k in jets) / len(jets))
        assert one.largest == pytest.approx(max(k for _, k in jets))


def test_everything_at_the_cap():
    sums = np.array([[1.0, 3.0], [2.0, 0.0]])
    draft = Reweighting("f", ("u", "b"), ("pt",), ((0.0, 1.0, 2.0),), target="b", max_weight=4.0)
    found = weighed(draft, spectra(sums))
    assert found.weights == pytest.approx((4, 0, 1, 1))
    with pytest.raises(UserError, match="only 25 % of the class u are where the target 'b' has jets") as error:
        weighed(replace(draft, max_weight=3.9), spectra(sums))
    assert len(str(error.value).splitlines()) <= 5


def test_a_target_without_jets_is_refused():
    sums = np.ones((3, BINS))
    sums[2] = 0
    with pytest.raises(UserError, match="there are no jets of the class b\nin a.h5"):
        weighed(replace(DRAFT, target="b"), spectra(sums), "a.h5")


JETS = Stream("jets", (Variable("mass"),), is_global=True)
TRACKS = Stream("tracks", (Variable("hits"),), capacity=6)
LABELS = (
    Label("jets", "flavour_label", "flavour_label", "class", ("u", "c", "b", "t"), ignore=(3,)),
    Label("tracks", "ftagTruthOriginLabel", "ftagTruthOriginLabel", "class", tuple("abcdefgh")),
    Label("tracks", "flavour_label", "ftagTruthOriginLabel", "class", tuple("abcdefgh")),
)
SPEC = DataSpec(
    (JETS, TRACKS),
    LABELS,
    reweighting=Reweighting(
        "flavour_label", ("u", "c", "b", "t"), ("pt", "abs(eta)"), ((20e3, 60e3, 2e5), (0.0, 0.7, 1.5, 2.5))
    ),
)


def test_the_pass_over_the_files_finds_the_sums_of_a_loop():
    arrays = make_arrays(300, seed=4)
    arrays["jets"]["weight"][::5] *= -1
    arrays["jets"]["pt"][8] = np.nan
    sample = Sample("train", arrays, SPEC, weight="weight", cells=True)
    found = Statistics.from_dict(measure([sample], rows_per_chunk=37).to_dict()).spectra
    assert found is not None
    finder, size = CellFinder(SPEC.reweighting), SPEC.reweighting.cells + 1
    jets, weights, squares = np.zeros(size, int), np.zeros(size), np.zeros(size)
    origins = np.zeros((size, 8))
    for jet, tracks in zip(arrays["jets"], arrays["tracks"], strict=True):
        flavour = int(jet["flavour_label"]) if jet["flavour_label"] != 3 else -1
        (cell,) = finder(np.array([jet]), {"flavour_label": np.array([flavour])})
        weight = float(jet["weight"])
        jets[cell] += 1
        weights[cell] += weight
        squares[cell] += weight**2
        for track in tracks[tracks["valid"]]:
            origins[cell, track["ftagTruthOriginLabel"]] += weight
    assert found.jets == jets.tolist()
    assert jets[-1] == 76
    np.testing.assert_allclose(found.weights, weights, atol=1e-9)
    np.testing.assert_allclose(found.squares, squares)
    np.testing.assert_allclose(found.labels["tracks"]["ftagTruthOriginLabel"], origins, atol=1e-9)
    factors = np.linspace(0.1, 3, size - 1)
    counts = effective_counts(replace(SPEC.reweighting, weights=tuple(factors)), origins.tolist())
    np.testing.assert_allclose(counts, (np.append(factors, 1)[:, None] * origins).sum(0))


def test_only_labels_and_bins_decide_what_is_found_again():
    def key(**changes) -> str:
        spec = replace(SPEC, reweighting=replace(SPEC.reweighting, **changes))
        return statistics_key([Sample("train", make_arrays(20), spec, cells=True)])

    assert key() == key(target="b", max_weight=3.0, mode="sampling", weights=(1.0,))
    assert key() != key(variables=("pt", "eta"))
    assert key() != key(edges=((20e3, 2e5), (0.0, 0.7, 1.5, 2.5)))
    plain = Sample("train", make_arrays(20), SPEC)
    assert statistics_key([plain]) == statistics_key(
        [Sample("train", make_arrays(20), replace(SPEC, reweighting=None))]
    )
    assert next(plain.chunks()).cells is None


def test_variables_whose_bins_tell_no_jets_apart():
    edges = ((20.0, 50.0, 90.0), (0.0, 1.0, 2.0), (0.0, 9.0))
    draft = Reweighting("f", ("u", "b"), ("pt", "eta", "mass"), edges)

    def undivided(*jets):
        sums = np.zeros((2, 2, 2, 1))
        for place in jets:
            sums[place] = 5
        return weighed(draft, spectra(sums)).undivided

    assert undivided((0, 0, 0, 0), (1, 0, 1, 0)) == ("pt",)
    assert undivided((0, 0, 1, 0), (1, 1, 1, 0)) == ("eta",)
    assert undivided((0, 0, 0, 0), (1, 1, 1, 0)) == ()
    assert undivided((0, 1, 1, 0)) == ("pt", "eta")
