"""Reading YAML strictly: duplicate keys are errors, `1e-3` is a number, and every error names its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from salt_like.errors import UserError

_FLOAT = re.compile(
    r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its two traps: silent duplicate keys, and `1e-3` read as text."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    lines: dict[Any, int] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if isinstance(key, bool):
            raise _RefusedError(f"line {line}: YAML reads the key '{key_node.value}' as {key}; write it in quotes")
        if isinstance(key, (dict, list)):
            raise _RefusedError(f"line {line}: a key must be a name or a number")
        if key in lines:
            raise _RefusedError(f"line {line}: key '{key}' is given twice (first in line {lines[key]})")
        lines[key] = line
        result[key] = loader.construct_object(value_node, deep=True)
    return result


class _RefusedError(Exception):
    pass


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def parse(text: str, source: str) -> Any:
    """The content of some YAML.

    Args:
        text: The YAML.
        source: What it is called in error messages.

    Raises:
        UserError: Syntax error or duplicate key, with its line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except _RefusedError as error:
        raise UserError(f"{source}, {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        lines = text.splitlines()
        shown = f"\n  {lines[mark.line].strip()}" if mark is not None and mark.line < len(lines) else ""
        raise UserError(f"{source}{place}: not valid YAML: {error.problem or error.context}{shown}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None


def read(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file is an empty mapping.

    Raises:
        UserError: The file cannot be read, is not valid YAML, or holds something else than a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file (a configuration is YAML)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    content = parse(text, str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: a configuration is a mapping of keys to values, this is a {type(content).__name__}")
    return content
