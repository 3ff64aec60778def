"""Which fields a configuration needs, and whether files have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salt_like.cli.table import Table
from salt_like.data import conventions
from salt_like.data.expressions import Expression
from salt_like.data.files import Source
from salt_like.errors import nearest
from salt_like.spec import Request

NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Need:
    """One field.

    Args:
        stream: Dataset.
        field: Its name in the configuration.
        purpose: What it is used as.
        names: Names under which it is accepted, in order.
    """

    stream: str
    field: str
    purpose: str
    names: tuple[str, ...]


def of(data: Mapping[str, Any], requests: Sequence[Request]) -> list[Need]:
    """All fields that a configuration reads, each purpose once.

    Args:
        data: The resolved `data` section.
        requests: What the tasks read.

    Raises:
        UserError: A selection is not an expression.
    """
    found: list[Need] = []

    def add(stream: str, name: str, purpose: str, *other: str) -> None:
        found.append(Need(stream, name, purpose, (name, *other)))

    for stream, names in (data.get("inputs") or {}).items():
        for name in names:
            add(stream, name, "input")
    for request in requests:
        add(request.stream, request.name, "label", *conventions.aliases(request.name)[1:])
        if request.where is not None:
            for name in Expression(request.where, "where").fields:
                add(request.stream, name, "condition of a label")
    for stream, text in (data.get("select") or {}).items():
        for name in Expression(text, f"data.select.{stream}").fields:
            add(stream, name, "selection")
    for stream, name in (data.get("order") or {}).items():
        add(stream, name.removeprefix("-"), "order")
    jets = data.get("global_stream", "jets")
    if data.get("weight"):
        add(jets, data["weight"], "weight")
    for key, purpose in (((data.get("split") or {}).get("by"), "split"), (data.get("event"), "event")):
        for name in [key] if isinstance(key, str) else key or []:
            add(jets, name, purpose)
    return list(dict.fromkeys(found))


def missing(needs: Sequence[Need], source: Source) -> list[Need]:
    """The fields that a file does not have."""
    return [need for need in needs if not _state(need, source).startswith("yes")]


def table(needs: Sequence[Need], sources: Mapping[str, Source]) -> Table:
    """The fields, and for each sample whether its files have them.

    Args:
        needs: The fields.
        sources: Sample → its files; empty when nothing can be checked.
    """
    columns = {name: [_state(need, source) for need in needs] for name, source in sources.items()}
    states = columns or {"in the files": [NOT_CHECKED] * len(needs)}
    rows = [
        [need.stream, need.field, need.purpose, *(state[index] for state in states.values())]
        for index, need in enumerate(needs)
    ]
    headings = ["stream", "field", "used as", *states]
    return Table("fields needed", headings, rows, frozenset(range(len(headings))))


def _state(need: Need, source: Source) -> str:
    if need.stream not in source.headers:
        return "no such stream" + nearest(need.stream, source.headers)
    fields = source.headers[need.stream].fields
    found = next((name for name in need.names if name in fields), None)
    if found is None:
        return "MISSING" + nearest(need.field, fields)
    return "yes" if found == need.field else f"yes, as {found}"
