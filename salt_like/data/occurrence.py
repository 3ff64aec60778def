"""What occurs in a validation sample: constituents of each stream, rows with a target, entries of each class."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salt_like.data.cache import Cache
from salt_like.data.complete import may_be_absent
from salt_like.data.config import LabelConfig
from salt_like.data.mixture import Mixture
from salt_like.data.watch import watch
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Label

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Occurrence:
    """What one pass over a sample found; plain data, so that it can be kept in a file.

    Args:
        jets: Number of jets after selection.
        constituents: Constituents per set stream.
        entries: Stream → key of a class label → number of entries of each class.
        targets: Stream → key of a real label → number of rows that have one.
    """

    jets: int
    constituents: dict[str, int]
    entries: dict[str, dict[str, list[int]]]
    targets: dict[str, dict[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return asdict(self)

    @classmethod
    def count(cls, sample: Mixture, spec: DataSpec, progress: Callable[[int, int], None] | None = None) -> Occurrence:
        """Read a sample once.

        Args:
            sample: The jets, with labels.
            spec: Description of the data.
            progress: Called with the number of rows done and the number of rows in total.

        Raises:
            UserError: No jet passes the selection, or a value is not allowed.
        """
        found = cls(
            0,
            {stream.name: 0 for stream in spec.set_streams},
            {stream.name: {} for stream in spec.streams},
            {stream.name: {} for stream in spec.streams},
        )
        jets = 0
        for columns in sample.chunks():
            jets += len(columns)
            for name in found.constituents:
                found.constituents[name] += int(columns.counts[name].sum())
            for label in spec.labels:
                values = columns.labels[label.stream][label.key]
                if label.kind == "class":
                    entries = np.bincount(values[values >= 0], minlength=len(label.classes))
                    before = found.entries[label.stream].get(label.key, [0] * len(label.classes))
                    found.entries[label.stream][label.key] = (entries + before).tolist()
                elif label.kind == "real":
                    number = int(np.isfinite(values).sum())
                    found.targets[label.stream][label.key] = found.targets[label.stream].get(label.key, 0) + number
            if progress is not None and len(columns):
                progress(int(columns.rows[-1]) + 1, sample.rows)
        return cls(jets, found.constituents, found.entries, found.targets)


def occurrence(sample: Mixture, spec: DataSpec, cache: Cache) -> Occurrence:
    """What is in a sample, counted once and then remembered.

    Args:
        sample: The jets, with labels.
        spec: Description of the data.
        cache: Where it is kept.
    """

    def compute() -> dict[str, Any]:
        with watch("reading the validation files once") as progress:
            return Occurrence.count(sample, spec, progress).to_dict()

    return Occurrence(**cache.plain({"occurrence": sample.fingerprint()}, compute))


def check_validation(
    found: Occurrence, spec: DataSpec, labels: Mapping[str, LabelConfig], source: str, where: str = "data.val"
) -> None:
    """Refuse a validation sample that cannot judge the model; warn of one that judges only a part of it.

    A stream of constituents without any, or a first label (that of the main task, whose loss chooses the best
    checkpoint) without any row, is refused, as in training. A class of the training sample that is absent is not an
    error here: small validation files are legitimate.

    Args:
        found: What is in the sample.
        spec: Description of the training data.
        labels: The `data.labels` section, which may accept absent classes.
        source: What messages call the file.
        where: What messages call the sample.

    Raises:
        UserError: No constituents, or nothing to judge the main task by.
    """
    for stream, number in found.constituents.items():
        if number == 0:
            selection = spec.stream(stream).selection
            chosen = f" that fulfils '{selection}'" if selection else ""
            raise UserError(
                f"{where}: none of the {found.jets} jets has a constituent in '{stream}'{chosen}\nin {source}\n"
                f"is `valid` False everywhere, or does a selection drop them all?"
            )
    for position, label in enumerate(spec.labels):
        if label.kind == "class":
            entries = found.entries[label.stream][label.key]
        elif label.kind == "real":
            entries = [found.targets[label.stream][label.key]]
        else:
            continue
        if sum(entries) == 0:
            message = f"{where}: no row of '{label.stream}' has a target '{label.key}'\nin {source}"
            if position == 0:
                raise UserError(f"{message}\nits loss chooses the best checkpoint: give a file that has it")
            log.warning("%s; its loss there is 0 and means nothing", message.replace("\n", " "))
        elif not may_be_absent(label, labels, spec):
            _warn_of_absent(label, entries, source, where)


def _warn_of_absent(label: Label, entries: list[int], source: str, where: str) -> None:
    trained = label.prior or (1.0,) * len(entries)
    numbers = list(zip(label.classes, entries, trained, strict=False))
    absent = [name for name, number, share in numbers if number == 0 and share > 0]
    if label.kind == "class" and absent:
        log.warning(
            "%s: no entry of class %s of the label '%s' (%s), so that validation says nothing about it; in %s",
            where,
            ", ".join(absent),
            label.name,
            ", ".join(f"{name} {number}" for name, number, _ in numbers),
            source,
        )
