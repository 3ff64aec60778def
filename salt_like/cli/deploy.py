"""`train deploy`: bundles into a store of versions, and aliases that say which version to use."""

from __future__ import annotations

import json
from argparse import Namespace, RawDescriptionHelpFormatter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.cli import arguments as command_line
from salt_like.cli.predict import positive
from salt_like.cli.table import Table, show
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.export.store import Deployment, Store

_EPILOG = """\
train deploy BUNDLE TARGET --alias production          a new version, for production at once
train deploy MODEL TARGET --alias production --to 2    move an alias: to another version, or back
train deploy --list TARGET                             what is there
Nothing in a store is overwritten. The alias latest follows every deployment."""


def parser() -> command_line.Parser:
    """The options of `train deploy`."""
    made = command_line.Parser(
        "deploy",
        "Puts a bundle into a store of versions, or moves an alias of a model that is there.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("places", nargs="+", metavar="BUNDLE|MODEL TARGET", help="the bundle or model, and the store")
    made.add_argument(
        "--layout",
        choices=("folder", "triton"),
        help="of a new store: plain folders (the default), or a model repository of Triton",
    )
    made.add_argument(
        "--alias", action="append", default=[], metavar="NAME", help="let this name stand for the version"
    )
    made.add_argument("--to", metavar="VERSION", help="with a model: the version, or another alias of it")
    made.add_argument("--name", metavar="MODEL", help="name of the model in the store; by default that of the bundle")
    made.add_argument("--version", type=positive, metavar="N", help="number of the version; by default the next")
    made.add_argument("--list", action="store_true", help="show what is in the store")
    made.add_argument("--json", action="store_true", help="with --list: as JSON")
    return made


def main(arguments: list[str]) -> int:
    """Deploys, moves aliases, or lists.

    Args:
        arguments: What follows `train deploy`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments is wrong, the bundle is damaged, or the store cannot be written.
    """
    options = parser().strict(arguments)
    if options.list:
        _refuse(options, "--list", "alias", "to", "name", "version", "layout")
        return _list(_place(options.places, "--list TARGET"), options.json)
    _refuse(options, "deploying", "json")
    if len(options.places) != 2:
        raise UserError(f"give two places: BUNDLE TARGET, or MODEL TARGET with --to\nfound: {' '.join(options.places)}")
    what, target = options.places[0], Path(options.places[1]).expanduser().absolute()
    if options.to is not None:
        return _move(what, target, options)
    from salt_like.export.copying import read_checked
    from salt_like.export.store import make_store
    from salt_like.export.store_index import check_names

    bundle = read_checked(Path(what).expanduser().absolute())
    check_names(options.name or str(bundle.manifest.get("model")), tuple(options.alias))
    store = make_store(target, options.layout)
    done = store.put(bundle, options.name, options.version, options.alias)
    if done.is_new:
        print(f"version {done.version} of {done.model}: {done.path}")
    else:
        print(f"nothing copied: this very bundle is version {done.version} of {done.model} already")
    _say_moved(done, store)
    return 0


def _move(model: str, target: Path, options: Namespace) -> int:
    from salt_like.export.store import open_store

    _refuse(options, "--to", "name", "version", "layout")
    if len(options.alias) != 1:
        raise UserError("--to moves one alias: give it with --alias, such as --alias production --to 2")
    store = open_store(target)
    done = store.move(model, options.alias[0], options.to)
    if not done.moved:
        print(f"nothing moved: {options.alias[0]} stands for version {done.version} of {model} already")
    _say_moved(done, store)
    return 0


def _say_moved(done: Deployment, store: Store) -> None:
    for alias, before in done.moved.items():
        print(f"{alias}: version {done.version}" + (f", was {before}" if before is not None else ""))
    if store.layout == "triton" and done.moved:
        print(f"served as {done.model}, " + ", ".join(f"{done.model}.{alias}" for alias in done.moved))


def _list(target: Path, as_json: bool) -> int:
    from salt_like.export.store import open_store

    store = open_store(target)
    found = [(index, number) for index in store.indices().values() for number in index.versions]
    if as_json:
        versions = [
            {
                "model": index.model,
                "version": number,
                **asdict(index.versions[number]),
                "aliases": index.aliases_of(number),
            }
            for index, number in found
        ]
        print(json.dumps({"layout": store.layout, "versions": versions}, indent=1))
        return 0
    if not found:
        print(f"nothing in {target} yet")
        return 0
    rows = []
    for index, number in found:
        one = index.versions[number]
        aliases = ", ".join(index.aliases_of(number))
        rows.append([index.model, str(number), one.sha256[:12], one.date, one.profile, aliases])
    headings = ["model", "version", "hash", "deployed", "profile", "aliases"]
    show([Table(f"{target} ({store.layout})", headings, rows, frozenset({0, 2, 3, 4, 5}))])
    return 0


def _place(places: list[str], usage: str) -> Path:
    if len(places) != 1:
        raise UserError(f"give one place: {usage}\nfound: {' '.join(places)}")
    return Path(places[0]).expanduser().absolute()


def _refuse(options: Namespace, what: str, *names: str) -> None:
    for name in names:
        if getattr(options, name) not in (None, [], False):
            raise UserError(f"--{name} does not go with {what}\nsee: train deploy --help")
