from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from field_files import make_arrays, write
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from salt_like.batch import Batch
from salt_like.data.augment import ConstituentDropout
from salt_like.data.cache import CacheUnavailableError, list_caches
from salt_like.data.loader import PackedSteps
from salt_like.data.module import Data
from salt_like.data.stream import FileSteps, StreamedSteps
from salt_like.errors import UserError

INPUTS = {"jets": ["pt", "eta"], "tracks": ["d0", "pt"]}
REQUESTS = [
    {"stream": "jets", "name": "flavour_label", "kind": "class"},
    {"stream": "tracks", "name": "ftagTruthVertexIndex", "kind": "index", "pairs": True},
]
JETS, VAL = 200, 90


@pytest.fixture
def make(tmp_path):
    """A data module on files that are made once per test; `events` and sizes are those of the constants above."""
    for number, (name, size) in enumerate({"train": JETS, "val": VAL, "test": 40}.items()):
        arrays = make_arrays(size, seed=number)
        arrays["jets"]["eventNumber"] += number * 1000
        write(tmp_path / f"{name}.h5", arrays)

    def make(**changes: Any) -> Data:
        given = {
            "inputs": INPUTS,
            "train": str(tmp_path / "train.h5"),
            "val": str(tmp_path / "val.h5"),
            "test": str(tmp_path / "test.h5"),
            "batch_size": 32,
            "cache_dir": str(tmp_path / "cache"),
            "requests": REQUESTS,
        }
        return Data(**{**given, **changes})

    return make


def rows(loader) -> list[int]:
    return [row for batch in loader for row in batch.rows.tolist()]


def test_loaders_of_all_kinds(make):
    data = make()
    train, val, (test,), (predict,) = (
        data.train_dataloader(),
        data.val_dataloader(),
        data.test_dataloader(),
        data.predict_dataloader(),
    )
    assert len(train) == 7
    shuffled = rows(train)
    assert sorted(shuffled) == list(range(JETS))
    assert shuffled != sorted(shuffled)
    assert rows(val) == list(range(VAL))
    assert rows(test) == rows(predict) == list(range(40))
    batch = next(iter(train))
    assert isinstance(batch, Batch)
    assert set(batch.labels) == {"jets", "tracks"}
    assert set(batch.pairs) == {"tracks"}
    assert len(batch.buckets) == 8
    assert next(iter(predict)).labels == {}
    assert set(next(iter(test)).labels) == {"jets", "tracks"}


def test_batches_hold_what_is_in_the_file(make):
    arrays = make_arrays(JETS, seed=0)
    for batch in make().train_dataloader():
        jets = arrays["jets"][batch.rows.numpy()]
        np.testing.assert_array_equal(batch.inputs["jets"][:, 0], jets["pt"])
        np.testing.assert_array_equal(batch.labels["jets"]["flavour_label"], jets["flavour_label"])
        tracks = arrays["tracks"][batch.rows.numpy()]
        np.testing.assert_array_equal(batch.inputs["tracks"][:, 0], tracks["d0"][tracks["valid"]])


def test_with_and_without_cache_the_same_jets(make):
    cached, streamed = make(), make(cache=False)
    cached.setup("fit")
    streamed.setup("fit")
    assert isinstance(cached._steps["train"], PackedSteps)
    assert isinstance(streamed._steps["train"], StreamedSteps)
    assert isinstance(streamed._steps["val"], FileSteps)
    assert sorted(rows(streamed.train_dataloader())) == list(range(JETS))
    assert rows(streamed.val_dataloader()) == rows(cached.val_dataloader())
    assert len(list_caches(cached.cache.folder)) == 2


def test_the_description_has_statistics_of_the_training_file(make):
    arrays = make_arrays(JETS, seed=0)
    spec = make().spec
    assert spec.stream("jets").variables[0].mean == pytest.approx(arrays["jets"]["pt"].mean())
    assert spec.label("jets", "flavour_label").counts == (50, 50, 50, 50)
    assert spec == make().spec  # the second time out of the cache


