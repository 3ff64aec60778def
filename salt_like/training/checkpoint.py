"""From a checkpoint back to a model: the one route for test, predict, export and notebooks."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from salt_like import ensemble
from salt_like.errors import UserError
from salt_like.spec import DataSpec
from salt_like.tagger import Tagger
from salt_like.training.module import Model
from salt_like.trees import tagger as trees

TAGGER = "tagger."  # before the names of the weights of a tagger that has nothing of a training around it


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds besides the state of the training.

    Args:
        name: Name of the model, the prefix of its outputs.
        spec: Description of the data.
        config: The ``model`` section of the resolved configuration.
        data: The ``data`` section of the resolved configuration.
        state_dict: Weights of the Lightning module.
        epoch: Epoch in which it was written, from 0.
        path: Where it was read from.
        epochs: Number of epochs that were complete.
    """

    name: str
    spec: DataSpec
    config: dict[str, Any]
    data: dict[str, Any]
    state_dict: dict[str, Tensor]
    epoch: int
    path: Path
    epochs: int = 0


def read(path: Path) -> Saved:
    """Read a checkpoint without executing anything that it contains.

    Raises:
        UserError: The file is missing, damaged, or not a checkpoint of this project.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path} cannot be read as a checkpoint: damaged, or an interrupted copy?\nfound: {first[:200]}"
        ) from error
    if not isinstance(content, dict) or not {"spec", "model", "state_dict"} <= set(content):
        raise UserError(f"{path} is not a checkpoint of this project\nmissing in it: 'spec', 'model' or 'state_dict'")
    return Saved(
        name=content["name"],
        spec=DataSpec.from_dict(content["spec"]),
        config=content["model"],
        data=content["data"],
        state_dict=content["state_dict"],
        epoch=int(content.get("epoch", 0)),
        epochs=int(content.get("epochs_done", content.get("epoch", 0) + 1)),
        path=path,
    )


def contents(name: str, spec: DataSpec, model: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """What `read` expects in a checkpoint, to be stored beside the state of the training."""
    return {"name": name, "spec": spec.to_dict(), "model": model, "data": data}


def build(name: str, spec: DataSpec, config: dict[str, Any]) -> Model:
    """A freshly initialised model from the ``model`` section of a configuration."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Model, "model", skip={"spec", "name"}, instantiate=False)
    # a copy: the parser puts its own objects into what it is given
    given = {key: copy.deepcopy(value) for key, value in config.items() if key not in {"spec", "name"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = parser.instantiate_classes(parser.parse_object({"model": given})).model
    return Model(spec=spec, name=name, **vars(arguments))


def deployed(saved: Saved) -> Tagger:
    """The tagger of a checkpoint, a network, trees or an ensemble, with its weights, in evaluation mode.

    Raises:
        UserError: Weights and configuration do not belong together.
    """
    if not _is_made_of_more(saved.config):
        return restore(saved).deployed
    tagger = _untrained(saved.name, saved.spec, saved.config)
    own = {key.removeprefix(TAGGER): value for key, value in saved.state_dict.items()}
    _check_shapes(tagger.state_dict(), replace(saved, state_dict=own))
    tagger.load_state_dict(own)
    return tagger.eval()


def state(spec: DataSpec, config: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state that a checkpoint would hold, from the weights of its deployed tagger.

    Args:
        spec: Description of the data.
        config: ``name`` and ``model`` of the configuration.
        weights: Name → weight.

    Raises:
        RuntimeError: They are not those of this tagger.
    """
    if _is_made_of_more(config["model"]):
        return {f"{TAGGER}{key}": value for key, value in weights.items()}
    model = build(config["name"], spec, config["model"])
    model.deployed.load_state_dict(weights)
    return model.state_dict()


def _is_made_of_more(config: dict[str, Any]) -> bool:
    """Whether a ``model`` section describes something else than one network."""
    return trees.KEY in config or ensemble.KEY in config


def _untrained(name: str, spec: DataSpec, config: dict[str, Any]) -> Tagger:
    """The tagger that a ``model`` section describes, without the content of its weights."""
    if ensemble.KEY in config:
        return ensemble.described(config, _untrained)
    return trees.described(spec, config) if trees.KEY in config else build(name, spec, config).deployed


def restore(saved: Saved) -> Model:
    """The model of a checkpoint with its weights, in evaluation mode.

    Raises:
        UserError: Weights and configuration do not belong together.
    """
    model = build(saved.name, saved.spec, saved.config)
    _check_shapes(model.state_dict(), saved)
    model.load_state_dict(saved.state_dict)
    return model.eval()


def _check_shapes(expected: dict[str, Tensor], saved: Saved) -> None:
    for key in sorted(set(expected) | set(saved.state_dict)):
        mine = tuple(expected[key].shape) if key in expected else None
        theirs = tuple(saved.state_dict[key].shape) if key in saved.state_dict else None
        if mine != theirs:
            raise UserError(
                f"the checkpoint does not fit its configuration: {saved.path}\n"
                f"weight '{key}': the configuration makes {mine or 'none'}, the checkpoint has {theirs or 'none'}"
            )
