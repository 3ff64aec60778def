"""How far two taggers, or two ways of computing one, are apart on the same jets, output by output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from salt_like.errors import UserError
from salt_like.evaluation.aligned import Aligned, Difference
from salt_like.evaluation.answers import Matched, Side
from salt_like.evaluation.metric import plain

Tolerances = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Differences:
    """All outputs of both.

    Args:
        sources: Files or folders.
        models: Names of the models.
        jets: Number of jets in both.
        by: What told that they are the same.
        only: Number of jets that only A has, and that only B has.
        outputs: What was compared.
        notes: What one must know to read it.
    """

    sources: tuple[str, str]
    models: tuple[str, str]
    jets: int
    by: str
    only: tuple[int, int]
    outputs: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is beyond its tolerance."""
        return not any(one.jets_beyond for one in self.outputs)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"passed": self.passed, **plain(asdict(self))}


def differences(first: Side, second: Side, matched: Matched, kinds: Tolerances, every: bool = False) -> Differences:
    """Compare everything that both say.

    Args:
        first: A.
        second: B.
        matched: The jets that both have.
        kinds: Tolerance by kind of output, for outputs that bring none.
        every: Use these also for outputs that bring one.

    Raises:
        UserError: There is no output that both have.
    """
    found: list[Difference] = []
    notes = list(matched.notes)
    notes += [f"only in A: {some}" for some in _missing(first, second)]
    notes += [f"only in B: {some}" for some in _missing(second, first)]
    for name, one in first.rows.items():
        if name in second.rows:
            aligned = Aligned(one, second.rows[name], matched, first.names)
            notes += aligned.notes
            for field in [field for field in one.answers if field in second.rows[name].answers]:
                ours, theirs = one.answers[field], second.rows[name].answers[field]
                if (ours.kind, ours.unit) != (theirs.kind, theirs.unit):
                    unlike = f"{ours.kind} {ours.unit} in A, {theirs.kind} {theirs.unit} in B"
                    notes.append(f"{field} of {one.stream}: left out, {unlike}")
                    continue
                own = None if every else ours.tolerance
                found.append(aligned.compared(field, ours, theirs, own or kinds[ours.kind]))
    if not found:
        raise UserError(
            f"no output that both have\nA: {_names(first)}, {first.source}\nB: {_names(second)}, {second.source}"
        )
    return Differences(
        (first.source, second.source),
        (first.model, second.model),
        len(matched.first),
        matched.by,
        matched.only,
        tuple(found),
        tuple(notes),
    )


def _missing(one: Side, other: Side) -> list[str]:
    """What only one of them says, in words, by stream."""
    found: dict[str, list[str]] = {}
    for name, rows in one.rows.items():
        known = other.rows[name].answers if name in other.rows else {}
        found.setdefault(rows.stream, []).extend(field for field in rows.answers if field not in known)
    return [f"{', '.join(fields)} of {stream}" for stream, fields in found.items() if fields]


def _names(side: Side) -> str:
    names = [field for rows in side.rows.values() for field in rows.answers]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
