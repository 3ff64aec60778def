"""A trained tagger ready to use: the one way to test, predict, export and to work in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salt_like.batch import Batch
from salt_like.data.collate import collate
from salt_like.data.columns import Columns
from salt_like.errors import UserError
from salt_like.evaluation.contents import TaskRecord
from salt_like.loading.adjusted import adjusted
from salt_like.loading.calibration import fingerprint
from salt_like.loading.ready import Predictions, ReadyTagger
from salt_like.spec import Output, Request
from salt_like.tasks import Logits
from salt_like.training import checkpoint


class LoadedTagger(ReadyTagger):
    """A tagger with the weights of a checkpoint, in evaluation mode.

    Args:
        saved: What the checkpoint holds.
        device: Where it computes: ``"cpu"``, ``"cuda"``, ...; ``None`` for a GPU where there is one.
        temperatures: Temperature of the probabilities of classifications, by task.
        prior: Class fractions for which probabilities are given, by task and class; those of the training (after class
            weights) for other tasks.

    Raises:
        UserError: Weights and configuration do not belong together, or a task or class of `prior` does not exist.
    """

    def __init__(
        self,
        saved: checkpoint.Saved,
        device: str | None = None,
        temperatures: Mapping[str, float] | None = None,
        prior: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self.name = saved.name
        self.spec = saved.spec
        self.checkpoint = saved.path
        self.data = saved.data
        self.fingerprint = fingerprint(saved)
        self.device: torch.device = _device(device)
        tagger = checkpoint.deployed(saved)
        if temperatures or prior:
            saved = replace(saved, config=adjusted(tagger, saved.config, temperatures or {}, prior or {}))
            tagger = checkpoint.deployed(saved)
        self.config = saved.config
        self.tagger = tagger.to(self.device).eval()
        self.outputs = self.tagger.outputs
        self.widths = {output.column(self.name): output.width for output in self.outputs if output.width}
        requests = {name: self._reads(name, saved.config) for name in self.tagger.tasks}
        self.tasks = tuple(self._record(name, requests[name], saved.config) for name in self.tagger.tasks)
        self._pair_streams = {one.stream for some in requests.values() for one in some if one.pairs}

    def predict_columns(self, columns: Columns, batch_size: int = 1000) -> Predictions:
        unlabelled = replace(columns, labels={}, weights=None, events=None)
        parts = [self._predict(part) for part in _batches(unlabelled, batch_size)]
        found: Predictions = {}
        for output in self.outputs:
            values = np.concatenate([part[output] for part in parts])
            found.setdefault(output.stream, {})[output.column(self.name)] = values
        return found

    def logits(self, columns: Columns, batch_size: int = 1000) -> dict[str, NDArray[Any]]:
        """What classifications' heads say of jets that a `Sample` has read, before temperatures and class fractions.

        Args:
            columns: The jets.
            batch_size: Jets that are computed together.

        Returns:
            Task → ``(n, ...)``, or ``(T, ...)`` for constituents, aligned with `columns`.
        """
        unlabelled = replace(columns, labels={}, weights=None, events=None)
        parts = []
        for part in _batches(unlabelled, batch_size):
            with torch.inference_mode():
                found = self.tagger(self._batch(part))
            classified = [name for name in found if self.tagger.task(name).trained_prior]
            parts.append({name: self._together(name, found[name]) for name in classified})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _together(self, name: str, logits: Logits) -> NDArray[Any]:
        values: Tensor = self.tagger.task(name).together(logits)
        return values.float().cpu().numpy()

    def losses(self, columns: Columns) -> dict[str, tuple[float, float]]:
        """Sum of the losses of all rows with a target, and the number of these rows, for each task.

        Args:
            columns: Labelled jets, computed together.
        """
        batch = self._batch(columns)
        with torch.inference_mode():
            logits = self.tagger(batch)
            terms = {name: self.tagger.task(name).loss_terms(logits[name], batch) for name in self.tagger.tasks}
        return {name: (float(total), float(number)) for name, (total, number) in terms.items()}

    def _batch(self, columns: Columns) -> Batch:
        pairs = [name for name in columns.counts if name in self._pair_streams]
        return collate(columns, self.spec, pair_streams=pairs).to(self.device)

    def _predict(self, columns: Columns) -> dict[Output, NDArray[Any]]:
        with torch.inference_mode():
            return {
                output: values.cpu().numpy() for output, values in self.tagger.predict(self._batch(columns)).items()
            }

    def _record(self, name: str, requests: Sequence[Request], config: Mapping[str, Any]) -> TaskRecord:
        task, arguments = self.tagger.task(name), config["tasks"][name].get("init_args") or {}
        keys, others = (
            tuple(request.key for request in requests if request.stream == stream)
            for stream in (task.stream, task.objects)
        )
        given = bool(task.trained_prior and arguments.get("prior"))
        assumed = (task.prior, task.temperature, given)
        return TaskRecord(name, task.stream, keys, task.outputs, *assumed, task.objects, others)

    def _reads(self, name: str, config: Mapping[str, Any]) -> tuple[Request, ...]:
        arguments = config["tasks"][name].get("init_args") or {}
        return self.tagger.task(name).kind.reads(**arguments)


def _device(name: str | None) -> torch.device:
    """A device that is there."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"no device '{name}'\nfound: {str(error).splitlines()[0][:200]}\nalways there: cpu") from error
    return device


def _batches(columns: Columns, size: int) -> Iterator[Columns]:
    for start in range(0, max(len(columns), 1), size):
        yield columns.select(slice(start, start + size))