def test_statistics_follow_the_file(make, tmp_path):
    before = make().spec
    write(tmp_path / "train.h5", make_arrays(JETS, seed=9))
    after = make().spec
    assert after.stream("jets").variables[0].mean != before.stream("jets").variables[0].mean
    assert sorted(rows(make().train_dataloader())) == list(range(JETS))


def test_a_cache_of_a_changed_file_is_never_read(make, tmp_path):
    rows(make().train_dataloader())
    arrays = make_arrays(JETS, seed=9)
    write(tmp_path / "train.h5", arrays)
    batch = next(iter(make().train_dataloader()))
    np.testing.assert_array_equal(batch.inputs["jets"][:, 0], arrays["jets"]["pt"][batch.rows.numpy()])


def test_a_given_description_wins_and_needs_no_training_file(make):
    spec = make().spec
    data = make(train=None, val=None, inputs=None, spec=spec)
    assert data.spec is spec
    assert rows(data.test_dataloader()[0]) == list(range(40))


def test_named_samples(make, tmp_path):
    paths = {name: str(tmp_path / f"{name}.h5") for name in ("train", "val", "test")}
    data = make(train={"a": paths["train"], "b": paths["val"]}, val=None, test={"x": paths["test"], "y": paths["val"]})
    with pytest.raises(UserError, match=r"data.train.b and data.test.y share 45 events"):
        data.setup("fit")
    data = make(
        train={"a": paths["train"], "b": paths["val"]},
        val=None,
        fractions={"a": 0.75, "b": 0.25},
        num_train=80,
    )
    found = rows(data.train_dataloader())
    assert [sum(row < JETS for row in found), sum(row >= JETS for row in found)] == [60, 20]
    data = make(train={"a": paths["train"], "b": paths["val"]}, val=None, num_train=29)
    found = rows(data.train_dataloader())
    assert [sum(row < JETS for row in found), sum(row >= JETS for row in found)] == [20, 9]
    data = make(test={"x": paths["test"], "y": paths["val"]}, num_test=30)
    assert list(data.test_samples()) == ["x", "y"]
    assert [rows(loader) for loader in data.test_dataloader()] == [list(range(30))] * 2
    assert (
        make(train={"a": paths["train"], "b": paths["val"]}, num_train=1000).spec
        == make(train={"a": paths["train"], "b": paths["val"]}).spec
    )


def test_samples_of_different_names_may_share_event_numbers(make, tmp_path):
    # the same number in another process is another event
    for name in ("train", "val"):
        write(tmp_path / f"{name}-b.h5", make_arrays(JETS, seed=5))
    both = {
        "train": {"a": str(tmp_path / "train.h5"), "b": str(tmp_path / "test.h5")},
        "val": {"a": str(tmp_path / "val.h5"), "b": str(tmp_path / "train-b.h5")},
    }
    make(**both, test=None).setup("fit")
    with pytest.raises(UserError, match=r"data.train.a and data.val.c share 100 events"):
        make(train=both["train"], val={"a": both["val"]["a"], "c": both["val"]["b"]}, test=None).setup("fit")


@pytest.mark.parametrize("cache", [True, False])
def test_limits(make, cache, monkeypatch):
    monkeypatch.setattr(FileSteps.__init__, "__defaults__", (0, 1, 16))  # blocks behind the limit have no jets
    data = make(num_train=50, num_val=10, num_test=10, cache=cache)
    assert rows(data.test_dataloader()[0]) == list(range(10))
    assert len(rows(data.train_dataloader())) == 50
    assert rows(data.val_dataloader()) == list(range(10))


def test_overlap_is_refused_unless_allowed(make, tmp_path):
    same = {"val": str(tmp_path / "train.h5"), "test": None}
    for _ in range(2):  # a refusal is not kept
        with pytest.raises(UserError, match=r"data.train and data.val share 100 events, of 100 in data.val"):
            make(**same).setup("fit")
    make(**same, allow_overlap=True).setup("fit")


