"""`train cache`: the packed copies of data files that training made."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from salt_like.cli import arguments as command_line
from salt_like.cli.table import Table, show


def parser() -> command_line.Parser:
    """The options of `train cache`."""
    made = command_line.Parser("cache", "Lists or clears the packed copies of data files that training made.")
    made.add_argument("action", choices=["list", "clear"], help="show them, or remove them all")
    made.add_argument("--dir", metavar="DIR", help="their folder; by default $SALT_LIKE_CACHE or the user's cache")
    return made


def main(arguments: list[str]) -> int:
    """Lists or clears.

    Args:
        arguments: What follows `train cache`.

    Returns:
        The exit code.
    """
    options = parser().strict(arguments)
    from salt_like.data.cache import clear_caches, default_folder, list_caches

    folder = Path(options.dir).expanduser() if options.dir else default_folder()
    if options.action == "clear":
        copies = len(list_caches(folder))
        print(f"removed {copies} copies, {clear_caches(folder) / 1e6:.1f} MB, from {folder}")
        return 0
    copies_found = list_caches(folder)
    rows = [
        [
            one.path.name[:12],
            str(one.jets),
            f"{one.size / 1e6:.1f} MB",
            "complete" if one.complete else "unfinished",
            datetime.fromtimestamp(one.changed).isoformat(sep=" ", timespec="seconds"),
        ]
        for one in copies_found
    ]
    if not rows:
        print(f"no packed copies in {folder}")
        return 0
    total = sum(one.size for one in copies_found) / 1e6
    title = f"packed copies in {folder} ({total:.1f} MB in all)"
    show([Table(title, ["copy", "jets", "size", "state", "changed"], rows, frozenset({0, 3, 4}))])
    return 0
