"""Reading many pieces of files at once, through the system's memory or past it."""

from __future__ import annotations

import errno
import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

THREADS = 4  # requests that the disk has at once; they wait most of the time
PIECE = 1 << 20  # bytes of a request, at most
PAGE = 4096  # what begins and ends at multiples of it can be read directly
OWN_GROUPS, ALL_GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Piece:
    """Bytes of a file and where they are put.

    Args:
        path: The file.
        offset: First byte.
        target: Where they are put; its length says how many.
    """

    path: Path
    offset: int
    target: memoryview

    def parts(self) -> Iterator[Piece]:
        """The same bytes in pieces of limited length."""
        if len(self.target) <= PIECE:
            yield self
            return
        for start in range(0, len(self.target), PIECE):
            yield Piece(self.path, self.offset + start, self.target[start : start + PIECE])


class PieceReader:
    """Reads pieces of files with several threads, while other threads compute.

    Args:
        direct: Fetch from the disk without a copy in the system's memory, where the file system can do so. It is the
            cheapest way to read what will have been forgotten before it is read again, and the most expensive one for
            what the system could have kept.
    """

    def __init__(self, direct: bool = False) -> None:
        self.direct = direct and sys.platform == "linux"
        self._threads = ThreadPoolExecutor(THREADS, "salt-like-disk")
        self._suited: dict[Path, bool] = {}
        # anonymous maps begin at a page, as reading directly wants it
        self._scratch = [memoryview(mmap.mmap(-1, PIECE + 2 * PAGE)) for _ in range(THREADS if self.direct else 0)]

    def read(self, pieces: Sequence[Piece]) -> None:
        """Fill the targets of all pieces.

        Raises:
            OSError: A file cannot be read, or ends before a piece does.
        """
        parts = [part for piece in pieces for part in piece.parts()]
        running = [self._threads.submit(self._share, parts[number::THREADS], number) for number in range(THREADS)]
        for one in running:
            one.result()

    def _share(self, parts: Sequence[Piece], number: int) -> None:
        by_file: dict[Path, list[Piece]] = {}
        for part in parts:
            by_file.setdefault(part.path, []).append(part)
        for path, some in by_file.items():
            if self.direct and self._suits(path, self._scratch[number]):
                with _opened(path, os.O_DIRECT) as handle:
                    for part in some:
                        _read_directly(handle, part, self._scratch[number])
                continue
            with _opened(path) as handle:
                for part in some:
                    _fill(handle, part.target, part.offset, part)

    def _suits(self, path: Path, scratch: memoryview) -> bool:
        """True where the file system reads this file directly."""
        if path not in self._suited:
            try:
                with _opened(path, os.O_DIRECT) as handle:
                    os.preadv(handle, [scratch[:PAGE]], 0)
                self._suited[path] = True
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
                self._suited[path] = False
        return self._suited[path]


@contextmanager
def _opened(path: Path, flags: int = 0) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | flags)
    try:
        if sys.platform == "linux":
            # pieces are far apart: what the system would read around them would be thrown away
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)
        yield handle
    finally:
        os.close(handle)


def _read_directly(handle: int, part: Piece, scratch: memoryview) -> None:
    skip = part.offset % PAGE
    end = skip + len(part.target)
    _fill(handle, scratch[: -(-end // PAGE) * PAGE], part.offset - skip, part, end)
    part.target[:] = scratch[skip:end]


def _fill(handle: int, target: memoryview, offset: int, part: Piece, enough: int | None = None) -> None:
    """Read into `target`, at least so many bytes of it as are `enough`; all by default."""
    done, enough = 0, len(target) if enough is None else enough
    while done < enough:
        number = os.preadv(handle, [target[done:]], offset + done)
        if number == 0:
            raise OSError(errno.EIO, f"the file ends before byte {part.offset + len(part.target)}", str(part.path))
        done += number


def memory_limit() -> int:
    """Bytes of memory that this process may use: those of the machine, or fewer where a control group says so."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _limit_files():
        try:
            limits.append(int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such group here, or "max"
            continue
    return min(limits)


def _limit_files() -> Iterator[Path]:
    try:
        lines = OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = (ALL_GROUPS / "memory", "memory.limit_in_bytes") if controllers else (ALL_GROUPS, "memory.max")
        folder = root / group.lstrip("/")
        # a limit of a group above holds too; in a container the own group may have another name than outside
        yield from (above / name for above in (folder, *folder.parents) if above.is_relative_to(root))
