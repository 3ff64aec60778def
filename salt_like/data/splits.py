"""Which files, events and jets belong to training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from salt_like.data.events import EventPart, Hashes, check_overlap, event_parts
from salt_like.data.files import Files, Paths, named
from salt_like.data.hypothesis import Assignment
from salt_like.data.mixture import shared_out
from salt_like.data.sample import Progress, Sample
from salt_like.errors import UserError, nearest
from salt_like.spec import DataSpec

Which: TypeAlias = Literal["train", "val", "test"]
WHICH: tuple[Which, ...] = ("train", "val", "test")
Given: TypeAlias = "Paths | Mapping[str, Paths] | None"


class Splits:
    """The named samples of training, validation and test.

    Args:
        given: Files of each, as the user gave them.
        split: ``{by: field or fields, fractions: [train, val, test]}`` to divide the events of the training files.
        limits: Largest number of jets of each after selection; for test of each sample.
        fractions: Training sample → fraction of the training jets.
        weight: Field of the global stream with the weight of each jet.

    Raises:
        UserError: A file does not exist or cannot be read, or the arguments contradict each other.
    """

    def __init__(
        self,
        given: Mapping[Which, Given],
        split: Mapping[str, Any] | None = None,
        limits: Mapping[Which, int | None] | None = None,
        fractions: Mapping[str, float] | None = None,
        weight: str | None = None,
    ) -> None:
        self.parts: dict[Which, EventPart] = {}
        self.limits = dict(limits or {})
        for which, limit in self.limits.items():
            if limit is not None and limit < 1:
                raise UserError(f"data.num_{which} = {limit}: give at least 1 jet, or leave it out for all of them")
        self.fractions = fractions
        self.weight = weight
        given = dict(given)
        if split is not None:
            self.parts = _parts(split, given)
            given = dict.fromkeys(self.parts, given["train"])
        self.files: dict[Which, dict[str, tuple[Path, ...]]] = {
            which: named(paths, which, f"data.{which}") for which, paths in given.items() if paths is not None
        }
        self._sources: dict[tuple[Path, ...], Files] = {}

    def source(self, which: Which) -> Files:
        """The files of the first sample.

        Raises:
            UserError: No files were given.
        """
        return self._source(next(iter(self._files(which).values())))

    def samples(
        self,
        which: Which,
        spec: DataSpec,
        weight_scale: float = 1.0,
        labels: bool = True,
        parameter: Assignment = "drawn",
    ) -> dict[str, Sample]:
        """The named samples of training, validation or test.

        Args:
            which: Which of them.
            spec: What to read.
            weight_scale: Weights are divided by this.
            labels: False leaves labels and weights out.
            parameter: Values of the parameter of a parameterised network, as in `Sample`.

        Raises:
            UserError: No files were given, or a file lacks something.
        """

        def make(name: str, limit: int | None) -> Sample:
            return Sample(
                name,
                self._source(files[name]),
                spec,
                weight=self.weight if labels else None,
                weight_scale=weight_scale,
                labels=labels,
                part=self.parts.get(which),
                limit=limit,
                cells=which != "test",
                parameter=parameter,
            )

        files, limit = self._files(which), self.limits.get(which)
        fractions = self.fractions if which == "train" else None
        if which == "test" or (len(files) == 1 and not fractions):
            return {name: make(name, limit) for name in files}
        samples = {name: make(name, None) for name in files}
        if fractions:
            return {name: make(name, number) for name, number in shared_out(samples, fractions, limit).items()}
        if limit is None:
            return samples
        counts = {name: sample.count() for name, sample in samples.items()}
        total = sum(counts.values())
        if limit >= total:
            return samples
        return {name: make(name, max(1, round(limit * count / total))) for name, count in counts.items() if count}

    def described(self) -> list[dict[str, Any]]:
        """The files of training and validation with size, number of jets and hash of the content, sample by sample."""
        return [
            {"split": which, "sample": name, **one}
            for which, some in self.files.items()
            if which != "test"
            for name, paths in some.items()
            for one in self._source(paths).described()
        ]

    def refuse_overlap(self, spec: DataSpec, progress: Progress | None = None) -> None:
        """Refuse training, validation and test samples that share events.

        Samples of one name are compared with each other; a sample whose name occurs on one side only is compared with
        all of the other side, because the same event number means another event in another process.

        Args:
            spec: What identifies an event, and which jets are selected.
            progress: Called with the number of rows done and the number of rows in total.

        Raises:
            UserError: Two of them have an event in common.
        """
        samples = {which: self.samples(which, spec, labels=False) for which in self.files}
        total = sum(sample.rows for some in samples.values() for sample in some.values())
        events: dict[Which, dict[str, Hashes]] = {}
        before = 0
        for which, named_samples in samples.items():
            events[which] = {}
            for name, sample in named_samples.items():
                events[which][name] = sample.events(_shifted(progress, before, total))
                before += sample.rows
        for position, one in enumerate(events):
            for other in list(events)[position + 1 :]:
                for mine, first in events[one].items():
                    for theirs, second in events[other].items():
                        alike = mine in events[other] and theirs in events[one]
                        if mine == theirs or not alike:
                            pair = {self._said(one, mine): first, self._said(other, theirs): second}
                            check_overlap(pair, spec.event)

    def _said(self, which: Which, name: str) -> str:
        return f"data.{which}" if len(self.files[which]) == 1 else f"data.{which}.{name}"

    def _files(self, which: Which) -> dict[str, tuple[Path, ...]]:
        if which not in self.files:
            raise UserError(f"no files to read: data.{which} is not given")
        return self.files[which]

    def _source(self, paths: tuple[Path, ...]) -> Files:
        if paths not in self._sources:
            self._sources[paths] = Files(paths)
        return self._sources[paths]


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """The same bar for a sample that comes after so many rows of others."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def _parts(split: Mapping[str, Any], given: Mapping[Which, Given]) -> dict[Which, EventPart]:
    """The share of events of training, validation and (if it is not empty) test."""
    known = ("by", "fractions")
    for key in split:
        if key not in known:
            raise UserError(f"data.split has no key '{key}'{nearest(key, known)}: give by and fractions")
    by, fractions = split.get("by"), split.get("fractions")
    if by is None or not isinstance(fractions, Sequence) or len(fractions) != 3:
        raise UserError(
            "data.split must be {by: eventNumber, fractions: [0.8, 0.1, 0.1]}: the fields that identify an event, "
            f"and the shares of training, validation and test; not {dict(split)}"
        )
    for which in ("val", "test"):
        if given.get(which) is not None:
            raise UserError(f"data.split divides the events of data.train: leave out data.{which}")
    parts = dict(zip(WHICH, event_parts(by, fractions), strict=True))
    return {which: part for which, part in parts.items() if part.high > part.low}