def test_one_file_is_split_by_event(make):
    split = {"by": "eventNumber", "fractions": [0.6, 0.2, 0.2]}
    data = make(split=split, val=None, test=None)
    data.setup("fit")
    found = [rows(data.train_dataloader()), rows(data.val_dataloader()), rows(data.test_dataloader()[0])]
    assert sorted(row for part in found for row in part) == list(range(JETS))
    assert 100 < len(found[0]) < 140
    events = [{row // 2 for row in part} for part in found]
    assert sum(map(len, events)) == JETS // 2
    assert sorted(make(split={**split, "fractions": [0.8, 0.2, 0]}, val=None, test=None).splits.files) == [
        "train",
        "val",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": {"by": "eventNumber", "fractions": [0.8, 0.2]}}, r"data.split must be \{by: eventNumber"),
        ({"split": {"fractions": [0.8, 0.1, 0.1]}}, r"data.split must be \{by: eventNumber"),
        ({"split": {"by": "eventNumber", "fraction": [1]}}, r"no key 'fraction' \(did you mean 'fractions'\?\)"),
        ({"split": {"by": "eventNumber", "fractions": [0.8, 0.1, 0.1]}}, r"leave out data.val"),
        ({"train": None}, r"data.train is not given"),
        ({"batch_size": 0}, r"data.batch_size must be at least 1, not 0"),
        ({"accumulate": 0}, r"data.accumulate must be at least 1, not 0"),
        ({"train": "nowhere.h5"}, r"no such file: nowhere.h5 \(data.train\)"),
        ({"inputs": None}, r"data.inputs names no variable"),
    ],
)
def test_refused_arguments(make, change, message):
    if "split" in change and "leave" not in message:
        change = {**change, "val": None, "test": None}
    with pytest.raises(UserError, match=message):
        make(**change)


def test_no_files_to_test_on(make):
    with pytest.raises(UserError, match=r"data.test is not given"):
        make(test=None).test_dataloader()


def test_no_validation(make):
    data = make(val=None)
    assert data.val_dataloader() == []
    assert not data.validates
    assert make().validates


def test_negative_weights_are_counted(make, tmp_path):
    arrays = make_arrays(JETS, seed=0)
    arrays["jets"]["weight"][:7] *= -1
    write(tmp_path / "train.h5", arrays)
    assert make(weight="weight").negative_weights == 7
    assert make().negative_weights == 0
    assert make(spec=make().spec, train=None, weight="weight").negative_weights == 0


def test_no_jets_after_the_selection(make):
    with pytest.raises(UserError, match=r"no jets left of the 200 of the sample 'train'\nafter the selection pt < 0"):
        make(select={"jets": "pt < 0"})
    spec = make(select={"jets": "eventNumber < 1000"}, inputs=INPUTS).spec
    with pytest.raises(UserError, match=r"no jets left of the 40 of the sample 'test'\nafter the selection event"):
        make(spec=spec).test_dataloader()
    with pytest.raises(UserError, match=r"no jets left of the 90 of the sample 'val'"):
        make(spec=spec).val_dataloader()


def test_weights_have_mean_one(make):
    data = make(weight="weight", requests=[*REQUESTS])
    weights = torch.cat([batch.weights for batch in data.train_dataloader()])
    assert float(weights.mean()) == pytest.approx(1, rel=1e-5)
    assert data.weight_scale == pytest.approx(make_arrays(JETS, seed=0)["jets"]["weight"].mean(), rel=1e-5)
    assert next(iter(data.val_dataloader())).weights is not None
    assert next(iter(data.predict_dataloader()[0])).weights is None
    assert next(iter(make().train_dataloader())).weights is None
    alone = make(weight="weight", spec=data.spec, train=None)
    assert alone.weight_scale == 1


def test_augmentation_in_training_only(make):
    data, plain = make(augment=[ConstituentDropout("tracks", 0.5)]), make()

    def tracks(loader) -> int:
        return sum(batch.inputs["tracks"].shape[0] for batch in loader)

    assert tracks(data.train_dataloader()) < 0.7 * tracks(plain.train_dataloader())
    assert tracks(data.val_dataloader()) == tracks(plain.val_dataloader())
    assert tracks(data.test_dataloader()[0]) == tracks(plain.test_dataloader()[0])
    assert data.spec == plain.spec


def test_padded_layout(make):
    batch = next(iter(make(layout="padded").train_dataloader()))
    assert batch.inputs["tracks"].shape == (32, 6, 2)
    assert batch.pairs == {}


def test_a_cache_that_cannot_be_written(make, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    folder = str(tmp_path / "file")
    data = make(cache_dir=folder)
    assert sorted(rows(data.train_dataloader())) == list(range(JETS))
    assert rows(data.val_dataloader()) == list(range(VAL))
    assert isinstance(data._steps["train"], StreamedSteps)
    assert isinstance(data._steps["val"], FileSteps)
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]  # once for all
    assert said.startswith(f"nothing can be kept in {folder}, so the files are read anew each time")
    with pytest.raises(CacheUnavailableError, match=r"the cache cannot be written"):
        make(cache_dir=folder, cache=True).setup("fit")


def test_label_maps_of_requests_as_yaml_gives_them(make):
    mapped = {
        "stream": "jets",
        "name": "HadronConeExclTruthLabelID",
        "kind": "class",
        "label_map": {"0": "light", "4": "heavy", "5": "heavy", "15": "light"},
        "classes": ["light", "heavy"],
        "where": None,
        "pairs": False,
    }
    data = make(requests=[mapped])
    (label,) = data.spec.labels
    assert label.classes == ("light", "heavy")
    assert label.counts == (100, 100)


# --- together with Lightning


class Recorder(LightningModule):
    """Learns nothing and writes down which rows it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[list[int]] = []
        self.validated: list[int] = []

    def training_step(self, batch, index):
        self.seen.append(
            [row for one in (batch if isinstance(batch, tuple) else (batch,)) for row in one.rows.tolist()]
        )
        return self.weight * 0

    def validation_step(self, batch, index):
        self.validated += batch.rows.tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class SaveAlways(Callback):
    """A checkpoint after every step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer, *unused):
        trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


def fit(data: Data, folder: Path, resume: int | None = None, **options: Any) -> Recorder:
    model = Recorder()
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[SaveAlways(folder)] if resume is None else [],
        **options,
    )
    trainer.fit(model, datamodule=data, ckpt_path=None if resume is None else folder / f"{resume}.ckpt")
    return model


