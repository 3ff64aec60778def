from __future__ import annotations

import csv
import importlib.metadata
import json
from dataclasses import replace
from functools import partial

import jets
import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tasks.labelled import NoWaiting
from torch.utils.data import DataLoader

from salt_like.callbacks.guard import LossGuard, NonFiniteLossError
from salt_like.encoders import Transformer
from salt_like.errors import UserError
from salt_like.tasks import Classification, GaussianRegression, Regression, Vertexing
from salt_like.training import checkpoint
from salt_like.training.assemble import callbacks, trainer_defaults
from salt_like.training.module import Model
from salt_like.training.record import Record
from salt_like.training.run import Run
from salt_like.training.schedules import Constant, OneCycle

TASKS = {
    "flavour": partial(Classification, stream="jets", label="flavour_label"),
    "origin": partial(Classification, stream="tracks", label="origin", weight=0.5),
    "vertices": partial(Vertexing, stream="tracks", label="vertex", weight=1.5),
    "energy": partial(Regression, stream="jets", label="truth_pt"),
}
CONFIG = {
    "dim": 8,
    "encoder": {"class_path": "salt_like.encoders.Transformer", "init_args": {"layers": 1, "heads": 2}},
    "tasks": {
        "flavour": {
            "class_path": "salt_like.tasks.Classification",
            "init_args": {"stream": "jets", "label": "flavour_label"},
        },
        "origin": {
            "class_path": "salt_like.tasks.Classification",
            "init_args": {"stream": "tracks", "label": "origin", "weight": 0.5},
        },
    },
}


def model(tasks=TASKS, **options) -> Model:
    torch.manual_seed(1)
    return Model(jets.spec(), tasks, dim=8, encoder=partial(Transformer, layers=1, heads=2), **options)


def batches(number: int = 4, size: int = 10) -> list:
    return [jets.packed(jets.make(size, seed=seed)) for seed in range(number)]


def loader(content: list) -> DataLoader:
    return DataLoader(content, batch_size=None)


def trainer(tmp_path, **options) -> Trainer:
    return Trainer(
        **{
            **trainer_defaults(),
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "default_root_dir": tmp_path,
            "max_epochs": 1,
            **options,
        }
    )


def usual(run: Run) -> list[Callback]:
    """What every training has, without a bar."""
    made = callbacks(run, "val/loss", {}, Record(run.record, {}))
    return [one for one in made if not isinstance(one, ProgressBar)]


def train(tmp_path, one: Model, epochs: int = 1, extra=(), resume=None, **options) -> Run:
    run = Run(tmp_path / "run")
    contents = checkpoint.contents("tagger", jets.spec(), CONFIG, {})
    kept = [
        c
        for c in callbacks(run, "val/flavour/loss", contents, Record(run.record, {"command": "test"}))
        if "Progress" not in type(c).__name__
    ]
    work = trainer(tmp_path, max_epochs=epochs, callbacks=[*kept, *extra], **options)
    work.fit(one, loader(batches()), loader(batches(2, 20)), ckpt_path=resume)
    return run


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty"])
def test_accumulated_batches_have_the_gradient_of_one_large_batch(weighting):
    whole = jets.make(12)
    parts = [whole.take([0, 2, 5]), whole.take([1, 3, 4, 6, 7, 8, 9]), whole.take([10, 11])]
    gradients = []
    for content in ([whole], parts):
        one = model(weighting=weighting)
        jets.randomise(one.tagger)
        loss, means = one.objective([jets.packed(part) for part in content])
        loss.backward()
        gradients.append(({name: p.grad for name, p in one.named_parameters()}, means))
    for mine, theirs in zip(gradients[0], gradients[1], strict=True):
        for name in mine:
            torch.testing.assert_close(
                mine[name], theirs[name], rtol=2e-4, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}"
            )
    # and it is not what averaging the batches' own means would give
    averages = [model().objective([jets.packed(part)])[1]["origin"] for part in parts]
    assert abs(sum(averages) / 3 - model().objective([jets.packed(whole)])[1]["origin"]) > 1e-4


