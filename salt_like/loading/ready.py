"""What every trained tagger can do that predicts jets, whatever it computes with; needs no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.callbacks.tables import ROW, Table
from salt_like.data.columns import Columns
from salt_like.data.extract import UnusableValueError
from salt_like.data.sample import Sample
from salt_like.errors import UserError, nearest
from salt_like.evaluation.contents import TaskRecord
from salt_like.spec import DataSpec, Output

Arrays = Mapping[str, "NDArray[np.void] | Mapping[str, NDArray[Any]]"]
Predictions = dict[str, dict[str, NDArray[Any]]]


class ReadyTagger(ABC):
    """A trained tagger, ready to predict.

    Attributes:
        name: Name of the model, the prefix of the columns.
        spec: Description of the data.
        checkpoint: The checkpoint, or the bundle, that it comes from.
        device: Where it computes.
        tasks: Its tasks, and which labels say whether they are right.
        outputs: Everything that it says, in order.
        widths: Length of the outputs that are vectors, by column.
        fingerprint: Hash of its weights; empty where it is not known.
    """

    name: str
    spec: DataSpec
    checkpoint: Path
    device: Any
    tasks: tuple[TaskRecord, ...]
    outputs: tuple[Output, ...]
    widths: Mapping[str, int] = MappingProxyType({})
    fingerprint: str = ""

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Fields that it needs, per stream."""
        return {
            stream.name: tuple(variable.name for variable in stream.variables)
            for stream in self.spec.streams
            if stream.variables
        }

    @abstractmethod
    def predict_columns(self, columns: Columns, batch_size: int = 1000) -> Predictions:
        """Predict jets that a `Sample` has read; labels and weights are not looked at.

        Args:
            columns: The jets.
            batch_size: Jets that are computed together.

        Returns:
            Stream → column → ``(n,)``, or ``(T,)`` for constituents, aligned with `columns`.
        """

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
        sample = Sample("arrays", given, spec, labels=False, parameter="own")
        with after_training():
            parts = [self._rows(columns, sample, batch_size) for columns in sample.chunks()]
        parts = parts or [self._rows(_nothing(spec), sample, batch_size)]
        joined = {stream: np.concatenate([part[stream] for part in parts]) for stream in parts[0]}
        return {
            stream: {name: rows[name] for name in rows.dtype.names or () if name != ROW}
            for stream, rows in joined.items()
        }

    @property
    def objects(self) -> dict[str, int]:
        """Arrays of objects that it finds itself, and how many objects per jet they have."""
        return {output.stream: output.objects for output in self.outputs if output.objects}

    def tables(self, slots: Mapping[str, int | None], **options: Any) -> dict[str, Table]:
        """How the predictions of each stream are laid out.

        Args:
            slots: Stream → constituents per jet that it can hold, ``None`` for the global stream and arrays of objects.
            options: Further arguments of `Table`, the same for all streams.
        """
        return {
            stream: Table(
                self.name,
                tuple(output for output in self.outputs if output.stream == stream),
                slots=slots[stream],
                widths=self.widths,
                objects=self.objects.get(stream, 0),
                **options,
            )
            for stream in slots
        }

    def __repr__(self) -> str:
        streams = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in self.inputs.items())
        columns = ", ".join(f"{output.stream}/{output.column(self.name)}" for output in self.outputs)
        return (
            f"{type(self).__name__} '{self.name}' from {self.checkpoint} on {self.device}\n"
            f"  inputs:  {streams}\n  outputs: {columns}"
        )

    def _rows(self, columns: Columns, sample: Sample, batch_size: int) -> dict[str, NDArray[np.void]]:
        values = self.predict_columns(columns, batch_size)
        tables = {}
        slots = {name: None if name in self.objects else sample.source.header(name).slots for name in values}
        for stream, table in self.tables(slots).items():
            if table.objects:
                tables[stream] = table.of_objects(len(columns), values[stream])
            elif table.slots is None:
                tables[stream] = table.jets(columns.rows, np.zeros(len(columns), []), values[stream])
            else:
                real = np.zeros((len(columns), table.slots), bool)
                counts, positions = columns.counts[stream], columns.positions[stream]
                tables[stream] = table.constituents(real, np.zeros(real.shape, []), values[stream], counts, positions)
        return tables


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
