"""Recognising the content of files without reading all of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

BLOCKS, BLOCK = 64, 4096  # places of a file that are read, and bytes at each


def fingerprint(path: Path) -> str:
    """Hash of the size and of 64 evenly spaced blocks of 4096 bytes, the first and the last among them.

    It is the same for a copy elsewhere, and takes milliseconds for a file of any size. A change of a few bytes in
    between can escape it.

    Raises:
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    last = max(0, size - BLOCK)
    with path.open("rb") as file:
        for start in sorted({last * number // (BLOCKS - 1) for number in range(BLOCKS)}):
            file.seek(start)
            digest.update(file.read(BLOCK))
    return digest.hexdigest()[:32]
