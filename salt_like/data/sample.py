"""A sample: jets of one or more files, read chunk by chunk into packed columns."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.events import EventPart, Hashes, event_hash
from salt_like.data.extract import Chunk, Extractor
from salt_like.data.files import Files
from salt_like.data.hypothesis import Assignment, assigned
from salt_like.data.source import Arrays, Rows, Source
from salt_like.errors import UserError
from salt_like.spec import DataSpec

ROWS_PER_CHUNK = 5000
_SCHEMA = 1

Progress = Callable[[int, int], None]


class Sample:
    """Jets of one name, from files or from arrays in memory.

    Args:
        name: Name of the sample, such as ``train`` or ``ttbar``.
        source: Files in order, or arrays in memory by stream.
        spec: Streams, variables, selections and labels; mean, width and counts are not looked at.
        weight: Field of the global stream with the weight of each jet.
        weight_scale: Weights are divided by this (`Statistics.weight_scale` of the training sample).
        labels: False leaves labels out, so that files without truth can be read.
        part: Keep only jets of this share of all events.
        limit: Use at most this many jets after selection, shared out over the files in proportion.
        cells: Find class and kinematic bin of each jet, where the spec has weights for them.
        parameter: Value of the parameter of a parameterised network for all jets; ``"drawn"`` for one of the signal's
            distribution for each jet, whatever it is; ``"own"`` for those of the source, which training alone may see.

    Raises:
        UserError: A file cannot be read or lacks something that the spec needs.
    """

    def __init__(
        self,
        name: str,
        source: Source | Sequence[Path] | Mapping[str, Rows],
        spec: DataSpec,
        *,
        weight: str | None = None,
        weight_scale: float = 1.0,
        labels: bool = True,
        part: EventPart | None = None,
        limit: int | None = None,
        cells: bool = False,
        parameter: Assignment = "drawn",
    ) -> None:
        self.name = name
        self.source = _source(source)
        self.spec = spec
        self.limit = limit
        self.part = part
        self.parameter = parameter
        made = None if spec.parameter is None or parameter == "own" else spec.parameter.field
        self.extractor = Extractor(spec, self.source, weight, weight_scale, labels, part, cells, made)
        self._lengths = self.source.lengths[spec.global_stream.name]
        self._ends: tuple[int, ...] | None = None
        if limit is not None and limit < 1:
            raise UserError(f"the number of jets of the sample '{name}' is limited to {limit}: give at least 1")

    @property
    def rows(self) -> int:
        """Number of rows of all files, before selection and limit."""
        return sum(self._lengths)

    @property
    def truncated(self) -> Counter[str]:
        """Constituents that truncation has dropped so far, per stream."""
        return self.extractor.truncated

    def chunks(
        self,
        rows_per_chunk: int = ROWS_PER_CHUNK,
        first: int = 0,
        last: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Columns]:
        """Read rows in order.

        Args:
            rows_per_chunk: Rows of the file that are read at once; a chunk never spans two files.
            first: First row, in the numbering of all files together.
            last: Row after the last one, ``None`` for all.
            progress: Called after each chunk with the number of rows done and the number of rows in total.

        Yields:
            The jets of each chunk that pass the selection; possibly none.

        Raises:
            UserError: All rows were read and none passes the selection, or a value is not allowed.
        """
        last = self.rows if last is None else min(last, self.rows)
        kept = 0
        for part, start, stop, offset in self._ranges(rows_per_chunk, first, last):
            columns = self._read(part, start, stop, offset)
            kept += len(columns)
            yield columns
            if progress is not None:
                progress(min(stop + offset, last) - first, last - first)
        if kept == 0 and first == 0 and 0 < last == self.rows:
            raise self.nothing_left()

    def count(self) -> int:
        """Number of jets after selection, share of events and limit (reads at most the global stream)."""
        kept = sum(self._kept_per_part())
        return kept if self.limit is None else min(kept, self.limit)

    def events(self, progress: Progress | None = None) -> Hashes:
        """Different events of the sample's jets as sorted hashes, empty where the file does not identify events.

        Args:
            progress: Called after each chunk with the number of rows done and the number of rows in total.
        """
        extractor = self.extractor
        if not extractor.event:
            return np.zeros(0, np.uint64)
        found = [np.zeros(0, np.uint64)]
        for part, start, stop, offset in self._ranges(20 * ROWS_PER_CHUNK, 0, self.rows):
            jets = self.source.read(self.spec.global_stream.name, part, start, stop)
            keep = extractor.keeps(jets)
            found.append(
                np.unique(event_hash(jets if keep is None else jets[keep], extractor.event, self.source.runs[part]))
            )
            if progress is not None:
                progress(offset + stop, self.rows)
        return np.unique(np.concatenate(found))

    def fields(self, stream: str, names: Sequence[str], rows: NDArray[np.int64]) -> Rows:
        """Fields as the file has them, to copy them into a prediction file.

        Args:
            stream: Dataset.
            names: Fields; their types are kept.
            rows: Ascending rows in the numbering of all files together; few gaps are read fast.

        Returns:
            ``(n,)`` or ``(n, N)`` structured array.
        """
        self.source.require(stream, names)
        header = self.source.header(stream)
        shape = (len(rows),) if header.slots is None else (len(rows), header.slots)
        result = np.empty(shape, [(name, header.dtype[name]) for name in names])
        offset = 0
        for part, number in enumerate(self._lengths):
            low, high = np.searchsorted(rows, (offset, offset + number))
            if high > low:
                start = int(rows[low]) - offset
                found = self.source.read(stream, part, start, int(rows[high - 1]) - offset + 1)
                taken = found[rows[low:high] - offset - start]
                for name in names:
                    result[name][low:high] = taken[name]
            offset += number
        return result

    def place(self, stream: str, row: int) -> str:
        """Dataset, file and row in that file of one row in the numbering of all files together, for messages."""
        ends = np.cumsum(self._lengths)
        part = int(np.searchsorted(ends, row, "right"))
        return (
            f"row {row - int(ends[part]) + self._lengths[part]} of dataset '{stream}' in {self.source.parts[part][0]}"
        )

    def fingerprint(self) -> str:
        """A hash of the sources' content and of everything that decides what `chunks` yields."""
        extractor = self.extractor
        wanted = {
            "schema": _SCHEMA,
            "source": self.source.fingerprint(),
            "streams": [
                [s.name, s.max_constituents, s.order_by, s.selection, [[v.name, str(v.default)] for v in s.variables]]
                for s in self.spec.streams
                if s.name in extractor.streams
            ],
            "labels": [
                [
                    label.stream,
                    label.key,
                    label.name,
                    label.kind,
                    label.classes,
                    label.values,
                    label.ignore,
                    label.where,
                    *(["unique"] if label.unique else []),
                ]
                for label in self.spec.labels
            ]
            if extractor.labelled
            else None,
            "weight": [extractor.weight, extractor.weight_scale],
            "event": [extractor.event, self.source.runs],
            "part": None if self.part is None else dataclasses.astuple(self.part),
            "limit": self.limit,
        }
        if extractor.cells is not None:
            found = extractor.cells.reweighting
            wanted["cells"] = [found.label, found.variables, found.edges]
        if self.spec.parameter is not None:
            wanted["parameter"] = [self.spec.parameter.field, self.parameter]
        return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()

    def _read(self, part: int, start: int, stop: int, offset: int) -> Columns:
        rows = {stream: self.source.read(stream, part, start, stop) for stream in self.extractor.streams}
        chunk = Chunk(self.source.parts[part][0], start, offset, self.source.runs[part], rows)
        return assigned(self.extractor(chunk), self.spec, self.parameter)

    def _ranges(self, rows_per_chunk: int, first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
        """(file, first row, row after the last, rows of the files before) of each chunk, rows counted in the file."""
        offset = 0
        for part, number in enumerate(self._lengths):
            begin, end = max(first - offset, 0), min(last - offset, self._parts_end()[part])
            for start in range(begin, end, rows_per_chunk):
                yield part, start, min(start + rows_per_chunk, end), offset
            offset += number

    def _parts_end(self) -> tuple[int, ...]:
        """Row after the last one that the limit leaves of each file."""
        if self._ends is None:
            self._ends = self._lengths if self.limit is None else self._limited(self.limit)
        return self._ends

    def _limited(self, limit: int) -> tuple[int, ...]:
        kept = self._kept_per_part()
        if sum(kept) <= limit:
            return self._lengths
        # largest remainders: the shares of the files are in proportion and sum to the limit
        exact = np.array(kept) * (limit / sum(kept))
        share = np.floor(exact).astype(int)
        share[np.argsort(share - exact, kind="stable")[: limit - int(share.sum())]] += 1
        return tuple(self._row_after(part, int(number)) for part, number in enumerate(share))

    def _row_after(self, part: int, number: int) -> int:
        """Row after the `number`-th kept jet of one file."""
        end = 0
        for start, keep in self._masks(part):
            if number <= 0:
                break
            found = np.flatnonzero(keep)[:number]
            number -= len(found)
            end = start + int(found[-1]) + 1 if len(found) else end
        return end

    def _kept_per_part(self) -> tuple[int, ...]:
        if self.part is None and self.spec.global_stream.selection is None:
            return self._lengths
        return tuple(sum(int(keep.sum()) for _, keep in self._masks(part)) for part in range(len(self._lengths)))

    def _masks(self, part: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """First row and selected jets of each piece of one file."""
        for start in range(0, self._lengths[part], 20 * ROWS_PER_CHUNK):
            stop = min(start + 20 * ROWS_PER_CHUNK, self._lengths[part])
            jets = self.source.read(self.spec.global_stream.name, part, start, stop)
            keep = self.extractor.keeps(jets)
            yield start, np.ones(len(jets), bool) if keep is None else keep

    def nothing_left(self) -> UserError:
        """What to say where no jet passes the selection."""
        selection = self.spec.global_stream.selection
        share = "" if self.part is None else f" and the share {self.part.low:g} to {self.part.high:g} of the events"
        return UserError(
            f"no jets left of the {self.rows} of the sample '{self.name}'\n"
            f"after the selection {selection or '(none)'}{share}\nin {self.source.parts[0][0]}"
        )

    def __getstate__(self) -> dict[str, Any]:
        self._parts_end()  # counted once, not in every worker
        return self.__dict__


def _source(source: Source | Sequence[Path] | Mapping[str, Rows]) -> Source:
    if isinstance(source, Source):
        return source
    return Arrays(source) if isinstance(source, Mapping) else Files(source)
