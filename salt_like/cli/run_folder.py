"""Where a run is written."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from salt_like.atomic import write_atomically
from salt_like.errors import UserError

# Processes that the first one starts read from it which folder was chosen.
HANDED_OVER = "SALT_LIKE_RUN"
_RANKS = ("LOCAL_RANK", "RANK", "SLURM_PROCID")


def choose(name: str, wanted: str | None) -> Path:
    """The folder of a new run; nothing is created.

    Args:
        name: Name of the model.
        wanted: Folder that the user asks for, ``None`` for ``runs/<name>/<time>``.

    Raises:
        UserError: The folder that the user asks for is there and not empty.
    """
    handed = os.environ.get(HANDED_OVER)
    if handed and not is_first():
        return Path(handed)
    if wanted is not None:
        folder = Path(wanted).expanduser().absolute()
        if folder.is_file():
            raise UserError(f"--run {wanted}: this is a file; nothing was changed\ngive a folder that is new or empty")
        if folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"--run {wanted}: the folder exists and is not empty; nothing was changed\n"
                f"choose another, or continue that run with: train fit --resume {wanted}"
            )
        return folder
    if name in {"", ".", ".."} or Path(name).name != name:
        raise UserError(f"name = {name!r}: it names a folder and columns, so it has no '/' and is not empty")
    parent = Path("runs").absolute() / name
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    candidates = [stamp, *(f"{stamp}-{number}" for number in range(2, 1000))]
    return next(parent / one for one in candidates if not (parent / one).exists())


def is_first() -> bool:
    """True in the process that writes: the only one, or the first of several."""
    return all(os.environ.get(rank, "0") == "0" for rank in _RANKS)


def create(folder: Path, config: dict[str, Any], spec: dict[str, Any]) -> None:
    """Makes the folder and writes the resolved configuration and the description of the data.

    Args:
        folder: As chosen; may exist.
        config: The resolved configuration.
        spec: The resolved description of the data as plain data.
    """
    os.environ[HANDED_OVER] = str(folder)
    if not is_first():
        return
    for name, text in {"config.yaml": dump(config), "spec.json": json.dumps(spec, indent=2) + "\n"}.items():
        with write_atomically(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def discard(folder: Path, keep: bool) -> None:
    """Removes what `create` wrote, where no training began.

    Args:
        folder: As given to `create`.
        keep: Whether the folder itself stays, because it was there before; otherwise it goes, with ``runs/<name>``
            where nothing else is in it.
    """
    if not is_first():
        return
    for name in ("config.yaml", "spec.json"):
        (folder / name).unlink(missing_ok=True)
    if keep:
        return
    with contextlib.suppress(OSError):  # not empty: something else is in it
        folder.rmdir()
        if folder.parent.parent == Path("runs").absolute():
            folder.parent.rmdir()
            folder.parent.parent.rmdir()


def dump(config: dict[str, Any]) -> str:
    """A configuration as YAML, keys in their order."""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
