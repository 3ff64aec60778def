"""A store as a model repository of Triton, which knows versions but no aliases.

The configuration of a model serves each version for which an alias stands. Each alias is a model MODEL.ALIAS besides,
whose configuration serves that one version, and whose versions are links to those of the model. An alias moves in one
step, when its configuration is replaced.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from salt_like.bundle import read_manifest
from salt_like.errors import UserError
from salt_like.export import triton
from salt_like.export.store_files import link, staging, write_durably
from salt_like.export.store_index import Index


def begin(folder: Path, index: Index, manifest: Mapping[str, Any]) -> None:
    """Write the configuration of a model that is new.

    Args:
        folder: Folder of the model.
        index: Its versions.
        manifest: Manifest of its first bundle.
    """
    (folder / triton.CONFIG).write_text(triton.config(index.model, _served(index), manifest), encoding="utf-8")


def serve(store: Path, index: Index) -> None:
    """Let configurations say what the aliases of a model say; they stay as they are where they do already.

    Args:
        store: The store.
        index: Versions and aliases of the model.

    Raises:
        UserError: A configuration was changed so that it cannot say it.
    """
    own = store / index.model / triton.CONFIG
    _rewrite(own, index.model, _served(index))
    for alias, number in index.aliases.items():
        folder = store / f"{index.model}.{alias}"
        if folder.is_dir():
            _add_version(folder / str(number), store, index.model)
            _rewrite(folder / triton.CONFIG, folder.name, [number])
            continue
        with staging(store, index.model) as staged:
            staged.mkdir()
            # links of a model that is not in its place yet lead nowhere, so the version is added as it will be
            _add_version(staged / str(number), store, index.model)
            text = triton.changed(own.read_text(encoding="utf-8"), folder.name, [number])
            (staged / triton.CONFIG).write_text(text, encoding="utf-8")
            staged.rename(folder)


def refuse_other_interface(store: Path, index: Index, manifest: Mapping[str, Any]) -> None:
    """Refuse a bundle that the configuration of its model does not describe.

    Args:
        store: The store.
        index: Versions of the model so far.
        manifest: Manifest of the bundle.

    Raises:
        UserError: Inputs or outputs are others.
    """
    if not index.versions:
        return
    newest = max(index.versions)
    before = triton.interface(read_manifest(store / index.model / str(newest))).splitlines()
    now = triton.interface(manifest).splitlines()
    different = [f"- {line}" for line in before if line not in now] + [
        f"+ {line}" for line in now if line not in before
    ]
    if different:
        raise UserError(
            f"inputs or outputs are not those of version {newest} of '{index.model}', which clients rely on:\n"
            f"{different[0][:150]}\n{different[-1][:150]}\ndeploy it as another model: --name NAME"
        )


def _served(index: Index) -> list[int]:
    return sorted(set(index.aliases.values()))


def _rewrite(config: Path, name: str, versions: Sequence[int]) -> None:
    before = config.read_text(encoding="utf-8")
    after = triton.changed(before, name, versions)
    if after != before:  # a server that looks for changes would load the model again
        write_durably(config, after)


def _add_version(path: Path, store: Path, model: str) -> None:
    if path.is_symlink() or path.is_dir():
        return
    if not link(path, f"../{model}/{path.name}"):
        temporary = path.with_name(f".{path.name}.part")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        shutil.copyfile(store / model / path.name / "model.onnx", temporary / "model.onnx")
        temporary.rename(path)
