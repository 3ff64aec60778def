from __future__ import annotations

import numpy as np
import pytest
from field_files import make_arrays, write

from salt_like.data.columns import Columns
from salt_like.data.mixture import Mixture, shared_out
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Stream, Variable

SPEC = DataSpec(
    streams=(
        Stream("jets", (Variable("pt"),), is_global=True),
        Stream("tracks", (Variable("d0"),), capacity=6),
    ),
    event=("eventNumber",),
)


@pytest.fixture
def mixture(tmp_path) -> Mixture:
    samples = {}
    for name, number in {"a": 30, "b": 20, "c": 10}.items():
        arrays = make_arrays(number, seed=number)
        arrays["jets"]["eventNumber"] += number * 100
        samples[name] = Sample(name, [write(tmp_path / f"{name}.h5", arrays)], SPEC)
    return Mixture(samples)


def test_rows_count_over_all_samples(mixture):
    columns = Columns.concatenate(list(mixture.chunks()))
    assert columns.rows.tolist() == list(range(60))
    assert mixture.rows == mixture.count() == 60
    pts = np.concatenate([make_arrays(number, seed=number)["jets"]["pt"] for number in (30, 20, 10)])
    np.testing.assert_array_equal(columns.inputs["jets"][:, 0], pts)


@pytest.mark.parametrize(("first", "last"), [(0, 10), (25, 35), (30, 50), (29, 51), (50, 60), (45, 99), (7, 8)])
def test_any_rows(mixture, first, last):
    columns = Columns.concatenate(list(mixture.chunks(first=first, last=last)))
    assert columns.rows.tolist() == list(range(first, min(last, 60)))


def test_events_of_all(mixture):
    assert len(mixture.events()) == 30


def test_the_fingerprint_knows_every_sample(mixture):
    names = list(mixture.samples)
    one = Mixture({name: mixture.samples[name] for name in names}).fingerprint()
    assert one == mixture.fingerprint()
    assert Mixture({name: mixture.samples[name] for name in names[:2]}).fingerprint() != one
    assert Mixture({name: mixture.samples[name] for name in reversed(names)}).fingerprint() != one


def test_fractions_of_named_samples():
    samples = {"ttbar": Sample("ttbar", make_arrays(100), SPEC), "zprime": Sample("zprime", make_arrays(40), SPEC)}
    assert shared_out(samples, {"ttbar": 0.5, "zprime": 0.5}, None) == {"ttbar": 40, "zprime": 40}
    assert shared_out(samples, {"ttbar": 0.8, "zprime": 0.2}, None) == {"ttbar": 100, "zprime": 25}
    assert shared_out(samples, {"ttbar": 0.8, "zprime": 0.2}, 50) == {"ttbar": 40, "zprime": 10}
    with pytest.raises(UserError, match=r"asks for 100 jets, of which 0\.5 from 'zprime': it has 40, enough for 80"):
        shared_out(samples, {"ttbar": 0.5, "zprime": 0.5}, 100)
    with pytest.raises(UserError, match=r"names 'zprim' \(did you mean 'zprime'\?\).*\n.*: ttbar, zprime"):
        shared_out(samples, {"ttbar": 0.5, "zprim": 0.5}, None)
    with pytest.raises(UserError, match=r"lacks the training sample 'zprime'.*\n.* each of: ttbar, zprime"):
        shared_out(samples, {"ttbar": 1.0}, None)
    for wrong in ({"ttbar": 0.5, "zprime": 0.4}, {"ttbar": 0.0, "zprime": 1.0}):
        with pytest.raises(
            UserError, match=r"must be positive and sum to 1, not to .*\ntraining samples: ttbar, zprime"
        ):
            shared_out(samples, wrong, None)
