from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import types

import pytest

from salt_like.cli import main as dispatcher
from salt_like.errors import UserError
from salt_like.version import __version__


@pytest.fixture
def command(monkeypatch):
    """Replaces the subcommand `fit` by one that raises what it is given."""

    def install(error: BaseException | None, code: int = 0):
        def main(arguments: list[str]) -> int:
            install.arguments = arguments
            if error is not None:
                raise error
            return code

        monkeypatch.setitem(sys.modules, "salt_like.cli.fit", types.SimpleNamespace(main=main))
        return install

    return install


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments, capsys):
    assert dispatcher.main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in dispatcher.COMMANDS)


def test_help_imports_neither_torch_nor_lightning():
    code = (
        "import sys; from salt_like.cli.main import main; main(['--help']); main(['fit', '--help']); "
        "main(['completion', 'bash']); sys.exit(any(name in sys.modules for name in ('torch', 'lightning', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "salt_like", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"salt-like {__version__}\n")


def test_unknown_command_names_the_nearest(capsys):
    assert dispatcher.main(["inspct"]) == 2
    assert "unknown command 'inspct' (did you mean 'inspect'?)" in capsys.readouterr().err


def test_arguments_and_exit_code_are_passed_on(command):
    given = command(None, code=3)
    assert dispatcher.main(["fit", "--config", "x", "--debug"]) == 3
    assert given.arguments == ["--config", "x"]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("wrong\nfound 3"), 2, "error: wrong\nfound 3\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (OSError(errno.ENOSPC, "full", "x.h5"), 2, "error: no space left on the disk while writing x.h5\n"),
        (OSError("errno = 28, error message = 'No space left on device'"), 2, "error: no space left on the disk\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "error: Permission denied: /x\n"),
        (RuntimeError("boom\nmore"), 1, "unexpected RuntimeError: boom (run again with --debug to see where)\n"),
        (BrokenPipeError(), 0, ""),
        (SystemExit(4), 4, ""),
    ],
)  # fmt: skip
def test_errors_become_messages_and_exit_codes(command, capsys, error, code, message):
    command(error)
    assert dispatcher.main(["fit"]) == code
    assert capsys.readouterr().err == message


def test_long_messages_are_cut_at_five_lines(command, capsys):
    command(UserError("\n".join("abcdefgh")))
    assert dispatcher.main(["fit"]) == 2
    assert capsys.readouterr().err == "error: a\nb\nc\nd\ne\n"


def test_debug_shows_where(command):
    command(UserError("wrong"))
    with pytest.raises(UserError, match="wrong"):
        dispatcher.main(["--debug", "fit"])


def test_a_full_disk_behind_another_error_is_still_said(command, capsys):
    error = RuntimeError("cannot write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    command(error)
    assert dispatcher.main(["fit"]) == 2
    assert capsys.readouterr().err == "error: no space left on the disk\n"


def test_a_signal_to_end_lets_go_tidily_and_gives_the_handler_back(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    left = []

    def main(arguments):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            left.append(arguments)

    monkeypatch.setitem(sys.modules, "salt_like.cli.fit", types.SimpleNamespace(main=main))
    assert dispatcher.main(["fit", "x"]) == 143
    assert left == [["x"]]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("arguments", ["--help", "inspect dnn"])
def test_a_reader_that_has_gone_is_no_error(arguments):
    command = f"{sys.executable} -m salt_like {arguments}"
    code = f"{{ sleep 0.5; {command}; echo code $? >&2; }} | true"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "code 0\n"
