"""Measured latencies as a part of their bundle: a file of numbers, a section of the model card, and the hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from salt_like.atomic import write_atomically
from salt_like.bundle import SUMS, read_sums, sums_text

NUMBERS, CARD = "latency.json", "README.md"
HEADING, BEFORE = "## Latency", "## Limits"
MIB = 2**20


def write_latency(folder: Path, content: Mapping[str, Any]) -> None:
    """Put measured latencies into a bundle; graph, manifest and golden jets stay what they are.

    All three files are complete before the first takes its name, the hashes last.

    Args:
        folder: The bundle.
        content: What `measure` found.

    Raises:
        UserError: A file of the bundle is missing or was changed, which new hashes would hide.
    """
    known = read_sums(folder)
    known.check_all()
    sums = dict(known.by_name)
    numbers = json.dumps(content, indent=1) + "\n"
    card = with_section((folder / CARD).read_text(encoding="utf-8"), section(content))
    for name, text in ((NUMBERS, numbers), (CARD, card)):
        sums[name] = hashlib.sha256(text.encode()).hexdigest()
    hashes = sums_text(sums)
    with contextlib.ExitStack() as stack:
        for name, text in ((SUMS, hashes), (CARD, card), (NUMBERS, numbers)):  # renamed from the last to the first
            stack.enter_context(write_atomically(folder / name)).write_text(text, encoding="utf-8")


def section(content: Mapping[str, Any]) -> str:
    """A section of the model card.

    Args:
        content: What `measure` found.
    """
    machine, sizes = content["machine"], content["bytes"]
    parts = [
        HEADING,
        f"Microseconds per jet, median and central 68 % of the repetitions, with onnxruntime {machine['onnxruntime']} "
        f"on {machine['processor']} ({machine['cores']} cores), as `train bench` measured. The training knew at most "
        f"{content['most_in_training']} constituents per jet.",
    ]
    for threads in sorted({one["threads"] for one in content["points"]}):
        parts += [f"{threads} thread{'s' if threads > 1 else ''}:", "\n".join(_table(content["points"], threads))]
    memory = [f"{one['bytes'] / MIB:.0f} MB with {_jets(one['batch'])}" for one in content["memory"]]
    full = f" Memory beyond that of the libraries, with the most constituents: {', '.join(memory)}." if memory else ""
    parts.append(f"The graph has {sizes['graph'] / MIB:.1f} MB, the bundle {sizes['bundle'] / MIB:.1f} MB.{full}")
    return "\n\n".join(parts) + "\n\n"


def with_section(card: str, text: str) -> str:
    """A model card with this section in place of an earlier one, else before what the model is not for.

    Args:
        card: The card.
        text: The section.
    """
    old = re.search(rf"^{HEADING}$.*?(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    if old:
        return card[: old.start()] + text + card[old.end() :]
    place = re.search(rf"^{BEFORE}$", card, re.MULTILINE)
    return card[: place.start()] + text + card[place.start() :] if place else f"{card.rstrip()}\n\n{text.rstrip()}\n"


def _table(points: Sequence[Mapping[str, Any]], threads: int) -> Iterator[str]:
    own = {(one["batch"], one["constituents"]): one for one in points if one["threads"] == threads}
    batches, constituents = (sorted({key[place] for key in own}) for place in (0, 1))
    yield "| constituents | " + " | ".join(f"{_jets(batch)} at a time" for batch in batches) + " |"
    yield "| --- |" + " --- |" * len(batches)
    for some in constituents:
        cells = [cell(own.get((batch, some))) for batch in batches]
        yield f"| {some} | " + " | ".join(cells) + " |"


def cell(one: Mapping[str, Any] | None) -> str:
    """A number with its spread, or nothing where there is none."""
    return f"{_short(one['median'])} ({_short(one['low'])} to {_short(one['high'])})" if one else ""


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _jets(number: int) -> str:
    return f"{number} jet{'s' if number > 1 else ''}"
