from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_runs import make_file, make_run

from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.loading import load
from salt_like.loading.importance import importance
from salt_like.loading.tagger import LoadedTagger


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> LoadedTagger:
    found = load(make_run(tmp_path_factory.mktemp("run") / "run"))
    assert isinstance(found, LoadedTagger)
    return found


def sample(tagger: LoadedTagger, folder: Path, number: int = 200) -> Sample:
    return Sample("mixed", [make_file(folder / "a.h5", number, 3)], tagger.spec)


def test_losses_are_those_of_all_jets_together(tagger: LoadedTagger, tmp_path: Path) -> None:
    jets = sample(tagger, tmp_path)
    found = importance(tagger, jets, 200)
    (columns,) = jets.chunks()
    assert found.jets == 200
    assert set(found.losses) == set(tagger.tagger.tasks)
    for task, (total, number) in tagger.losses(columns).items():
        assert found.losses[task] == pytest.approx(total / number, rel=1e-4)
    names = [(stream.name, one.name) for stream in tagger.spec.streams for one in stream.variables]
    assert [(one.stream, one.name) for one in found.inputs] == names


def test_only_inputs_that_the_network_reads_matter(tagger: LoadedTagger, tmp_path: Path) -> None:
    from copy import deepcopy

    deaf = deepcopy(tagger)
    place = [one.name for one in deaf.spec.stream("tracks").variables].index("d0")
    original = deaf._batch

    def without(columns):
        columns.inputs["tracks"][:, place] = 1.0
        return original(columns)

    deaf._batch = without  # type: ignore[method-assign]
    found = {one.name: one for one in importance(deaf, sample(tagger, tmp_path), 200).inputs}
    for value, error in found["d0"].increase.values():
        assert (value, error) == (0, 0)
    assert any(abs(value) > 0 for value, _ in found["hits"].increase.values())


def test_it_is_the_same_every_time_and_can_be_written(tagger: LoadedTagger, tmp_path: Path) -> None:
    jets = sample(tagger, tmp_path)
    seen: list[tuple[int, int]] = []
    first = importance(tagger, jets, 100, lambda done, total: seen.append((done, total)))
    assert first == importance(tagger, jets, 100)
    assert first.jets == 100
    assert seen == [(number, 5) for number in range(1, 6)]
    plain = json.loads(json.dumps(first.plain(), allow_nan=False))
    value, error = first.inputs[0].increase["flavour"]
    assert plain["inputs"][0]["increase"]["flavour"] == {"value": value, "error": error}
    assert plain["losses"]["flavour"] == pytest.approx(np.log(3), rel=1)


def test_few_and_no_jets(tagger: LoadedTagger, tmp_path: Path) -> None:
    assert importance(tagger, sample(tagger, tmp_path, 7), 2000).jets == 7
    from dataclasses import replace

    streams = (replace(tagger.spec.streams[0], selection="pt < -1"), *tagger.spec.streams[1:])
    none = Sample("mixed", [tmp_path / "a.h5"], replace(tagger.spec, streams=streams))
    with pytest.raises(UserError, match="no jets left of the 7"):
        importance(tagger, none, 2000)
