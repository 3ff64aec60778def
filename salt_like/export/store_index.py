"""What a store knows of one model: its versions, and the names that stand for some of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salt_like.errors import UserError, nearest

INDEX = "index.json"
FORMAT, SCHEMA_VERSION = "salt-like store index", 1
LATEST = "latest"
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Version:
    """One bundle in a store.

    Args:
        sha256: Hash of its list of hashes.
        date: When it was deployed, UTC.
        profile: Profile of the export.
    """

    sha256: str
    date: str
    profile: str


@dataclass(frozen=True)
class Index:
    """Versions and aliases of a model.

    Args:
        model: Name of the model in the store.
        versions: By number, from 1.
        aliases: Number by name.
    """

    model: str
    versions: Mapping[int, Version]
    aliases: Mapping[str, int]

    def with_version(self, number: int, version: Version) -> Index:
        """The same with one more version."""
        return replace(self, versions={**self.versions, number: version})

    def with_aliases(self, aliases: Mapping[str, int]) -> Index:
        """The same with aliases moved or added."""
        return replace(self, aliases=dict(sorted({**self.aliases, **aliases}.items())))

    def number_of(self, sha256: str) -> int | None:
        """The version that holds a bundle, ``None`` if none does."""
        return next((number for number, one in self.versions.items() if one.sha256 == sha256), None)

    def aliases_of(self, number: int) -> tuple[str, ...]:
        """The aliases that stand for a version."""
        return tuple(name for name, one in self.aliases.items() if one == number)

    def resolve(self, which: str) -> int:
        """The version that an alias or a number means.

        Args:
            which: An alias, or a number as text.

        Raises:
            UserError: There is none.
        """
        number = int(which) if which.isdecimal() else self.aliases.get(which)
        if number is None or number not in self.versions:
            known = [*map(str, self.versions), *self.aliases]
            raise UserError(
                f"no version or alias '{which}' of '{self.model}'{nearest(which, known)}\nthere is: {', '.join(known)}"
            )
        return number

    def text(self) -> str:
        """The content of the file."""
        versions = {
            str(number): {"sha256": one.sha256, "date": one.date, "profile": one.profile}
            for number, one in self.versions.items()
        }
        content = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "model": self.model,
            "versions": versions,
            "aliases": dict(self.aliases),
        }
        return json.dumps(content, indent=1) + "\n"


def read_index(path: Path) -> Index:
    """Read the file.

    Args:
        path: The file.

    Raises:
        UserError: It is none, or of a newer schema.
    """
    content = read_json(path, FORMAT, SCHEMA_VERSION)
    try:
        versions = {int(number): Version(**one) for number, one in content["versions"].items()}
        return Index(content["model"], dict(sorted(versions.items())), dict(content["aliases"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged: {error!r}") from None


def read_json(path: Path, kind: str, newest: int) -> dict[str, Any]:
    """A JSON file that says what it is.

    Args:
        path: The file.
        kind: What its ``format`` must be.
        newest: The schema version that is known.

    Raises:
        UserError: It is something else, or of a newer schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != kind:
        raise UserError(f"{path} is something else: its 'format' is not '{kind}'")
    if content.get("schema_version") != newest:
        raise UserError(
            f"{path} has schema version {content.get('schema_version')}, known is {newest}\nupdate this package"
        )
    return content


def check_names(model: str, aliases: Mapping[str, object] | tuple[str, ...]) -> None:
    """Refuse names that could not be folders or parts of a URL, or be taken for versions.

    Raises:
        UserError: Such a name.
    """
    if not _MODEL.fullmatch(model):
        raise UserError(
            f"'{model}' is no name for a model in a store: letters, digits, '_', '-' and '.'\ngive one: --name NAME"
        )
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            raise UserError(f"'{alias}' is no alias: letters, digits, '_' and '-', a letter first")
