"""From a configuration to model and data, by jsonargparse through Lightning's command line."""

from __future__ import annotations

import dataclasses
import logging
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonargparse import Namespace
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from salt_like.cli import check, class_names, messages
from salt_like.cli.arguments import TOP_LEVEL
from salt_like.cli.configuration import LINKED, Configuration
from salt_like.errors import UserError
from salt_like.training.origin import InitFrom

if TYPE_CHECKING:
    from salt_like.data.module import Data
    from salt_like.spec import DataSpec
    from salt_like.training.module import Model

DEFAULT_NAME = "tagger"
_PLAIN_KEYS: dict[str, Any] = {
    "name": str,
    "seed": int,
    "keep_best": int,
    "checkpoint_minutes": float | None,
    "init_from": InitFrom | None,
}


@dataclass(frozen=True)
class Parsed:
    """What a configuration stands for.

    Args:
        model: The Lightning module.
        data: The data module.
        trainer: Arguments of Lightning's trainer as configured, classes built.
        config: The resolved configuration: plain data with every default, from which the same can be built again.
        name: Name of the model.
        seed: Seed of everything random.
    """

    model: Model
    data: Data
    trainer: dict[str, Any]
    config: dict[str, Any]
    name: str
    seed: int


def requests(tasks: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The fields that the configured tasks read, as plain data.

    Args:
        tasks: Name → resolved `class_path` and `init_args`.
    """
    found = []
    for name, task in (tasks or {}).items():
        entry = _plain(task)
        cls = class_names.resolve(entry["class_path"], (object,), f"model.tasks.{name}.class_path")
        found += [dataclasses.asdict(one) | {"task": name} for one in cls.reads(**entry.get("init_args", {}))]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Namespace):
        return _plain(value.as_dict())
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


class Wiring(LightningCLI):
    """Adds the name, the seed and the links between the sections; leaves the trainer to the caller."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The top-level keys, and what is filled from what."""
        parser.add_argument("--name", type=str, default=DEFAULT_NAME, help="name of the model, prefix of its outputs")
        parser.add_argument("--seed", type=int, default=0, help="seed of everything random")
        parser.add_argument("--keep_best", type=int, default=1, help="number of best checkpoints that are kept")
        parser.add_argument(
            "--checkpoint_minutes",
            type=float | None,
            default=10.0,
            help="time between checkpoints in the middle of an epoch; null for none",
        )
        parser.add_argument("--init_from", type=InitFrom | None, default=None, help="a tagger to begin with")
        parser.link_arguments("name", "model.name")
        parser.link_arguments("seed", "data.seed")
        parser.link_arguments("seed", "seed_everything")
        parser.link_arguments("model.tasks", "data.requests", compute_fn=requests)
        parser.link_arguments("data.spec", "model.spec", apply_on="instantiate")

    def instantiate_classes(self) -> None:
        """Nothing: `build` does it, after the configuration has been read."""

    def build(self, spec: DataSpec | None = None, norms: DataSpec | None = None) -> tuple[Any, Any, dict[str, Any]]:
        """Model, data, and the arguments of the trainer.

        Args:
            spec: Description of the data that a checkpoint holds; ``None`` to find it from the training files.
            norms: Description of the data whose mean and width of the inputs are kept.
        """
        if spec is not None:
            self.config.data["spec"] = spec
        if norms is not None:
            self.config.data["norms"] = norms
        built = self.parser.instantiate_classes(self.config)
        trainer = dict(built.trainer.as_dict())
        return built.model, built.data, trainer


def resolve(
    configuration: Configuration, model: type[LightningModule], data: type[LightningDataModule]
) -> tuple[Wiring, dict[str, Any]]:
    """The parsed configuration and its fully resolved plain form; nothing is built and no data file opened.

    Args:
        configuration: What the user configured.
        model: Class of the Lightning module.
        data: Class of the data module.

    Raises:
        UserError: A key, class name or value is wrong.
    """
    _quieten()
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # so that classes of the user's own modules can be named
    content = dict(configuration.content)
    if isinstance(content.get("init_from"), str):
        content["init_from"] = {"path": content["init_from"]}
    for key, kind in _PLAIN_KEYS.items():
        if key in content:
            content[key] = check.visit(content[key], kind, key)
    if content.get("keep_best", 0) < 0:
        raise UserError(f"keep_best = {content['keep_best']}: it is a number of checkpoints, 0 or more")
    if (content.get("checkpoint_minutes") or 0) < 0:
        raise UserError(f"checkpoint_minutes = {content['checkpoint_minutes']}: a time, or null for none")
    if not 0 <= content.get("seed", 0) < 2**32:
        raise UserError(f"seed = {content['seed']}: a seed is from 0 to {2**32 - 1}")
    for section, owner in {"data": data, "model": model, "trainer": Trainer}.items():
        linked = {key.partition(".")[2] for key in LINKED if key.startswith(f"{section}.")}
        content[section] = check.section(content.get(section) or {}, owner, section, linked)
    with _translated():
        wiring = Wiring(
            model,
            data,
            run=False,
            args=content,
            save_config_callback=None,
            auto_configure_optimizers=False,
            parser_kwargs={"allow_abbrev": False, "exit_on_error": False},
        )
        resolved = yaml.safe_load(wiring.parser.dump(wiring.config, skip_none=False))
    for key in ("spec", "norms"):
        resolved["data"].pop(key, None)  # never configured: they belong to a checkpoint
    return wiring, {key: resolved[key] for key in TOP_LEVEL}


def build(
    configuration: Configuration,
    model: type[LightningModule] | None = None,
    data: type[LightningDataModule] | None = None,
    spec: DataSpec | None = None,
) -> Parsed:
    """Model and data of a configuration.

    Args:
        configuration: What the user configured.
        model: Class of the Lightning module, this package's own by default.
        data: Class of the data module, this package's own by default.
        spec: Description of the data that a checkpoint holds, which wins over the files.

    Raises:
        UserError: Something in the configuration or in the data is wrong.
    """
    default_model, default_data = classes()
    wiring, resolved = resolve(configuration, model or default_model, data or default_data)
    return instantiate(wiring, resolved, spec)


def instantiate(
    wiring: Wiring, resolved: dict[str, Any], spec: DataSpec | None = None, norms: DataSpec | None = None
) -> Parsed:
    """Model and data of a configuration that `resolve` has read.

    Args:
        wiring: First result of `resolve`.
        resolved: Second result of `resolve`.
        spec: Description of the data that a checkpoint holds, which wins over the files.
        norms: Description of the data whose mean and width of the inputs are kept.

    Raises:
        UserError: Something in the data is wrong, or a class refuses its arguments.
    """
    with _translated():
        model, data, trainer = wiring.build(spec, norms)
    return Parsed(model, data, trainer, resolved, resolved["name"], resolved["seed"])


def classes() -> tuple[type[LightningModule], type[LightningDataModule]]:
    """The package's Lightning module and data module, with everything imported that has a short name."""
    from salt_like.data.module import Data
    from salt_like.tracking.comet import Comet
    from salt_like.training.module import Model

    del Comet  # imported so that its short name is known
    return Model, Data


def _quieten() -> None:
    """Keeps Lightning's announcements and its advice about loaders off the screen; warnings of substance stay."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (".*does not have many workers", ".isinstance.treespec, LeafSpec"):
        warnings.filterwarnings("ignore", message=message)


@contextmanager
def _translated() -> Iterator[None]:
    """Errors become messages; warnings about what Lightning and older jsonargparse want called are left out."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message=r"\s*Unable to serialize instance DataSpec")
            yield
    except UserError:
        raise
    except ArgumentError as error:
        raise UserError(messages.condense(error)) from error
    except ValueError as error:
        raise UserError(messages.from_constructor(error)) from error
