"""The Lightning module: a tagger with its losses, optimiser and metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from salt_like.batch import Batch
from salt_like.encoders import Encoder, Transformer
from salt_like.errors import UserError
from salt_like.nn.pooling import AttentionPooling, Pooling
from salt_like.spec import DataSpec
from salt_like.tagger import Tagger
from salt_like.tasks import Task
from salt_like.tokenizers import DenseTokenizer, Tokenizer
from salt_like.training import patterns
from salt_like.training.average import AveragedModel
from salt_like.training.optimisers import make_optimizer
from salt_like.training.schedules import Schedule, WarmupCosine
from salt_like.training.weighting import FixedWeights, UncertaintyWeights

Losses = dict[str, tuple[Tensor, Tensor]]


class Model(LightningModule):
    """Trains a tagger.

    Args:
        spec: Description of the data (filled from the data section).
        tasks: Name → task. The first is the main one: its validation loss chooses the best checkpoint.
        name: Name of the model, the prefix of its outputs (filled from the top-level ``name``).
        dim: Width of the tokens.
        tokenizer: How constituents are embedded.
        tokenizers: How constituents of single streams are embedded, in place of `tokenizer`.
        encoder: How the constituents of a jet see each other.
        pooling: How the constituents become one vector.
        attach_global: Give each constituent the variables of its jet as further inputs.
        join_global: Append the jet's own variables, embedded, to the pooled vector.
        optimizer: Any torch optimiser, AdamW (arXiv:1711.05101) by default; biases, norms and scales are not decayed.
        schedule: Factor on the learning rate over the whole training, set at every step.
        scheduler: Any torch scheduler, in place of `schedule`.
        scheduler_interval: Whether `scheduler` moves every step or every epoch.
        weighting: ``"fixed"`` sums the losses times the tasks' weights, ``"uncertainty"`` learns weights on top.
        ema: Decay of an exponential moving average of the weights, which then is what is validated, tested and used.
        compile: Compile the step with `torch.compile`; the checkpoint stays an ordinary one.
        lr_factors: Pattern of weights, such as encoder or encoder.layers.0, and a factor on their learning rate.
    """

    def __init__(
        self,
        spec: DataSpec,
        tasks: dict[str, Callable[[DataSpec, int, int], Task]],
        name: str = "tagger",
        dim: int = 64,
        tokenizer: Callable[[int, int], Tokenizer] = DenseTokenizer,
        tokenizers: dict[str, Callable[[int, int], Tokenizer]] | None = None,
        encoder: Callable[[int], Encoder] = Transformer,
        pooling: Callable[[int], Pooling] = AttentionPooling,
        attach_global: bool = True,
        join_global: bool = False,
        optimizer: Callable[[Iterable[Any]], Optimizer] = torch.optim.AdamW,
        schedule: Callable[[], Schedule] = WarmupCosine,
        scheduler: Callable[[Optimizer], LRScheduler | ReduceLROnPlateau] | None = None,
        scheduler_interval: Literal["step", "epoch"] = "epoch",
        weighting: Literal["fixed", "uncertainty"] = "fixed",
        ema: float | None = None,
        compile: bool = False,
        lr_factors: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        if not tasks:
            raise ValueError("the model has no tasks: name at least one under model.tasks")
        self.name = name
        self.tagger = Tagger(
            spec,
            dim,
            tasks,
            tokenizer=tokenizer,
            tokenizers=tokenizers,
            encoder=encoder,
            pooling=pooling,
            attach_global=attach_global,
            join_global=join_global,
        )
        self.main_task = next(iter(tasks))
        self.averaged = None if ema is None else AveragedModel(self.tagger, ema)
        combine = UncertaintyWeights if weighting == "uncertainty" else FixedWeights
        self.combine = combine({name: self.tagger.task(name) for name in tasks})
        self.metrics = nn.ModuleDict({name: nn.ModuleDict(self.tagger.task(name).metrics()) for name in tasks})
        self.optimizer = optimizer
        self.lr_factors = lr_factors or {}
        patterns.check(self.lr_factors, [name for name, _ in self.tagger.named_parameters()], "model.lr_factors")
        for pattern, factor in self.lr_factors.items():
            if not 0 < factor < math.inf:
                raise ValueError(f"lr_factors: the factor of '{pattern}' must be above 0, not {factor}")
        self.schedule = schedule()
        self.scheduler = scheduler
        self.scheduler_interval = scheduler_interval
        # the same in all processes; copying them at every batch would also bind validation to equal numbers of batches
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(
            self, [name for name, _ in self.named_buffers()]
        )
        self._train_losses = _compiled(self._losses) if compile else self._losses
        self._validation_sums: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def deployed(self) -> Tagger:
        """The tagger that is validated, tested and used: the averaged one where there is one."""
        return self.tagger if self.averaged is None else self.averaged.module  # type: ignore[return-value]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Logits of every task, by the deployed tagger."""
        return self.deployed(batch)  # type: ignore[no-any-return]

    def training_step(self, batch: Batch | Sequence[Batch], batch_idx: int) -> dict[str, Any]:
        """Loss of one optimiser step; several batches count as one large one, whatever each holds.

        Returns:
            ``loss``, which is propagated back; ``losses``, the means over the step of all tasks together (``loss``)
            and of each (``<task>/loss``); ``jets``, the number of jets.
        """
        parts = (batch,) if isinstance(batch, Batch) else batch
        self.optimizers(use_pl_optimizer=False).zero_grad()  # type: ignore[union-attr]
        share = self._mean_over_processes if self.trainer.world_size > 1 else None
        loss, means = self.objective(parts, lambda part: self.trainer.strategy.backward(part, None), share)
        losses = {"loss": self.combine(means).detach(), **{f"{name}/loss": mean for name, mean in means.items()}}
        return {"loss": loss, "losses": losses, "jets": sum(part.size for part in parts)}

    def objective(
        self,
        parts: Sequence[Batch],
        backward: Callable[[Tensor], Any] = torch.Tensor.backward,
        share: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimised in one optimiser step over one or more batches.

        Each task's sum over a batch is divided by the number of its rows in *all* of them, so that the accumulated
        gradients are those of the large batch.

        Args:
            parts: The batches.
            backward: Called with the objective of every batch but the last, to propagate it back.
            share: From the rows of this process to the mean over all processes, whose gradients are averaged: the
                step is then that of all their batches together. ``None`` for one process.

        Returns:
            The objective of the last batch, still to be propagated, and the mean loss of each task over all of them.
        """
        numbers = self._numbers(parts, share)
        means: dict[str, Tensor] = {}
        objective = None
        for part in parts:
            if objective is not None:
                backward(objective)
            losses = {name: total / numbers[name] for name, (total, _) in self._train_losses(part).items()}
            objective = self.combine(losses) if len(parts) == 1 else self._share(losses, len(parts))
            means = {name: means[name] + loss.detach() if means else loss.detach() for name, loss in losses.items()}
        if objective is None:
            raise ValueError("an optimiser step needs at least one batch")
        return objective, means

    def optimizer_zero_grad(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: Lightning calls it between forward and backward, when a step has propagated some batches already."""

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Let the average follow, before anyone can write a checkpoint of this step."""
        super().optimizer_step(*args, **kwargs)
        if self.averaged is not None:
            self.averaged.update(self.tagger, self.global_step)

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's sums."""
        # for every task, also in a process that gets no batch: the others would wait for it
        zero = torch.zeros((), device=self.device)
        self._validation_sums = dict.fromkeys(self.metrics, (zero, zero))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one batch to the losses and metrics of the epoch."""
        logits = self.deployed(batch)
        for name in self.metrics:
            task = self.deployed.task(name)
            total, number = task.loss_terms(logits[name], batch)
            before = self._validation_sums[name]
            self._validation_sums[name] = (before[0] + total, before[1] + number)
            for metric in self.metrics[name].values():  # type: ignore[operator]
                metric.update(logits[name], batch)

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss over the rows of the whole sample, and the metrics."""
        losses = {}
        for name, (total, number) in self._validation_sums.items():
            total, number = self.trainer.strategy.reduce(torch.stack([total, number.to(total)]), reduce_op="sum")
            losses[name] = total / number.clamp(min=1)
            self.log(f"val/{name}/loss", losses[name], prog_bar=name == self.main_task, sync_dist=True)
            for label, metric in self.metrics[name].items():  # type: ignore[operator]
                self.log(f"val/{name}/{label}", metric.compute(), sync_dist=True)
                metric.reset()
        self.log("val/loss", self.combine(losses).detach(), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """The configured optimiser with parameter groups, and its schedule."""
        optimizer = make_optimizer(self.optimizer, self, self.lr_factors)
        if self.scheduler is not None:
            scheduler: Any = self._built(self.scheduler, optimizer)
            return {
                "optimizer": optimizer,
                "lr_scheduler": {
                    "scheduler": scheduler,
                    "interval": self.scheduler_interval,
                    "monitor": f"val/{self.main_task}/loss",
                },
            }
        total = self.trainer.estimated_stepping_batches
        if math.isinf(total) and self.schedule.needs_length:
            raise UserError(
                f"the training has no known length (trainer.max_epochs: {self.trainer.max_epochs}), which the schedule "
                f"{type(self.schedule).__name__} needs\n"
                "give trainer.max_epochs or trainer.max_steps, or take model.schedule: Constant"
            )
        steps = 1 if math.isinf(total) else max(1, int(total))
        scheduler = LambdaLR(optimizer, lambda step: self.schedule.factor(step / steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _built(
        self, factory: Callable[[Optimizer], LRScheduler | ReduceLROnPlateau], optimizer: Optimizer
    ) -> LRScheduler | ReduceLROnPlateau:
        """The configured scheduler; what it says about its arguments is for the user."""
        try:
            return factory(optimizer)
        except Exception as error:
            raise UserError(
                f"model.scheduler cannot be used with these arguments: {error}\n"
                f"the training has {self.trainer.estimated_stepping_batches} optimiser steps; "
                "model.schedule (WarmupCosine, OneCycle) finds its length itself"
            ) from error

    def _losses(self, batch: Batch) -> Losses:
        logits = self.tagger(batch)
        return {name: self.tagger.task(name).loss_terms(logits[name], batch) for name in logits}

    @torch.no_grad()
    def _numbers(self, parts: Sequence[Batch], share: Callable[[Tensor], Tensor] | None) -> dict[str, Tensor]:
        """Rows that contribute to each task's loss in all of the parts, at least 1 in all processes together."""
        numbers = [torch.stack([self.tagger.task(name).count(part) for part in parts]).sum() for name in self.metrics]
        if share is None:
            numbers = [number.clamp(min=1) for number in numbers]
        else:
            numbers = list(share(torch.stack(numbers)).unbind())
        return dict(zip(self.metrics, numbers, strict=True))

    def _mean_over_processes(self, numbers: Tensor) -> Tensor:
        """The mean over all processes of numbers of rows, of which there is at least one together."""
        total = self.trainer.strategy.reduce(numbers, reduce_op="sum")
        return total.clamp(min=1) / self.trainer.world_size

    def _share(self, losses: dict[str, Tensor], parts: int) -> Tensor:
        """The part of the combined loss that stands for one of several batches.

        What does not depend on the losses (the penalty of learned weights) is divided among the batches.
        """
        zero = {name: torch.zeros_like(loss) for name, loss in losses.items()}
        penalty: Tensor = self.combine(zero)
        share: Tensor = self.combine(losses)
        return share - penalty + penalty / parts


def _compiled(function: Callable[[Batch], Losses]) -> Callable[[Batch], Losses]:
    """The function compiled once, for batches of any size."""
    # attention tells the sizes of what it keeps only when it runs; without this the graph would break there
    torch._dynamo.config.capture_dynamic_output_shape_ops = True
    # sizes that happen to be equal in the first batch are not so in the next, which would be compiled again
    torch.fx.experimental._config.use_duck_shape = False
    compiled: Callable[[Batch], Losses] = torch.compile(function, dynamic=True)

    def step(batch: Batch) -> Losses:
        # nor is the place where a batch begins within those that were made together
        own = batch.map(torch.clone)
        for bucket in own.buckets:
            torch._dynamo.decorators.mark_unbacked(bucket, 0)  # 0 and 1 are sizes like any other
        longest = {name: tuple(max(2, one) for one in lengths) for name, lengths in batch.longest.items()}
        return compiled(replace(own, longest=longest))

    return step
