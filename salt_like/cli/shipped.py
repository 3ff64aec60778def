"""The configurations that come with the package."""

from __future__ import annotations

from pathlib import Path

from salt_like.errors import UserError, nearest

FOLDER = Path(__file__).resolve().parent.parent / "configs"


def names() -> list[str]:
    """Their names, without the suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name: str) -> Path:
    """The file that `--config` means: a path, or else the name of a shipped configuration.

    Raises:
        UserError: There is no such file and no such configuration.
    """
    path = Path(name)
    if path.is_file():
        return path.resolve()
    if path.is_dir():
        raise UserError(f"configuration '{name}' is a folder, not a file")
    if path.parent == Path():
        shipped = FOLDER / f"{name.removesuffix('.yaml')}.yaml"
        if shipped.is_file():
            return shipped
    siblings = [str(path.with_name(one.name)) for one in _yaml_files(path.parent)]
    hint = nearest(name, [*names(), *siblings])
    raise UserError(
        f"no configuration '{name}'{hint}\n"
        f"looked for the file {path.absolute()}\n"
        f"shipped configurations: {', '.join(names()) or 'none'}"
    )


def _yaml_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.y*ml")) if directory.is_dir() else []
