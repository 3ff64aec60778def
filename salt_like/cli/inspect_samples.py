"""Which files a user of `train inspect` means by which sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from salt_like.data.files import Files, find
from salt_like.errors import UserError


def samples(given: Sequence[str]) -> dict[str, Files]:
    """The samples that a user named on the command line.

    Args:
        given: Each a path, a glob, several of them with commas, or any of these as ``NAME=FILES``.

    Raises:
        UserError: A file does not exist or cannot be read, or two samples have the same name.
    """
    found: dict[str, Files] = {}
    for one in given:
        match = None if Path(one).exists() else re.fullmatch(r"(\w[\w.-]*)=(.+)", one)
        name, text = match.groups() if match else ("", one)
        paths = find([text] if Path(text).exists() else [part for part in text.split(",") if part], "train inspect")
        name = name or (paths[0].stem if len(paths) == 1 else Path(text.split(",")[0]).stem)
        if name in found:
            name = text if not match else name
        if name in found:
            raise UserError(f"two samples are called '{name}': name them, such as first={text}")
        found[name] = Files(paths)
    return found
