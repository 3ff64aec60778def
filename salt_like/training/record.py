"""``run.json``: what a run is, from its first second."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from salt_like.atomic import write_atomically

SCHEMA_VERSION = 1
PATCH = "code.patch"
UNFINISHED = ("preparing", "running")  # states of which nobody has written the end

# What is kept of a training that another one continues.
_KEPT = (
    *("command", "started", "stopped", "state", "reason", "epochs_done", "steps_done", "jets_seen"),
    *("salt_like", "files", "changed_configuration"),
)


class Record:
    """The record of a run, written anew with everything that becomes known.

    Of a run that is continued it keeps, as ``earlier``, what was there before.

    Args:
        path: The file.
        facts: What the caller knows: command line, configuration, seed, data files.
        writes: False in processes that leave the writing to another one.
    """

    def __init__(self, path: Path, facts: dict[str, Any], writes: bool = True) -> None:
        self.path = path
        self.facts: dict[str, Any] = {"schema": SCHEMA_VERSION, **facts}
        self.writes = writes

    def begin(self, **news: Any) -> None:
        """Write what is known before the data are read."""
        self.write(state="preparing", started=now(), **news, **self._earlier())

    def write(self, **news: Any) -> None:
        """Add facts, and write everything."""
        self.facts |= news
        if not self.writes:
            return
        with write_atomically(self.path) as temporary:
            temporary.write_text(json.dumps(self.facts, indent=2, default=str) + "\n", encoding="utf-8")

    def _earlier(self) -> dict[str, Any]:
        """What the file says of the trainings that this one continues, the first one first."""
        before = read(self.path)
        if not before:
            return {}
        if before.get("state") in UNFINISHED:
            before["state"] = "killed"
        return {"earlier": [*before.get("earlier", []), {key: before[key] for key in _KEPT if key in before}]}


def read(path: Path) -> dict[str, Any]:
    """What a record says; nothing where there is none or it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def now() -> str:
    """The time, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
