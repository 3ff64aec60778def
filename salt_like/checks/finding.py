"""What a check says: severity, place, number of rows, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

from salt_like.errors import UserError, nearest

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong.

    Args:
        name: Short name for machines.
        severity: ``error`` for what is impossible or over a threshold, ``warning`` for what is worth a look.
        title: What is wrong, for people.
        mend: What to do about it; ``{paste}`` is where the findings' own pieces go.
    """

    name: str
    severity: Severity
    title: str
    mend: str


@dataclass(frozen=True)
class Finding:
    """One place where a check found something.

    Args:
        check: What is wrong.
        sample: Name of the sample, or of two samples.
        where: ``stream.field``, ``stream``, or a class.
        value: The value that is meant, as text.
        number: How many jets or entries are concerned.
        total: Of how many.
        row: First row, counted from 0 within `file`.
        file: Path of the file of that row.
        detail: What else there is to say.
        paste: What this finding contributes to the mending, such as ``pt: -999``.
    """

    check: Check
    sample: str
    where: str
    value: str = ""
    number: int | None = None
    total: int | None = None
    row: int | None = None
    file: str = ""
    detail: str = ""
    paste: str = ""

    def plain(self) -> dict[str, Any]:
        """Everything as plain values, for a JSON file."""
        return {
            "check": self.check.name,
            "severity": self.check.severity,
            "what": self.check.title,
            "sample": self.sample,
            "where": self.where,
            "value": self.value or None,
            "number": self.number,
            "total": self.total,
            "row": self.row,
            "file": self.file or None,
            "detail": self.detail or None,
            "mend": mending(self.check, [self]),
        }


def mending(check: Check, findings: Sequence[Finding]) -> str:
    """How to mend several findings of one check."""
    return check.mend.replace("{paste}", ", ".join(dict.fromkeys(one.paste for one in findings if one.paste)))


@dataclass(frozen=True)
class Options:
    """What the user wants to be checked, and where findings begin.

    Args:
        max_ks: Largest allowed Kolmogorov-Smirnov distance beyond what chance gives.
        max_auc: Largest allowed area under the ROC curve of a classifier between two samples.
        max_share: From this share of the entries on one value of a continuous variable is taken for a default.
        ignore: Fields that are not checked, as ``field`` or ``stream.field`` with shell wildcards.
        event: Fields that identify an event, empty for ``eventNumber`` where there is one.
        weight: Field of the global stream with the weight of each jet in comparisons.
        workers: Number of contiguous shares that a loader without shuffling would divide a sample into.
        jets: Most jets of a sample that distributions are made of.
        seed: Of what is random in the classifier.
    """

    max_ks: float = 0.1
    max_auc: float = 0.55
    max_share: float = 0.05
    ignore: tuple[str, ...] = ()
    event: tuple[str, ...] = ()
    weight: str | None = None
    workers: int = 4
    jets: int = 50_000
    seed: int = 0

    def ignored(self, stream: str, field: str) -> bool:
        """True for a field that the user does not want to be checked."""
        return any(fnmatchcase(field, one) or fnmatchcase(f"{stream}.{field}", one) for one in self.ignore)

    def check_ignored(self, known: Sequence[tuple[str, str]]) -> None:
        """Refuse a pattern that matches no field of any sample.

        Args:
            known: Stream and field of everything there is.

        Raises:
            UserError: A pattern matches nothing.
        """
        for pattern in self.ignore:
            if not any(
                fnmatchcase(field, pattern) or fnmatchcase(f"{stream}.{field}", pattern) for stream, field in known
            ):
                names = [field for _, field in known]
                raise UserError(f"--ignore names '{pattern}'{nearest(pattern, names)}, which no file has")
