"""The command line of the subcommands that read a configuration."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from salt_like.cli import yaml_file
from salt_like.errors import UserError, nearest

TOP_LEVEL = ("name", "seed", "keep_best", "checkpoint_minutes", "init_from", "data", "model", "trainer")

# Characters that begin something special in YAML but a glob, a decorator or a percentage on a command line.
_LITERAL = ("*", "@", "%", "`", "&", "!")


class Parser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations and reports errors as `UserError`."""

    def __init__(self, command: str, description: str, **options: Any) -> None:
        super().__init__(prog=f"train {command}", description=description, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Reports what is wrong without the usage text."""
        raise UserError(f"{message}\nsee: {self.prog} --help")

    def options(self) -> list[str]:
        """Every option, such as ``--config``."""
        return [option for action in self._actions for option in action.option_strings if option.startswith("--")]

    def strict(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parses arguments that must all be known.

        Raises:
            UserError: An argument is unknown, with the nearest known one.
        """
        options = self.options()
        for argument in arguments:
            name = argument.partition("=")[0]
            if len(name) > 2 and name.startswith("--") and name not in options:  # before what else is missing
                raise UserError(f"unknown argument '{name}'{nearest(name, options)}\nsee: {self.prog} --help")
        known, rest = self.parse_known_args(arguments)
        if rest:
            name = rest[0].split("=")[0]
            raise UserError(f"unknown argument '{name}'{nearest(name, self.options())}\nsee: {self.prog} --help")
        return known


def overrides(rest: Sequence[str], options: Sequence[str], command: str) -> list[tuple[str, Any]]:
    """The ``--any.key=value`` and ``--any.key value`` of a command line, as keys and values in order.

    Args:
        rest: What is left after the options of the command.
        options: Those options, for the nearest match.
        command: The command, for the message.

    Raises:
        UserError: Something is neither, a value is missing, or the first part of a key is unknown.
    """
    found = []
    waiting = list(rest)
    while waiting:
        argument = waiting.pop(0)
        if not argument.startswith("--") or argument == "--":
            hint = f" (did you mean '--config {argument}'?)" if argument.endswith((".yaml", ".yml")) else ""
            raise UserError(f"unexpected argument '{argument}'{hint}\nsee: train {command} --help")
        key, equals, text = argument[2:].partition("=")
        top = key.split(".")[0]
        if top not in TOP_LEVEL:
            known = [*options, *(f"--{name}" for name in TOP_LEVEL)]
            raise UserError(
                f"unknown argument '--{key}'{nearest(f'--{top}', known)}\n"
                f"options: {', '.join(options)}; keys begin with {', '.join(TOP_LEVEL)}"
            )
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise UserError(f"'--{key}' needs a value, such as --{key}=VALUE")
            text = waiting.pop(0)
        found.append((key, value(text, key)))
    return found


def value(text: str, key: str) -> Any:
    """One value of the command line, read as YAML."""
    return text if text.startswith(_LITERAL) else yaml_file.parse(text, f"--{key}")
