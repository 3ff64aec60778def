"""`train completion`: a static completion script, made without importing torch."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from salt_like.cli import arguments as command_line
from salt_like.cli import shipped
from salt_like.cli.arguments import TOP_LEVEL
from salt_like.cli.configuration import LINKED
from salt_like.cli.main import COMMANDS

_PACKAGE = Path(__file__).resolve().parent.parent
_ACTIONS = {"cache": ["list", "clear"], "completion": ["bash", "zsh"], "baseline": ["xgboost"]}
_WITH_KEYS = ("fit", "baseline", "inspect", "bench")
_SOME_KEYS = {"test": ["data.test", "data.num_test"], "calibrate": ["data.val", "data.num_val"]}
_SHARED = {"add_common", "add_calibration"}  # declare options for several commands; the first calls the second

_BASH = """\
# completion of `train` for bash: eval "$(train completion bash)"
_salt_like_train() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands} --help --version"
    elif [ "$previous" = "--config" ] || [ "$previous" = "-c" ]; then
        words="{configurations}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    case "${{COMPREPLY[0]}}" in *=) compopt -o nospace ;; esac
}}
complete -o default -F _salt_like_train train
"""

_ZSH = """\
# completion of `train` for zsh: eval "$(train completion zsh)"
autoload -Uz bashcompinit && bashcompinit
"""


def parser() -> command_line.Parser:
    """The options of `train completion`."""
    made = command_line.Parser(
        "completion",
        "Prints a script that completes commands, options, shipped configurations and keys.",
        epilog='In bash: eval "$(train completion bash)"; in zsh: eval "$(train completion zsh)".',
    )
    made.add_argument("shell", choices=["bash", "zsh"])
    return made


def main(arguments: list[str]) -> int:
    """Prints the script.

    Args:
        arguments: What follows `train completion`.

    Returns:
        The exit code.
    """
    shell = parser().strict(arguments).shell
    print(script() if shell == "bash" else _ZSH + script(), end="")
    return 0


def script() -> str:
    """The completion script for bash, which zsh understands too."""
    configurations = " ".join(shipped.names())
    cases = "\n".join(f'            {name}) words="{" ".join(words(name))}" ;;' for name in COMMANDS)
    return _BASH.format(commands=" ".join(COMMANDS), configurations=configurations, cases=cases)


def words(command: str) -> list[str]:
    """What can follow a command: its options, actions, shipped configurations and keys."""
    found = [*options(command), "--help", "--debug", *_ACTIONS.get(command, [])]
    if command in {"inspect", "bench", "baseline"}:
        found += shipped.names()
    return found + [f"--{key}=" for key in (keys() if command in _WITH_KEYS else _SOME_KEYS.get(command, []))]


def options(command: str) -> list[str]:
    """The options that a command's file declares, read from its source without running it."""
    tree = ast.parse((_PACKAGE / f"cli/{command}.py").read_text(encoding="utf-8"))
    nodes = [*ast.walk(tree), *(node for name in _shared(tree) for node in ast.walk(name))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    declared = [
        node.args for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"
    ]
    names = [one.value for arguments in declared for one in arguments if isinstance(one, ast.Constant)]
    return [name for name in names if isinstance(name, str) and name.startswith("--")]


def _shared(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of other commands' files with which this one declares options."""
    found = []
    for node in tree.body:
        names = {one.name for one in node.names} & _SHARED if isinstance(node, ast.ImportFrom) else set()
        if isinstance(node, ast.ImportFrom) and names:
            file = _PACKAGE.parent / f"{(node.module or '').replace('.', '/')}.py"
            owner = ast.parse(file.read_text(encoding="utf-8"))
            names = _SHARED if "add_common" in names else names
            found += [one for one in owner.body if isinstance(one, ast.FunctionDef) and one.name in names]
    return found


def keys() -> list[str]:
    """The configuration's keys down to the second level."""
    lightning = importlib.util.find_spec("lightning")
    trainer = [Path(lightning.origin).parent / "pytorch/trainer/trainer.py"] if lightning and lightning.origin else []
    sections = {
        "data": [_PACKAGE / "data/module.py"],
        "model": [_PACKAGE / "training/module.py"],
        "trainer": trainer,
    }
    classes = {"data": "Data", "model": "Model", "trainer": "Trainer"}
    plain = [key for key in TOP_LEVEL if key not in sections]
    nested = [
        f"{section}.{name}"
        for section, files in sections.items()
        for file in files
        for name in constructor_arguments(file, classes[section])
    ]
    return plain + [key for key in nested if key not in LINKED]


def constructor_arguments(file: Path, cls: str) -> list[str]:
    """Names of the arguments of a class's constructor, read from its source without running it.

    Args:
        file: Source file.
        cls: Name of the class.
    """
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == cls:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    arguments = [*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs]
                    return [argument.arg for argument in arguments if argument.arg != "self"]
    return []
