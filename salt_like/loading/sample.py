"""Predicts a sample of any size into a prediction file, some thousand jets at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.callbacks.predictions import PredictionWriter, open_predictions
from salt_like.callbacks.tables import VALID, Precision, Table
from salt_like.data.columns import Columns
from salt_like.data.hypothesis import place
from salt_like.data.sample import Progress, Sample
from salt_like.errors import UserError
from salt_like.evaluation.contents import Contents
from salt_like.loading.ready import Predictions, ReadyTagger, after_training
from salt_like.spec import Label
from salt_like.version import __version__


@dataclass(frozen=True)
class Options:
    """What goes into a prediction file besides predictions, labels, event identity and the inputs of the jets.

    Args:
        extra: Further fields to copy, per stream.
        precision: Type of probabilities.
        salt_mask: Add Salt's ``mask``, which is True at padding.
        weight: Field with the weight of each jet, for the metrics.
        overwrite: Replace an existing file.
        batch_size: Jets that are computed together.
    """

    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    precision: Precision = "float32"
    salt_mask: bool = False
    weight: str | None = None
    overwrite: bool = False
    batch_size: int = 1000


class SamplePredictor:
    """Writes the predictions of one tagger for one sample.

    Args:
        tagger: The tagger.
        sample: The jets, with or without labels.
        options: What else is written.

    Attributes:
        note: What is strange about the jets that were predicted, in words; empty if nothing is.

    Raises:
        UserError: An extra field does not exist.
    """

    def __init__(self, tagger: ReadyTagger, sample: Sample, options: Options) -> None:
        self.tagger = tagger
        self.sample = sample
        self.options = options
        self.note = ""
        spec, source = tagger.spec, sample.source
        # what the model is told of each jet; the field of that name may hold the truth
        self.told = {} if spec.parameter is None else {f"{tagger.name}_{spec.parameter.field}": spec.parameter.field}
        labelled = sample.extractor.labelled
        # the jets in any case: event, weight and row belong to every prediction; true objects beside those found
        said = [output.stream for output in tagger.outputs if not output.objects]
        true = [task.objects for task in tagger.tasks if task.objects and labelled]
        streams = list(dict.fromkeys([spec.global_stream.name, *said, *true]))
        for stream, names in options.extra.items():
            if stream not in streams:
                raise UserError(
                    f"--extra: no predictions for stream '{stream}', so no fields of it can be copied\n"
                    f"streams with predictions: {', '.join(streams)}"
                )
            source.require(stream, names, "--extra")
        self.derived: dict[str, list[Label]] = {
            stream: [one for one in spec.labels if one.stream == stream and one.key != one.name and labelled]
            for stream in streams
        }
        self.tables: dict[str, Table] = {}
        bare = tagger.tables(
            {stream: source.header(stream).slots for stream in streams} | dict.fromkeys(tagger.objects),
            copied={},
            precision=options.precision,
            salt_mask=options.salt_mask,
        )
        for stream, table in bare.items():
            if table.objects:
                self.tables[stream] = table
                continue
            copied = {name: source.header(stream).dtype[name] for name in self._wanted(stream)}
            resolved = {one.key: np.dtype("f4" if one.kind == "real" else "i4") for one in self.derived[stream]}
            if stream == spec.global_stream.name:
                resolved |= dict.fromkeys(self.told, np.dtype("f4"))
            self.tables[stream] = replace(table, copied=copied, resolved=resolved)

    def write(self, path: Path, progress: Progress | None = None) -> int:
        """Predict all jets of the sample.

        Args:
            path: The prediction file.
            progress: Called with the number of rows done and the number of rows in total.

        Returns:
            The number of jets predicted.

        Raises:
            UserError: The file exists, the disk is full, no jet passes the selection, or no jet of a labelled sample
                has a constituent.
        """
        if self.sample.rows == 0:
            raise UserError(f"no jets in {self.sample.source.parts[0][0]}")
        jets, constituents = 0, 0
        with after_training(), open_predictions(path, self._contents().attributes(), self.options.overwrite) as writer:
            for columns in self.sample.chunks(progress=progress):
                if jets == 0 or len(columns) > 0:
                    self._write(writer, columns)
                jets += len(columns)
                constituents += sum(int(columns.counts[one.name].sum()) for one in self.tagger.spec.set_streams)
            if jets and not constituents and self.tagger.spec.set_streams:
                names = ", ".join(stream.name for stream in self.tagger.spec.set_streams)
                self.note = (
                    f"none of the {jets} jets has a constituent in: {names}\nin {self.sample.source.parts[0][0]}"
                )
                if self.sample.extractor.labelled:  # numbers that would be taken for those of the tagger
                    raise UserError(f"{self.note}\nis `valid` False everywhere, or does a selection drop them all?")
            for stream in self.tables:
                writer.annotate(stream, self._facts(stream, jets))
        return jets

    def _write(self, writer: PredictionWriter, columns: Columns) -> None:
        found = self.tagger.predict_columns(columns, self.options.batch_size)
        self._refuse_nan(found, columns)
        for stream, table in self.tables.items():
            values: dict[str, NDArray[Any]] = dict(found.get(stream, {}))
            if table.objects:
                writer.write(stream, table.of_objects(len(columns), values))
                continue
            for label in self.derived[stream]:
                values[label.key] = columns.labels[stream][label.key]
            if stream == self.tagger.spec.global_stream.name:
                for name, field in self.told.items():
                    values[name] = columns.inputs[stream][:, place(self.tagger.spec, field)]
            header = self.sample.source.header(stream)
            names = [*table.copied, *([VALID] if table.slots is not None and VALID in header.fields else [])]
            fields = self.sample.fields(stream, names, columns.rows)
            if table.slots is None:
                rows = table.jets(columns.rows, fields, values)
            else:
                real = fields[VALID].astype(bool) if VALID in names else np.ones(fields.shape, bool)
                rows = table.constituents(real, fields, values, columns.counts[stream], columns.positions[stream])
            writer.write(stream, rows)

    def _refuse_nan(self, found: Predictions, columns: Columns) -> None:
        """NaN stands for "no constituent" in the file, so it must not come from the model."""
        for stream, values in found.items():
            counts = columns.counts.get(stream)
            for name, column in values.items():
                finite = np.isfinite(column).reshape(len(column), math.prod(column.shape[1:])).all(1)
                if finite.all():
                    continue
                first = int(finite.argmin())
                jet = first if counts is None else int(np.searchsorted(np.cumsum(counts), first, side="right"))
                raise UserError(
                    f"the model's output '{name}' of stream '{stream}' is {column[first]} for row {columns.rows[jet]}\n"
                    f"of the sample '{self.sample.name}' (rows of all its files together, from 0)\n"
                    f"checkpoint: {self.tagger.checkpoint}"
                )

    def _wanted(self, stream: str) -> list[str]:
        """Fields to copy: event identity, inputs and weight of the jets; labels; what was asked for."""
        spec, fields = self.tagger.spec, self.sample.source.header(stream).fields
        names = [label.name for label in spec.labels if label.stream == stream]
        if stream == spec.global_stream.name:
            inputs = [one.name for one in spec.global_stream.variables if one.name not in self.told.values()]
            names = [*spec.event, *names, *inputs, *([self.options.weight] if self.options.weight else [])]
        names += self.options.extra.get(stream, ())
        return [name for name in dict.fromkeys(names) if name in fields and name != VALID]

    def _contents(self) -> Contents:
        return Contents(
            model=self.tagger.name,
            sample=self.sample.name,
            sources=tuple(name for name, _ in self.sample.source.parts),
            checkpoint=str(self.tagger.checkpoint),
            spec=self.tagger.spec,
            tasks=self.tagger.tasks,
            labelled=self.sample.extractor.labelled,
            weight=self.options.weight,
            version=__version__,
            fingerprint=self.tagger.fingerprint,
            generator=str(self.sample.source.attributes.get("generator", "")),
        )

    def _facts(self, stream: str, jets: int) -> dict[str, Any]:
        """Attributes of one array: class names, selection, order and truncation; of objects, which they are."""
        if stream in self.tagger.objects:
            task = next(one for one in self.tagger.tasks if stream in [output.stream for output in one.outputs])
            return {"task": task.name, "constituents": task.stream, "truth": task.objects}
        described = self.tagger.spec.stream(stream)
        facts: dict[str, Any] = {
            label.key if label.key != label.name else label.name: list(label.classes)
            for label in self.tagger.spec.labels
            if label.stream == stream and label.classes and (label.key != label.name or not label.values)
        }
        facts["selection"] = described.selection or ""
        if described.is_global:
            facts["selected_rows"], facts["source_rows"] = jets, self.sample.rows
            for field in self.told.values():
                facts["parameter"] = f"{field}: {self.sample.parameter}"
        else:
            facts["order_by"] = described.order_by or ""
            facts["max_constituents"] = described.max_constituents or 0
            facts["truncated_constituents"] = self.sample.truncated.get(stream, 0)
        return facts
