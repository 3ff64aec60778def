"""The dispatcher: finds the subcommand, imports only its file, and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from salt_like.errors import UserError, nearest
from salt_like.version import __version__

COMMANDS = {
    "fit": "train a tagger from a configuration",
    "baseline": "boosted trees on the data of a configuration, beside its network",
    "ensemble": "several runs as one: the mean of what they say, and how far they are apart",
    "calibrate": "temperatures of a run's probabilities, from its validation data",
    "test": "metrics and predictions of a run on a labelled file",
    "predict": "predictions of a run on any file",
    "report": "one page that explains a run, or several beside each other",
    "compare": "two runs, prediction files or bundles on the same jets",
    "runs": "the runs in a folder as a table",
    "reproduce": "a run again, from its record, and whether the numbers are the same",
    "export": "a run as a folder that runs without this project: ONNX, golden jets, verification",
    "verify": "is a bundle what was exported, and does it say what its run says",
    "deploy": "a bundle into a store of versions; aliases, and back",
    "inspect": "what a data file, a configuration or a run contains",
    "bench": "speed of a configuration, a run or a bundle",
    "simulate": "make jets for training: collisions in a parametrised detector",
    "cache": "list or clear the packed copies of data files",
    "completion": "print a completion script for bash or zsh",
}

SUCCESS, FAILURE, USER_ERROR, INTERRUPTED, SIGNALLED = 0, 1, 2, 130, 128
MESSAGE_LINES = 5


def usage() -> str:
    """The text of `train --help`."""
    width = max(map(len, COMMANDS))
    commands = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: train COMMAND [ARGUMENTS]",
            "",
            "From one YAML file to a trained and tested jet tagger.",
            "",
            "commands:",
            *commands,
            "",
            "options:",
            "  --help     show this text; `train COMMAND --help` shows what a command takes",
            "  --version  show the version",
            "  --debug    show where an error comes from (anywhere on the line)",
            "",
            "example: train fit --config gn2-small --data.train=train.h5 --data.val=val.h5",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    Args:
        arguments: What follows `train` on the command line, ``None`` for that of the process.

    Returns:
        0, or 1 after an unexpected error, 2 after an error of the user's, 130 after Ctrl-C, 143 after SIGTERM.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    rest = [argument for argument in given if argument != "--debug"]
    try:
        with _tidy_end():
            code = _run(rest)
        sys.stdout.flush()  # a reader that has gone is noticed here, not when the interpreter ends
        return code
    except SystemExit as stop:  # argparse ends this way after --help and after a usage error
        return stop.code if isinstance(stop.code, int) else FAILURE
    except BaseException as error:
        if debug and not isinstance(error, BrokenPipeError):
            raise
        return _explain(error)


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Lets what is half written be removed when a batch system or `kill` ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        del frame
        raise SystemExit(SIGNALLED + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(rest: list[str]) -> int:
    if not rest or rest[0] in {"-h", "--help", "help"}:
        print(usage())
        return SUCCESS
    if rest[0] == "--version":
        print(f"salt-like {__version__}")
        return SUCCESS
    name, arguments = rest[0], rest[1:]
    if name not in COMMANDS:
        raise UserError(f"unknown command '{name}'{nearest(name, COMMANDS)}\ncommands: {', '.join(COMMANDS)}")
    code: int = importlib.import_module(f"salt_like.cli.{name}").main(arguments)
    return code


def _explain(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return _say(str(error) or "interrupted", INTERRUPTED)
    if isinstance(error, UserError):
        return _say(f"error: {error}", USER_ERROR)
    full = _full_disk(error)
    if full is not None:
        return _say(full, USER_ERROR)
    if isinstance(error, BrokenPipeError):  # `train inspect … | head` is not an error
        sys.stdout = io.StringIO()  # what is left would be written when the interpreter ends
        return SUCCESS
    if isinstance(error, OSError) and error.strerror and error.filename:  # no such folder, no permission, …
        return _say(f"error: {error.strerror}: {error.filename}", USER_ERROR)
    if not isinstance(error, Exception):
        raise error
    first = (str(error).strip().splitlines() or [""])[0]
    return _say(f"unexpected {type(error).__name__}: {first} (run again with --debug to see where)", FAILURE)


def _full_disk(error: BaseException | None) -> str | None:
    """The message when the disk was full, however deep below the error that came out."""
    while error is not None:
        filename = error.filename if isinstance(error, OSError) else None
        is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if is_full or os.strerror(errno.ENOSPC) in str(error):  # h5py has the number in the text only
            return "error: no space left on the disk" + (f" while writing {filename}" if filename else "")
        error = error.__cause__ or error.__context__
    return None


def _say(message: str, code: int) -> int:
    print("\n".join(message.splitlines()[:MESSAGE_LINES]), file=sys.stderr)
    return code
