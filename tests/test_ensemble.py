"""Several taggers as one: means by another route, in both layouts, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jets
import numpy as np
import pytest
import torch

from salt_like.encoders import DeepSets, Transformer
from salt_like.ensemble import EnsembleTagger, unlike
from salt_like.sets import layout_of
from salt_like.spec import DataSpec, Discriminant
from salt_like.tagger import Tagger
from salt_like.tasks import Classification, GaussianRegression, Regression, SetPrediction, Task, Vertexing

SCALES = {"none": {}, "standardise": {}, "log": {}, "ratio": {"denominator": "pt"}}
TASKS = {
    "flavour": partial(Classification, stream="jets", label="flavour_label"),
    "origin": partial(Classification, stream="tracks", label="origin"),
    "vertices": partial(Vertexing, stream="tracks", label="vertex"),
    "energy": partial(Regression, stream="jets", label="truth_pt", scale="log"),
}
TRANSFORMER = partial(Transformer, layers=1, heads=2)


def described(**changes) -> DataSpec:
    """The data as another training saw them: other means and widths, and `changes` of the label of the momentum."""
    spec = replace(jets.spec(), discriminants=(Discriminant("Db", "bjets", {"cjets": 0.2, "ujets": 0.8}),))
    label = replace(spec.label("jets", "truth_pt"), **changes)
    return replace(spec, labels=tuple(label if one.name == "truth_pt" else one for one in spec.labels))


def member(seed: int, spec: DataSpec | None = None, tasks=TASKS, encoder=TRANSFORMER, dim: int = 8) -> Tagger:
    torch.manual_seed(seed)
    made = Tagger(described() if spec is None else spec, dim, tasks, encoder=encoder)
    return jets.randomise(made, seed).double().eval()


def said(tagger: Tagger, batch) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        return {output.field: values for output, values in tagger.predict(jets.doubled(batch)).items()}


def of_several(count: int = 3) -> list[Tagger]:
    """Members of different architecture, width, normalisation and scale of the momentum."""
    moved = described(mean=6e4, std=3e4)
    other = replace(
        moved, streams=(replace(moved.streams[0], variables=jets.spec().streams[0].variables[:2]), *moved.streams[1:])
    )
    variables = tuple(replace(one, mean=one.mean + 0.3, std=1.7) for one in moved.stream("tracks").variables)
    streams = tuple(replace(one, variables=variables) if one.name == "tracks" else one for one in other.streams)
    made = [member(0), member(1, replace(other, streams=streams), encoder=DeepSets, dim=12), member(2)]
    return made[:count]


def test_one_member_says_what_it_says_alone():
    alone, batch = member(3), jets.packed(jets.make())
    one, expected = said(EnsembleTagger([alone], spread=False), batch), said(alone, batch)
    assert list(one) == list(expected)
    for field, values in expected.items():
        torch.testing.assert_close(one[field], values, rtol=1e-12, atol=1e-12)


def test_the_same_twice_has_no_spread():
    batch = jets.packed(jets.make())
    twice, once = said(EnsembleTagger([member(3), member(3)]), batch), said(member(3), batch)
    spreads = [field for field in twice if field not in once]
    assert spreads == [*(f"p{name}_spread" for name in ("u", "c", "b", "tau")), "truth_pt_spread"]
    assert all((twice[field] == 0).all() for field in spreads[:-1])
    assert (twice["truth_pt_spread"] == 0).all()
    for field, values in once.items():
        torch.testing.assert_close(twice[field], values, rtol=1e-12, atol=1e-12)


def test_probabilities_and_values_are_means_of_the_members_and_spreads_their_standard_deviations():
    members, batch = of_several(), jets.packed(jets.make(30))
    alone, found = [said(one, batch) for one in members], said(EnsembleTagger(members), batch)
    for field in ("pu", "pc", "pb", "ptau", "ppileup", "pfake", "pprimary", "pfromB", "truth_pt"):
        values = np.stack([one[field].numpy() for one in alone])
        np.testing.assert_allclose(found[field], values.mean(0), rtol=1e-10)
        assert values.std(0).mean() > 0.01 * values.mean()
        if f"{field}_spread" in found:
            np.testing.assert_allclose(found[f"{field}_spread"], values.std(0), rtol=1e-6)
    expected = (found["pb"] / (0.2 * found["pc"] + 0.8 * found["pu"])).log()
    np.testing.assert_allclose(found["Db"], expected, rtol=1e-10)
    assert "ppileup_spread" not in found  # of jets only


def test_vertices_are_those_of_the_mean_probabilities_of_pairs():
    members, content = of_several(), jets.make(40)
    batch = jets.doubled(jets.packed(content))
    with torch.no_grad():  # one that is surer than the others, which a mean of logits would follow
        for one, width in zip(members, (6, 1, 1), strict=True):
            *_, weight, bias = one.task("vertices").head.parameters()
            values = one(batch)["vertices"]
            weight *= width / values.std()
            bias.copy_((bias - values.median()) * width / values.std())
    with torch.inference_mode():
        logits = [one(batch)["vertices"] for one in members]
    mean = np.mean([torch.sigmoid(one).numpy() for one in logits], 0)
    assert ((mean > 0.5) != (np.mean([one.numpy() for one in logits], 0) > 0)).any()
    found, joined, first = said(EnsembleTagger(members), batch)["VertexIndex"].numpy(), 0, 0
    pairs = layout_of(batch, "tracks").pairs(torch.arange(len(found)))
    ends = {(int(a), int(b)): float(p) for a, b, p in zip(pairs[0], pairs[1], mean, strict=True)}
    for tracks in content.tracks:
        group = list(range(first, first + len(tracks)))
        vertex = {one: one for one in group}
        for one in group:
            for two in group:
                if one < two and ends.get((one, two), ends.get((two, one))) > 0.5:
                    old, joined = vertex[two], joined + 1
                    vertex = {key: vertex[one] if value == old else value for key, value in vertex.items()}
        numbers = {value: number for number, value in enumerate(dict.fromkeys(vertex.values()))}
        assert [numbers[vertex[one]] for one in group] == found[first : first + len(tracks)].tolist()
        first += len(tracks)
    assert 0 < joined < len(mean)
    singles = [said(one, batch)["VertexIndex"].numpy() for one in members]
    assert all((one != found).any() for one in singles)


@pytest.mark.parametrize("scale", SCALES)
def test_values_with_widths_are_the_moments_of_the_mixture(scale):
    task = partial(GaussianRegression, stream="jets", label="truth_pt", scale=scale, **SCALES[scale])
    specs = [described(), described(mean=7e4, std=5e4), described(mean=3e4, std=1e4)]
    members = [member(seed, spec, {"energy": task}) for seed, spec in enumerate(specs)]
    batch = jets.packed(jets.make(20))
    alone, found = [said(one, batch) for one in members], said(EnsembleTagger(members), batch)
    values, widths = (np.stack([one[field].numpy() for one in alone]) for field in ("truth_pt", "truth_pt_stddev"))
    np.testing.assert_allclose(found["truth_pt"], values.mean(0), rtol=1e-9)
    moments = np.sqrt((values**2 + widths**2).mean(0) - values.mean(0) ** 2)
    np.testing.assert_allclose(found["truth_pt_stddev"], moments, rtol=1e-6)
    np.testing.assert_allclose(found["truth_pt_spread"], values.std(0), rtol=1e-6)
    assert (values.std(0) > 0).all()


@pytest.mark.parametrize("scale", SCALES)
def test_values_are_averaged_in_their_unit_on_every_scale(scale):
    task = partial(Regression, stream="jets", label="truth_pt", scale=scale, **SCALES[scale])
    members = [member(0, described(), {"e": task}), member(1, described(mean=7e4, std=5e4), {"e": task})]
    batch = jets.packed(jets.make(20))
    alone = np.stack([said(one, batch)["truth_pt"].numpy() for one in members])
    np.testing.assert_allclose(said(EnsembleTagger(members), batch)["truth_pt"], alone.mean(0), rtol=1e-9)


def test_packed_equals_padded():
    tagger, content = EnsembleTagger(of_several()), jets.make(25)
    one, other = said(tagger, jets.packed(content)), said(tagger, jets.padded(content, 9, garbage=1e3))
    layout = layout_of(jets.packed(content), "tracks")
    for output in tagger.outputs:
        left, right = one[output.field], other[output.field]
        if output.stream == "tracks":
            valid = torch.arange(9) < layout.counts[:, None]
            left, right = layout.to_padded(left, 9)[valid], right[valid]
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


def test_members_of_other_class_fractions_are_averaged_for_those_of_the_first():
    label = jets.spec().label("jets", "flavour_label")
    fractions = (0.1, 0.2, 0.3, 0.4)
    changed = replace(described(), labels=(replace(label, prior=fractions), *described().labels[1:]))
    members, batch = [member(0), member(1, changed)], jets.packed(jets.make(20))
    one, two = (np.stack([said(m, batch)[f"p{n}"].numpy() for n in ("u", "c", "b", "tau")]) for m in members)
    two = two * (np.array(label.prior) / fractions)[:, None]
    expected = (one + two / two.sum(0)) / 2
    found = said(EnsembleTagger(members), batch)
    for number, name in enumerate(("u", "c", "b", "tau")):
        np.testing.assert_allclose(found[f"p{name}"], expected[number], rtol=1e-9)


def test_losses_are_those_of_the_mean():
    members, batch = of_several(2), jets.doubled(jets.packed(jets.make(30)))
    tagger = EnsembleTagger(members)
    with torch.inference_mode():
        logits = tagger(batch)
        total, number = tagger.task("flavour").loss_terms(logits["flavour"], batch)
        found = said(tagger, batch)
    chosen = torch.stack([found[f"p{name}"] for name in ("u", "c", "b", "tau")], -1)
    flavour = batch.labels["jets"]["flavour_label"]
    assert float(number) == len(flavour)
    np.testing.assert_allclose(float(total), -chosen[torch.arange(30), flavour].log().sum(), rtol=1e-6)


def changed_stream(name: str, **changes) -> DataSpec:
    spec = described()
    return replace(spec, streams=tuple(replace(one, **changes) if one.name == name else one for one in spec.streams))


def tracks(*names: str) -> DataSpec:
    known = {one.name: one for one in jets.spec().stream("tracks").variables}
    return changed_stream("tracks", variables=tuple(known[name] for name in names))


MERGED = {0: "light", 1: "light", 2: "bjets", 3: "taujets"}


@pytest.mark.parametrize(
    ("spec", "tasks", "message"),
    [
        (tracks("d0", "z0", "nHits"), TASKS, "they read different variables of 'tracks': only one reads lepton"),
        (tracks("z0", "d0", "nHits", "lepton"), TASKS, "variables of 'tracks' in different orders"),
        (changed_stream("flows", variables=()), TASKS, "different streams: jets, tracks, flows; and jets, tracks"),
        (changed_stream("tracks", selection="d0 < 1"), TASKS, "selection of 'tracks' differs: None; and d0 < 1"),
        (changed_stream("tracks", max_constituents=3), TASKS, "max_constituents of 'tracks' differs"),
        (replace(described(), discriminants=()), TASKS, "different discriminants"),
        (described(unit="GeV"), TASKS, "task 'energy' has different outputs: truth_pt"),
        (described(), {"flavour": TASKS["flavour"]}, "different tasks: flavour, origin, vertices, energy; and flavour"),
        (described(), {**TASKS, "vertices": partial(TASKS["vertices"], threshold=0.7)}, "thresholds differ"),
        (described(), {**TASKS, "energy": partial(TASKS["energy"], scale="none")}, "scales of 'truth_pt'"),
        (described(), {**TASKS, "flavour": partial(TASKS["flavour"], class_weights=[0, 1, 1, 1])}, "saw class 'ujets'"),
    ],
    ids=lambda one: one[:20] if isinstance(one, str) else "",
)
def test_members_that_have_no_mean_are_refused(spec, tasks, message):
    first, other = member(0), member(1, spec, tasks)
    assert message in unlike(first, other)
    with pytest.raises(ValueError, match="members 1 and 2: "):
        EnsembleTagger([first, other])
    assert unlike(other, other) == ""


def test_other_classes_are_refused_by_name():
    spec = described()
    label = replace(spec.label("jets", "flavour_label"), classes=("ujets", "cjets", "bjets", "leptons"))
    other = member(1, replace(spec, labels=(label, *spec.labels[1:]), discriminants=()))
    first = member(0, replace(spec, discriminants=()))
    assert unlike(first, other) == "task 'flavour' has different outputs: taujets; and leptons"


def test_nothing_and_tasks_without_a_mean_are_refused():
    with pytest.raises(ValueError, match="at least one member"):
        EnsembleTagger([])
    assert "not aligned" in SetPrediction.unlike(None, None)

    class Own(Classification):
        averaged = ""

    tagger = member(0, tasks={"own": partial(Own, stream="jets", label="flavour_label")})
    assert unlike(tagger, tagger) == "task 'own': there is no mean of what several Own tasks say"
    with pytest.raises(NotImplementedError):
        Task.mean(tagger.task("own"), [])
