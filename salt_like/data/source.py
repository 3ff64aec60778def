"""Where jets come from, behind one interface; arrays in memory are one such place."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salt_like.errors import UserError, nearest

Rows: TypeAlias = NDArray[np.void]


@dataclass(frozen=True)
class Header:
    """What a dataset says about itself.

    Args:
        name: Name of the dataset.
        dtype: Structured type: fields and their types.
        capacity: Constituents per jet that it can hold, 0 for one row per jet.
        attributes: Attributes of the dataset as plain Python values.
        is_set: Whether it holds constituents, of which there may be none at all.
    """

    name: str
    dtype: np.dtype[np.void]
    capacity: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_set: bool = False

    @property
    def slots(self) -> int | None:
        """Constituents per jet that it can hold, ``None`` for one row per jet."""
        return self.capacity if self.is_set else None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields in the file's order."""
        return self.dtype.names or ()


class Source(ABC):
    """Rows of several streams, row i of each belonging to the same jet, in one or more parts (files).

    Args:
        headers: The datasets by name (of the first part; the others have the same fields).
        parts: Name and number of jets of each part; the jets are counted by the dataset ``jets`` where there is one.
        lengths: Number of rows in each part by dataset; datasets that are not of jets may have others.
        attributes: Attributes of the first file.
        runs: Seed of the generation that each part states, 0 where it states none; event numbers of different runs are
            different events.
    """

    headers: Mapping[str, Header]
    parts: tuple[tuple[str, int], ...]
    lengths: Mapping[str, tuple[int, ...]]
    attributes: Mapping[str, Any]
    runs: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Number of jets of all parts."""
        return sum(rows for _, rows in self.parts)

    def header(self, stream: str, asked: str = "") -> Header:
        """The dataset of this name.

        Args:
            stream: Name of the dataset.
            asked: Where it was asked for, such as ``model.tasks.track_origin``.

        Raises:
            UserError: There is none.
        """
        if stream not in self.headers:
            known = ", ".join(self.headers) or "none"
            where = f" (asked for in {asked})" if asked else ""
            raise UserError(
                f"no dataset '{stream}'{nearest(stream, self.headers)}{where}\n"
                f"in {self.parts[0][0]} (datasets: {known})"
            )
        return self.headers[stream]

    def require(self, stream: str, names: Iterable[str], asked: str = "") -> None:
        """Refuse fields that a dataset does not have.

        Args:
            stream: Name of the dataset.
            names: Fields that are needed.
            asked: Where they were asked for, such as ``data.inputs.tracks``.

        Raises:
            UserError: The dataset or one of the fields does not exist.
        """
        header = self.header(stream, asked)
        for name in names:
            if name not in header.fields:
                where = f" (asked for in {asked})" if asked else ""
                raise UserError(
                    f"no field '{name}'{nearest(name, header.fields)}{where}\n"
                    f"in dataset '{stream}' of {self.parts[0][0]}, which has {len(header.fields)} fields"
                )

    def require_numbers(self, stream: str, names: Iterable[str]) -> None:
        """Refuse inputs that are text or something else that is no number.

        Args:
            stream: Name of the dataset.
            names: Its fields that are inputs.

        Raises:
            UserError: One of them is no number.
        """
        for name in names:
            kind = self.header(stream).dtype[name]
            if kind.kind not in "fiub":
                raise UserError(f"the input '{name}' of '{stream}' is no number but {kind}\nin {self.parts[0][0]}")

    def require_alike(self, streams: Iterable[str]) -> None:
        """Refuse datasets of different lengths: row i of each must be the same jet.

        Args:
            streams: Datasets that are read together.

        Raises:
            UserError: They differ in some part.
        """
        names = list(streams)
        for part, (where, _) in enumerate(self.parts):
            rows = {name: self.lengths[name][part] for name in names}
            if len(set(rows.values())) > 1:
                found = ", ".join(f"{name} {number}" for name, number in rows.items())
                raise UserError(
                    f"datasets of different lengths: {found}\nin {where}: row i of each must be the same jet"
                )

    @abstractmethod
    def read(self, stream: str, part: int, start: int, stop: int) -> Rows:
        """Whole rows of one part: ``(n,)`` for one row per jet, ``(n, N)`` for constituents."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes when the content changes."""


class Arrays(Source):
    """Structured arrays in memory.

    Args:
        arrays: Stream → ``(n,)`` or ``(n, N)`` structured array.
        name: What messages call them.
    """

    def __init__(self, arrays: Mapping[str, Rows], name: str = "the given arrays") -> None:
        self.arrays = dict(arrays)
        self.headers = {key: header_of(key, np.asarray(value), {}, name) for key, value in self.arrays.items()}
        self.attributes: Mapping[str, Any] = {}
        self.runs = (0,)
        self.lengths = {key: (len(value),) for key, value in self.arrays.items()}
        self.parts = ((name, self.lengths[main_stream(self.headers)][0]),)

    def read(self, stream: str, part: int, start: int, stop: int) -> Rows:  # noqa: ARG002 - one part only
        self.header(stream)
        return self.arrays[stream][start:stop]

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, array in self.arrays.items():
            digest.update(repr((name, array.shape, array.dtype)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def header_of(name: str, data: Any, attributes: Mapping[str, Any], where: str) -> Header:
    """Header of an array or dataset.

    Raises:
        UserError: It is not a structured array of one or two dimensions.
    """
    if data.dtype.names is None or data.ndim not in (1, 2):
        raise UserError(
            f"'{name}' is not a structured array of shape (N,) or (N, L): {data.dtype}, shape {data.shape}\nin {where}"
        )
    return Header(name, data.dtype, data.shape[1] if data.ndim == 2 else 0, attributes, data.ndim == 2)


def main_stream(headers: Mapping[str, Header]) -> str:
    """The dataset by which jets are counted: ``jets``, else one with constituents, else the first."""
    sets = [name for name, header in headers.items() if header.capacity]
    return "jets" if "jets" in headers else [*sets, *headers][0]
