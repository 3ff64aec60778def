"""`train inspect`: what a data file, a configuration or a run contains."""

from __future__ import annotations

from pathlib import Path

from salt_like.cli import arguments as command_line
from salt_like.cli import table
from salt_like.errors import UserError

DATA_SUFFIXES = (".h5", ".hdf5", ".hdf")


def parser() -> command_line.Parser:
    """The options of `train inspect`."""
    made = command_line.Parser(
        "inspect",
        "Shows what a data file, a configuration or a run contains.",
        epilog="With a configuration, keys can be set as in `train fit`, such as --data.train=train.h5.",
    )
    made.add_argument("what", help="FILE.h5, CONFIG.yaml, the name of a shipped configuration, or a run folder")
    return made


def main(arguments: list[str]) -> int:
    """Shows it.

    Args:
        arguments: What follows `train inspect`.

    Returns:
        The exit code.

    Raises:
        UserError: It cannot be read.
    """
    options, rest = parser().parse_known_args(arguments)
    path = Path(options.what)
    overrides = command_line.overrides(rest, parser().options(), "inspect")
    if path.suffix in DATA_SUFFIXES or path.is_dir():
        if overrides:
            raise UserError(f"--{overrides[0][0]} has no meaning here: only a configuration has keys")
        if path.is_dir():
            from salt_like.cli import inspect_run

            table.show(inspect_run.report(path))
        else:
            from salt_like.cli import inspect_file

            table.show(inspect_file.report(path))
        return 0
    from salt_like.cli import inspect_config

    table.show(inspect_config.report(options.what, overrides))
    return 0
