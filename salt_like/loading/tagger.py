"""A trained tagger ready to use: the one way to test, predict, export and to work in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from salt_like.batch import Batch
from salt_like.callbacks.tables import ROW, Table
from salt_like.data.collate import collate
from salt_like.data.columns import Columns
from salt_like.data.extract import UnusableValueError
from salt_like.data.sample import Sample
from salt_like.errors import UserError, nearest
from salt_like.evaluation.contents import TaskRecord
from salt_like.loading.adjusted import adjusted
from salt_like.spec import DataSpec, Output, Request
from salt_like.training import checkpoint

Arrays = Mapping[str, "NDArray[np.void] | Mapping[str, NDArray[Any]]"]
Predictions = dict[str, dict[str, NDArray[Any]]]


class LoadedTagger:
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
        self.spec: DataSpec = saved.spec
        self.checkpoint = saved.path
        self.config = saved.config
        self.data = saved.data
        self.device = _device(device)
        tagger = checkpoint.restore(saved).deployed
        if temperatures or prior:
            saved = replace(saved, config=adjusted(tagger, saved.config, temperatures or {}, prior or {}))
            tagger = checkpoint.restore(saved).deployed
        self.tagger = tagger.to(self.device).eval()
        requests = {name: self._reads(name, saved.config) for name in self.tagger.tasks}
        self.tasks = tuple(self._record(name, requests[name], saved.config) for name in self.tagger.tasks)
        self._pair_streams = {one.stream for some in requests.values() for one in some if one.pairs}

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Everything that it says, in order."""
        return self.tagger.outputs

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Fields that it needs, per stream."""
        return {
            stream.name: tuple(variable.name for variable in stream.variables)
            for stream in self.spec.streams
            if stream.variables
        }

    def predict(self, arrays: Arrays, batch_size: int = 1000) -> Predictions:
        """Predict jets in memory.

        Selection, order and truncation of constituents are those of the training; a selection of jets is not applied,
        so that there is an answer for every jet. Units are those of the training file.

        Args:
            arrays: Stream → structured array or dict of field → array: ``(n,)`` for the global stream, ``(n, L)`` for
                constituents, of which the boolean field ``valid`` tells which are real (all, where it is missing).
            batch_size: Jets that are computed together; does not change the result.

        Returns:
            Stream → column, named as in a prediction file → ``(n,)`` or ``(n, L)`` in the slots of the given arrays,
            with ``valid``: True where the model saw a constituent. Elsewhere real columns are NaN and indices -2.

        Raises:
            UserError: A stream or field is missing, lengths differ, or a value is not allowed.
        """
        if not isinstance(arrays, Mapping):
            raise UserError(f"the arrays must be a dict of stream → array, not {type(arrays).__name__}")
        given = {name: _structured(name, value) for name, value in arrays.items()}
        jets = self.spec.global_stream
        # streams that only carry labels are not needed
        spec = replace(self.spec, streams=(replace(jets, selection=None), *self.spec.set_streams), event=())
        if not jets.variables and jets.name not in given and given:
            given[jets.name] = np.zeros(len(next(iter(given.values()))), [("", "?")])
        for name in (stream.name for stream in spec.streams):
            if name not in given:
                needed = ", ".join(stream.name for stream in spec.streams)
                raise UserError(f"the arrays have no stream '{name}'{nearest(name, given)}\nneeded are: {needed}")
        sample = Sample("arrays", given, spec, labels=False)
        with after_training():
            parts = [self._rows(columns, sample, batch_size) for columns in sample.chunks()]
        parts = parts or [self._rows(_nothing(spec), sample, batch_size)]
        joined = {stream: np.concatenate([part[stream] for part in parts]) for stream in parts[0]}
        return {
            stream: {name: rows[name] for name in rows.dtype.names or () if name != ROW}
            for stream, rows in joined.items()
        }

    def predict_columns(self, columns: Columns, batch_size: int = 1000) -> Predictions:
        """Predict jets that a `Sample` has read; labels and weights are not looked at.

        Args:
            columns: The jets.
            batch_size: Jets that are computed together.

        Returns:
            Stream → column → ``(n,)``, or ``(T,)`` for constituents, aligned with `columns`.
        """
        unlabelled = replace(columns, labels={}, weights=None, events=None)
        parts = [self._predict(part) for part in _batches(unlabelled, batch_size)]
        found: Predictions = {}
        for output in self.outputs:
            values = np.concatenate([part[output] for part in parts])
            found.setdefault(output.stream, {})[output.column(self.name)] = values
        return found

    def logits(self, columns: Columns, batch_size: int = 1000) -> dict[str, NDArray[Any]]:
        """What the tasks' heads say of jets that a `Sample` has read, before temperatures and class fractions.

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
            parts.append({name: values.float().cpu().numpy() for name, values in found.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def __repr__(self) -> str:
        streams = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in self.inputs.items())
        columns = ", ".join(f"{output.stream}/{output.column(self.name)}" for output in self.outputs)
        return (
            f"LoadedTagger '{self.name}' from {self.checkpoint} on {self.device}\n"
            f"  inputs:  {streams}\n  outputs: {columns}"
        )

    def _batch(self, columns: Columns) -> Batch:
        pairs = [name for name in columns.counts if name in self._pair_streams]
        return collate(columns, self.spec, pair_streams=pairs).to(self.device)

    def _predict(self, columns: Columns) -> dict[Output, NDArray[Any]]:
        with torch.inference_mode():
            return {
                output: values.cpu().numpy() for output, values in self.tagger.predict(self._batch(columns)).items()
            }

    def _rows(self, columns: Columns, sample: Sample, batch_size: int) -> dict[str, NDArray[np.void]]:
        values = self.predict_columns(columns, batch_size)
        tables = {}
        for stream, table in self.tables({name: sample.source.header(name).capacity for name in values}).items():
            if table.slots is None:
                tables[stream] = table.jets(columns.rows, np.zeros(len(columns), []), values[stream])
            else:
                real = np.zeros((len(columns), table.slots), bool)
                counts, positions = columns.counts[stream], columns.positions[stream]
                tables[stream] = table.constituents(real, np.zeros(real.shape, []), values[stream], counts, positions)
        return tables

    def tables(self, slots: Mapping[str, int], **options: Any) -> dict[str, Table]:
        """How the predictions of each stream are laid out.

        Args:
            slots: Stream → constituents per jet that it can hold, 0 for the global stream.
            options: Further arguments of `Table`, the same for all streams.
        """
        return {
            stream: Table(
                self.name,
                tuple(output for output in self.outputs if output.stream == stream),
                slots=slots[stream] or None,
                **options,
            )
            for stream in slots
        }

    def _record(self, name: str, requests: Sequence[Request], config: Mapping[str, Any]) -> TaskRecord:
        task, arguments = self.tagger.task(name), config["tasks"][name].get("init_args") or {}
        keys = tuple(request.key for request in requests)
        given = bool(task.trained_prior and arguments.get("prior"))
        return TaskRecord(name, task.stream, keys, task.outputs, task.prior, task.temperature, given)

    def _reads(self, name: str, config: Mapping[str, Any]) -> tuple[Request, ...]:
        arguments = config["tasks"][name].get("init_args") or {}
        return type(self.tagger.task(name)).reads(**arguments)


@contextmanager
def after_training() -> Iterator[None]:
    """Say what helps a trained tagger against an input that is no number: its configuration no longer does."""
    try:
        yield
    except UnusableValueError as error:
        known = error.variable.default
        advice = (
            f'give the value that means "not measured" to this run: {known:g}'
            if known is not None
            else 'this run knows no value that means "not measured": leave these rows out of the file or the arrays '
            f"(a constituent by `valid`),\nor train again with {error.declaration}"
        )
        raise UserError(f"{error.found}\n{advice}") from error


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


def _nothing(spec: DataSpec) -> Columns:
    sets = [stream.name for stream in spec.set_streams]
    return Columns(
        rows=np.zeros(0, np.int64),
        inputs={one.name: np.zeros((0, len(one.variables)), np.float32) for one in spec.streams},
        counts={name: np.zeros(0, np.int32) for name in sets},
        positions={name: np.zeros(0, np.int32) for name in sets},
    )


def _structured(stream: str, value: NDArray[np.void] | Mapping[str, NDArray[Any]]) -> NDArray[np.void]:
    if not isinstance(value, Mapping):
        return np.asarray(value)
    fields = {name: np.asarray(one) for name, one in value.items()}
    for name, one in fields.items():
        if one.dtype.kind not in "biuf":
            raise UserError(f"the field '{name}' of stream '{stream}' holds no numbers\nfound: {one.dtype} {one.shape}")
    shapes = {one.shape for one in fields.values()}
    if len(shapes) != 1:
        found = ", ".join(f"{name} {one.shape}" for name, one in fields.items()) or "no field at all"
        raise UserError(f"the fields of stream '{stream}' must have one shape, (n,) or (n, L)\nfound: {found}")
    array = np.zeros(shapes.pop(), [(name, one.dtype) for name, one in fields.items()])
    for name, one in fields.items():
        array[name] = one
    return array