@pytest.mark.filterwarnings("ignore:.*weights_only.*", "ignore:.*isinstance.treespec, LeafSpec")
@pytest.mark.parametrize(
    "options", [{}, {"accumulate": 2}, {"cache": False}, {"num_workers": 2, "start_method": "fork"}]
)
def test_a_resumed_run_sees_the_jets_that_the_straight_one_sees(make, tmp_path, options):
    straight = fit(make(**options), tmp_path)
    steps = len(straight.seen) // 3
    assert sorted(row for batch in straight.seen[:steps] for row in batch) == list(range(JETS))
    assert straight.validated[-VAL:] == list(range(VAL))
    for step in (2, steps, steps + 3):
        again = fit(make(**options), tmp_path, resume=step)
        assert again.seen == straight.seen[step:]


@pytest.mark.filterwarnings("ignore:.*weights_only.*", "ignore:.*isinstance.treespec, LeafSpec")
def test_epochs_that_are_cut_short_start_anew(make, tmp_path):
    whole = [[batch.rows.tolist() for batch in loader] for loader in [make().train_dataloader()] * 3]
    straight = fit(make(), tmp_path, limit_train_batches=4)
    assert straight.seen == [batch for epoch in whole for batch in epoch[:4]]
    again = fit(make(), tmp_path, resume=4, limit_train_batches=4)
    assert again.seen == straight.seen[4:]


def test_state_without_a_loader(make):
    data = make()
    assert data.state_dict() == {}
    data.load_state_dict({})
    data.load_state_dict({"epoch": 1, "done": 2, "of": 7})
    assert data.state_dict() == {"epoch": 1, "done": 2, "of": 7}
    continued = rows(data.train_dataloader())
    loader = make().train_dataloader()
    rows(loader)
    assert continued == rows(loader)[64:]
    data.load_state_dict({"epoch": 1, "done": 2, "of": 7})
    assert rows(data._train_loader) == continued
