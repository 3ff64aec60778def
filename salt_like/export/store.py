"""A store of deployed models: a folder in which every version has a number, and aliases say which one to use.

Nothing in it is ever overwritten. What is new is made under another name and renamed when it is complete, so that a
server that reads the folder at any time sees whole versions only.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from salt_like.bundle import refuse_inside
from salt_like.errors import UserError, nearest
from salt_like.export.copying import Checked, copy_bundle, read_checked, sync_folder
from salt_like.export.repository import begin, refuse_other_interface, serve
from salt_like.export.store_files import LOCK, link, locked, model_folders, staging, writable, write_durably
from salt_like.export.store_index import INDEX, LATEST, Index, Version, check_names, read_index, read_json

Layout = Literal["folder", "triton"]
STORE = "store.json"
FORMAT, SCHEMA_VERSION = "salt-like store", 1
PATIENCE = 60.0  # seconds to wait for another deployment


@dataclass(frozen=True)
class Deployment:
    """What a deployment did.

    Args:
        model: Name of the model in the store.
        version: Number of the version.
        path: Its folder.
        is_new: False if the store had this very bundle already.
        moved: For each alias that was moved or made, the version for which it stood before, or ``None``.
    """

    model: str
    version: int
    path: Path
    is_new: bool
    moved: dict[str, int | None]


class Store:
    """A store that exists; `open_store` and `make_store` return one.

    Args:
        folder: The folder.
        layout: ``"folder"``: MODEL/VERSION/… with all files of the bundles; ``"triton"``: the same, which is a model
            repository of Triton at once, with a `config.pbtxt` for each model and a model MODEL.ALIAS for each alias.
        patience: Seconds to wait for another process that writes.
    """

    def __init__(self, folder: Path, layout: Layout, patience: float = PATIENCE) -> None:
        self.folder = folder
        self.layout = layout
        self.patience = patience

    def indices(self) -> dict[str, Index]:
        """The models in the store with their versions, by name."""
        return {path.name: read_index(path / INDEX) for path in model_folders(self.folder)}

    def index(self, model: str) -> Index:
        """Versions and aliases of a model.

        Args:
            model: Name of the model in the store.

        Raises:
            UserError: There is no such model.
        """
        known = self.indices()
        if model not in known:
            there = f"models: {', '.join(known)}" if known else "the store is empty"
            raise UserError(f"no model '{model}' in {self.folder}{nearest(model, known)}\n{there}")
        return known[model]

    def path(self, model: str, which: str = LATEST) -> Path:
        """The folder of a bundle in the store.

        Args:
            model: Name of the model in the store.
            which: An alias, or the number of a version as text.

        Raises:
            UserError: There is no such model, version or alias.
        """
        return self.folder / model / str(self.index(model).resolve(which))

    def put(
        self, bundle: Checked, name: str | None = None, version: int | None = None, aliases: Sequence[str] = ()
    ) -> Deployment:
        """Copy a bundle into the store as a new version, for which `latest` and other aliases then stand.

        A bundle that is there already is not copied again; only the aliases that are given are moved to it.

        Args:
            bundle: The bundle.
            name: Name of the model in the store; ``None`` for that of the bundle.
            version: Number of the version, larger than all before; ``None`` for the next.
            aliases: Aliases beside `latest`.

        Raises:
            UserError: The bundle was changed since it was read, a name or number cannot be used, or the store cannot be
                written.
        """
        model = name or str(bundle.manifest.get("model"))
        check_names(model, tuple(aliases))
        with locked(self.folder, self.patience) as alive:
            there = (self.folder / model / INDEX).is_file()
            old = self.index(model) if there else Index(model, {}, {})
            number = old.number_of(bundle.sha256)
            is_new = number is None
            if number is not None:
                _refuse_other_number(number, version)
                new = old.with_aliases(dict.fromkeys(aliases, number))
            else:
                number = self._next(old, version)
                date = datetime.now(timezone.utc).isoformat(timespec="seconds")
                new = old.with_version(number, Version(bundle.sha256, date, str(bundle.manifest.get("profile"))))
                new = new.with_aliases(dict.fromkeys((LATEST, *aliases), number))
            self._refuse_taken(new)
            if is_new:
                if self.layout == "triton":
                    refuse_other_interface(self.folder, old, bundle.manifest)
                self._add(new, number, bundle, alive)
            self._commit(old, new)
        return Deployment(model, number, self.folder / model / str(number), is_new, _moved(old, new))

    def move(self, model: str, alias: str, which: str) -> Deployment:
        """Let an alias stand for another version; moving it back is the way back from a bad version.

        Args:
            model: Name of the model in the store.
            alias: The alias, which is made if there is none.
            which: The version: its number as text, or another alias.

        Raises:
            UserError: There is no such model or version, it is damaged, or the store cannot be written.
        """
        check_names(model, (alias,))
        self.index(model).resolve(which)  # before anything is written, even a lock
        with locked(self.folder, self.patience):
            old = self.index(model)
            number = old.resolve(which)
            new = old.with_aliases({alias: number})
            read_checked(self.folder / model / str(number))  # nobody shall be given a damaged one
            self._refuse_taken(new)
            self._commit(old, new)
        return Deployment(model, number, self.folder / model / str(number), False, _moved(old, new))

    def _next(self, index: Index, wanted: int | None) -> int:
        folder = self.folder / index.model
        # a folder that the index does not know is what a killed process left after its last step but one
        taken = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()] if folder.is_dir() else []
        last = max([0, *taken, *index.versions])
        if wanted is None or wanted > last:
            return wanted or last + 1
        if wanted in index.versions:
            raise UserError(
                f"version {wanted} of '{index.model}' is in {self.folder} already, with another bundle "
                f"({index.versions[wanted].sha256[:12]}), and is not overwritten\nthe next version is {last + 1}"
            )
        raise UserError(f"--version {wanted}: versions of '{index.model}' count up, the next one is {last + 1}")

    def _add(self, new: Index, number: int, bundle: Checked, alive: Callable[[], None]) -> None:
        """Put the files of a version in place, and of a new model everything."""
        folder = self.folder / new.model
        is_first = not folder.exists()
        with staging(self.folder, new.model) as staged:
            if is_first:
                staged.mkdir()
                copy_bundle(bundle, staged / str(number), alive)
                (staged / INDEX).write_text(new.text(), encoding="utf-8")
                if self.layout == "triton":
                    begin(staged, new, bundle.manifest)
                staged.rename(folder)
                sync_folder(self.folder)
            else:
                copy_bundle(bundle, staged, alive)
                staged.rename(folder / str(number))
                sync_folder(folder)

    def _commit(self, old: Index, new: Index) -> None:
        """Write what follows from an index; what cannot be written completely is taken back."""
        try:
            self._apply(new)
        except BaseException:
            folder = self.folder / new.model
            for alias in set(new.aliases) - set(old.aliases):
                shutil.rmtree(self.folder / f"{new.model}.{alias}", ignore_errors=True)
                (folder / alias).unlink(missing_ok=True)
            if old.versions:
                with contextlib.suppress(OSError, UserError):
                    self._apply(old)
            for number in set(new.versions) - set(old.versions):
                shutil.rmtree(folder / str(number) if old.versions else folder, ignore_errors=True)
            raise

    def _apply(self, index: Index) -> None:
        folder = self.folder / index.model
        write_durably(folder / INDEX, index.text())
        if self.layout == "triton":
            serve(self.folder, index)
        for alias, number in index.aliases.items():
            link(folder / alias, str(number))

    def _refuse_taken(self, index: Index) -> None:
        """Refuse names in whose place something else is."""
        folder = self.folder / index.model
        if folder.exists() and not (folder / INDEX).is_file():
            raise UserError(
                f"{folder} is there already, and is no model of the store\ngive the model another name: --name NAME"
            )
        for alias in index.aliases:
            served = self.folder / f"{index.model}.{alias}"
            is_other = (folder / alias).exists() and not (folder / alias).is_symlink()
            if is_other or (self.layout == "triton" and (served / INDEX).exists()):
                place = folder / alias if is_other else served
                raise UserError(f"'{alias}' cannot be an alias: {place} is there already and is something else")


def open_store(folder: Path) -> Store:
    """A store that exists.

    Args:
        folder: The folder.

    Raises:
        UserError: It is none.
    """
    if not folder.is_dir():
        raise UserError(f"no store: {folder} is {'a file' if folder.exists() else 'not there'}")
    if not (folder / STORE).is_file():
        raise UserError(
            f"{folder} is no store: it has no {STORE}\n`train deploy BUNDLE TARGET` makes one in an empty folder"
        )
    layout = read_json(folder / STORE, FORMAT, SCHEMA_VERSION).get("layout")
    if layout not in ("folder", "triton"):
        raise UserError(f"{folder / STORE}: unknown layout '{layout}'\nknown: folder, triton")
    return Store(folder, layout)


def make_store(folder: Path, layout: Layout | None = None) -> Store:
    """A store, which is made where there is none.

    Args:
        folder: The folder: a store, empty, or not there.
        layout: The layout, ``None`` for that of the store, or ``"folder"`` for a new one.

    Raises:
        UserError: The folder holds something else or is in a bundle, the store has another layout, or it
            cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file\na store is a folder")
    refuse_inside(folder)
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not (folder / STORE).is_file():
        _refuse_foreign(folder)
        with locked(folder, PATIENCE):
            if not (folder / STORE).is_file():
                content = {"format": FORMAT, "schema_version": SCHEMA_VERSION, "layout": layout or "folder"}
                write_durably(folder / STORE, json.dumps(content) + "\n")
    store = open_store(folder)
    if layout not in (None, store.layout):
        raise UserError(f"the store {folder} has the layout '{store.layout}', not '{layout}'\nleave out --layout")
    return store


def _refuse_foreign(folder: Path) -> None:
    own = (LOCK, f".{STORE}")  # another process is making the store
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith(own))
    if others and not (folder / STORE).is_file():
        raise UserError(
            f"{folder} is no store: it has no {STORE}, and is not empty: {', '.join(others[:3])}\n"
            "give a store, or a new or empty folder"
        )


def _moved(old: Index, new: Index) -> dict[str, int | None]:
    return {name: old.aliases.get(name) for name, number in new.aliases.items() if number != old.aliases.get(name)}


def _refuse_other_number(number: int, wanted: int | None) -> None:
    if wanted not in (None, number):
        raise UserError(
            f"--version {wanted}: this very bundle is version {number} already\n"
            f"to use it under a name: --alias NAME without --version"
        )