def test_accumulation_in_a_trainer_makes_the_step_of_the_large_batch(tmp_path):
    whole = jets.make(12)
    parts = tuple(jets.packed(whole.take(rows)) for rows in ([0, 2, 5], [1, 3, 4, 6, 7, 8, 9], [10, 11]))
    weights = []
    for content in (jets.packed(whole), parts):
        one = model(optimizer=partial(torch.optim.SGD, lr=0.1), schedule=Constant)
        trainer(tmp_path).fit(one, loader([content]))
        assert one.global_step == 1
        weights.append(dict(one.named_parameters()))
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-4, atol=1e-6)


def test_validation_loss_is_the_mean_over_rows_not_over_batches(tmp_path):
    one = model()
    sizes = [jets.packed(jets.make(3, seed=1)), jets.packed(jets.make(40, seed=2))]
    work = trainer(tmp_path)
    work.validate(one, loader(sizes), verbose=False)
    logits = [one(batch) for batch in sizes]
    for name in TASKS:
        terms = [one.tagger.task(name).loss_terms(out[name], batch) for out, batch in zip(logits, sizes, strict=True)]
        expected = sum(term[0] for term in terms) / sum(term[1] for term in terms)
        assert work.callback_metrics[f"val/{name}/loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    combined = one.combine({name: work.callback_metrics[f"val/{name}/loss"] for name in TASKS})
    assert work.callback_metrics["val/loss"].item() == pytest.approx(combined.item(), rel=1e-5)
    correct = sum(
        (out["flavour"].argmax(-1) == b.labels["jets"]["flavour_label"]).sum()
        for out, b in zip(logits, sizes, strict=True)
    )
    assert work.callback_metrics["val/flavour/accuracy"].item() == pytest.approx(correct.item() / 43)


def test_fixed_weights_are_those_of_the_tasks():
    one = model()
    losses = {name: torch.tensor(float(number)) for number, name in enumerate(TASKS, 1)}
    assert one.combine(losses).item() == pytest.approx(1 + 0.5 * 2 + 1.5 * 3 + 4)


def test_uncertainty_weights_find_the_inverse_of_the_loss():
    one = model(weighting="uncertainty")
    with torch.no_grad():
        one.combine.log_variances["origin"].fill_(0.7)
    losses = {name: torch.tensor(2.0) for name in TASKS}
    expected = 2 + 0.5 * 2 * torch.tensor(-0.7).exp() + 0.35 + 1.5 * 2 + 2
    assert one.combine(losses).item() == pytest.approx(expected.item())


def test_uncertainty_learns_no_weight_for_a_task_of_weight_zero():
    tasks = {name: TASKS[name] for name in ("flavour", "origin")} | {
        "width": partial(GaussianRegression, stream="jets", label="truth_pt", weight=0.0)
    }
    one = Model(jets.spec(), tasks, weighting="uncertainty")
    assert set(one.combine.log_variances) == {"flavour", "origin"}
    losses = {"flavour": torch.tensor(2.0), "origin": torch.tensor(3.0), "width": torch.tensor(-5.0)}
    assert one.combine(losses).item() == pytest.approx(2 + 0.5 * 3)


def test_uncertainty_refuses_a_loss_that_can_be_negative():
    tasks = {"width": partial(GaussianRegression, stream="jets", label="truth_pt")}
    with pytest.raises(ValueError, match="weighting 'uncertainty' cannot be used with task 'width'"):
        Model(jets.spec(), tasks, weighting="uncertainty")


def test_the_average_is_what_is_validated_and_used(tmp_path):
    one = model(ema=0.5)
    train(tmp_path, one)
    batch = batches()[0]
    assert not torch.allclose(one.tagger(batch)["flavour"], one.averaged.module(batch)["flavour"])
    torch.testing.assert_close(one(batch)["flavour"], one.averaged.module(batch)["flavour"])
    assert one.deployed is one.averaged.module
    assert model().deployed is not one.deployed


def test_a_training_writes_metrics_record_and_checkpoints(tmp_path):
    run = train(tmp_path, model(), epochs=2)
    with run.metrics.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [row["step"] for row in rows] == ["4", "8"]
    assert {"lr", "seconds", "train/loss", "train/origin/loss", "val/loss", "val/flavour/accuracy"} <= set(rows[0])
    record = json.loads(run.record.read_text())
    assert record["state"] == "finished"
    assert record["command"] == "test"
    assert record["packages"]["torch"] == importlib.metadata.version("torch")
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_checkpoints_hold_plain_data_and_give_the_model_back(tmp_path):
    torch.manual_seed(4)
    one = checkpoint.build("tagger", jets.spec(), CONFIG)
    run = train(tmp_path, one)
    saved = checkpoint.read(run.checkpoint("last"))
    assert saved.spec == jets.spec()
    assert saved.name == "tagger"
    again = checkpoint.restore(saved)
    batch = batches()[0]
    torch.testing.assert_close(again(batch)["flavour"], one.eval()(batch)["flavour"], rtol=0, atol=0)
    content = torch.load(run.checkpoint("last"), weights_only=True)
    assert {"random", "optimizer_states", "lr_schedulers", "loops", "spec", "model", "data"} <= set(content)


def test_a_resumed_training_ends_with_the_same_weights(tmp_path):
    straight = model(ema=0.9)
    train(tmp_path / "one", straight, epochs=3)
    train(tmp_path / "two", model(ema=0.9), epochs=3, extra=[StopAfter(0)])
    resumed = model(ema=0.9)
    run = train(tmp_path / "two", resumed, epochs=3, resume=tmp_path / "two" / "run" / "checkpoints" / "last.ckpt")
    for (name, mine), theirs in zip(straight.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")
    with run.metrics.open(newline="") as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["0", "1", "2"]


class StopAfter(LossGuard):
    """Ends the training after an epoch, as a user would."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch >= self.epoch


def poisoned(content):
    return replace(content, weights=torch.full((content.size,), float("nan")))


def test_a_loss_that_is_no_number_is_reported_with_its_rows(tmp_path):
    content = batches(6)
    content[3] = replace(poisoned(content[3]), rows=torch.arange(100, 110))
    run = Run(tmp_path / "run")
    work = trainer(tmp_path, callbacks=[LossGuard(interval=2), *usual(run)[1:]])
    with pytest.raises(
        NonFiniteLossError, match="since step 3 of epoch 0\nrows of that batch .*: 100, 101, 102"
    ) as raised:
        work.fit(model(), loader(content))
    assert len(str(raised.value).splitlines()) <= 5
    assert not run.checkpoints.exists()
    assert json.loads(run.record.read_text())["state"] == "failed"


def test_the_guard_asks_before_a_checkpoint_is_written(tmp_path):
    content = batches(4)
    content[3] = poisoned(content[3])
    run = Run(tmp_path / "run")
    work = trainer(tmp_path, callbacks=usual(run))
    with pytest.raises(NonFiniteLossError, match="since step 3"):
        work.fit(model(), loader(content))
    assert not run.checkpoints.exists()


def test_the_guard_asks_the_device_once_in_an_interval(tmp_path):
    asked = []

    class Counting(LossGuard):
        def _check(self, trainer):
            asked.append(trainer.global_step)

    trainer(tmp_path, callbacks=[Counting(interval=3)]).fit(model(), loader(batches(11)))
    assert asked == [3, 6, 9]


def test_shares_of_several_processes_add_up_to_the_step_of_all_their_batches():
    whole = jets.make(12)
    ranks = [whole.take([0, 2, 5]), whole.take([1, 3, 4, 6, 7, 8, 9, 10, 11])]
    alone = model()
    jets.randomise(alone.tagger)
    alone.objective([jets.packed(whole)])[0].backward()
    numbers = [[alone.tagger.task(name).count(jets.packed(part)) for name in TASKS] for part in ranks]
    mean = torch.tensor(numbers).sum(0) / 2
    gradients, asked = [], []
    for part in ranks:
        one = model()
        jets.randomise(one.tagger)
        one.objective([jets.packed(part)], share=lambda mine: asked.append(mine) or mean)[0].backward()
        gradients.append([parameter.grad for parameter in one.tagger.parameters()])
    torch.testing.assert_close(torch.stack(asked), torch.tensor(numbers))
    for parameter, first, second in zip(alone.tagger.parameters(), *gradients, strict=True):
        torch.testing.assert_close(parameter.grad, (first + second) / 2, rtol=2e-4, atol=2e-6)


def test_optimiser_and_scheduler_are_whatever_torch_has(tmp_path):
    one = model(
        optimizer=partial(torch.optim.RMSprop, lr=0.01, alpha=0.9),
        scheduler=partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1),
    )
    work = trainer(tmp_path, max_epochs=2)
    work.fit(one, loader(batches()), loader(batches(1)))
    assert isinstance(work.optimizers[0], torch.optim.RMSprop)
    assert work.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 * 0.1**2)


def test_a_scheduler_that_cannot_be_is_the_users_error(tmp_path):
    one = model(scheduler=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=2, pct_start=0.5))
    with pytest.raises(UserError, match=r"model\.scheduler cannot be used .*\n.*4 optimiser steps"):
        trainer(tmp_path).fit(one, loader(batches()))
    # and our own has no length for which it divides by zero
    for length in (1, 2, 3):
        trainer(tmp_path).fit(model(schedule=partial(OneCycle, warmup=min(1 / length, 0.5))), loader(batches(length)))


def test_a_training_without_a_length_needs_a_schedule_without_one(tmp_path):
    endless = {"max_epochs": -1, "max_time": {"seconds": 1}}
    with pytest.raises(UserError, match=r"no known length .*: -1\), which the schedule WarmupCosine"):
        trainer(tmp_path, **endless).fit(model(), loader(batches()))
    one = model(schedule=Constant, optimizer=partial(torch.optim.SGD, lr=0.01))
    work = trainer(tmp_path, **endless)
    work.fit(one, loader(batches()))
    assert work.optimizers[0].param_groups[0]["lr"] == 0.01


def test_a_step_never_waits_for_the_device():
    one = model(tasks={**TASKS, "energy": partial(GaussianRegression, stream="jets", label="truth_pt")})
    whole = jets.make(12)
    parts = [jets.packed(whole.take(rows)) for rows in ([0, 2, 5], [1, 3, 4, 6, 7, 8, 9])]
    for content in (parts, [jets.padded(whole)]):
        with NoWaiting():
            one.objective(content)[0].backward()


def test_the_schedule_covers_the_whole_training(tmp_path):
    one = model(optimizer=partial(torch.optim.SGD, lr=1e-3, momentum=0.7))
    work = trainer(tmp_path, max_epochs=5)
    work.fit(one, loader(batches()))
    assert {group["momentum"] for group in work.optimizers[0].param_groups} == {0.7}
    assert work.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-3 * one.schedule.factor(1.0), rel=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_compiled_training_gives_the_same_numbers_and_an_ordinary_checkpoint(tmp_path, monkeypatch):
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: real(function, backend="eager", **options))
    # not Adam, which makes steps of one size from gradients that are nothing but rounding
    options = {"optimizer": partial(torch.optim.SGD, lr=0.1), "schedule": Constant}
    plain, compiled = model(**options), model(compile=True, **options)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    train(tmp_path / "plain", plain)
    train(tmp_path / "compiled", compiled)
    assert max((value - before[name]).abs().max() for name, value in plain.tagger.named_parameters("tagger")) > 1e-2
    assert plain.state_dict().keys() == compiled.state_dict().keys()
    for mine, theirs in zip(plain.state_dict().values(), compiled.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6, equal_nan=True)


def test_a_model_without_tasks_is_refused():
    with pytest.raises(ValueError, match=r"the model has no tasks: name at least one under model\.tasks"):
        Model(jets.spec(), {})


def test_checkpoints_that_cannot_be_used_are_named(tmp_path):
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=r"broken\.ckpt cannot be read as a checkpoint"):
        checkpoint.read(broken)
    with pytest.raises(UserError, match="no checkpoint at"):
        checkpoint.read(tmp_path / "nowhere.ckpt")
    torch.save({"weights": torch.zeros(1)}, broken)
    with pytest.raises(UserError, match="is not a checkpoint of this project"):
        checkpoint.read(broken)
    one = checkpoint.build("tagger", jets.spec(), CONFIG)
    content = {**checkpoint.contents("tagger", jets.spec(), {**CONFIG, "dim": 16}, {}), "state_dict": one.state_dict()}
    torch.save(content, broken)
    with pytest.raises(
        UserError, match=r"does not fit its configuration: .*\nweight '.*': the configuration makes \(.*16"
    ):
        checkpoint.restore(checkpoint.read(broken))
