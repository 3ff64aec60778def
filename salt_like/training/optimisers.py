"""What the optimiser is given, and how it goes through the weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from salt_like.errors import UserError


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Matrices with the optimiser's weight decay, and vectors and scalars (biases, norms, scales) without.

    Frozen parameters are left out; a parameter that occurs twice is listed once.
    """
    trainable: list[Parameter] = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trainable if parameter.dim() >= 2]},
        {"params": [parameter for parameter in trainable if parameter.dim() < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(factory: Callable[[Iterable[Any]], Optimizer], module: nn.Module) -> Optimizer:
    """The optimiser of a module's weights, in its fastest form.

    On a CPU torch's own optimisers go through the weights one operation after the other unless told otherwise; where
    the configuration says nothing (``fused``, ``foreach``), they do everything to a weight at once: same numbers but
    for rounding, in a sixth of the time for 70 small weights.

    Args:
        factory: From parameter groups to optimiser.
        module: The module whose weights are optimised, on its device.
    """
    optimizer = factory(parameter_groups(module))
    if torch.__version__ < (2, 4):  # type: ignore[operator]  # earlier ones are fused on GPUs only
        return optimizer
    for group in optimizer.param_groups:
        left_open = group.get("fused", False) is None and group.get("foreach") is None
        plain = not any(group.get(option) for option in ("differentiable", "capturable"))
        if left_open and plain and all(_on_cpu(parameter) for parameter in group["params"]):
            group["fused"] = True
    return optimizer


def rehearse(
    factory: Callable[[Iterable[Any]], Optimizer],
    scheduler: Callable[[Optimizer], LRScheduler | ReduceLROnPlateau] | None,
    module: nn.Module,
) -> None:
    """Make one step with zeros in place of weights and gradients, to find what only a step shows.

    A scheduler that cannot be built is passed over: the training says so, which knows its length.

    Args:
        factory: From parameter groups to optimiser.
        scheduler: From optimiser to scheduler, ``None`` for none.
        module: The module whose weights will be optimised; it is not changed.

    Raises:
        UserError: The optimiser cannot be built, or one of the two cannot make a step.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said again by the training
        with _about("optimizer"):
            groups = parameter_groups(module)
            for group in groups:
                group["params"] = [_without_weights(parameter) for parameter in group["params"]]
            optimizer = factory(groups)
        try:
            moves = None if scheduler is None else scheduler(optimizer)
        except Exception:
            moves = None
        # forms for a GPU may not be able to make a step here
        if not any(group.get("fused") or group.get("capturable") for group in optimizer.param_groups):
            with _about("optimizer"):
                optimizer.step(lambda: 0.0)
        with _about("scheduler"):
            if isinstance(moves, ReduceLROnPlateau):
                moves.step(1.0)
            elif moves is not None:
                moves.step()


@contextmanager
def _about(key: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise UserError(f"model.{key}: {kind}{error}") from error


def _without_weights(parameter: Parameter) -> Parameter:
    copy = Parameter(torch.zeros_like(parameter))
    copy.grad = torch.zeros_like(parameter)
    return copy


def _on_cpu(parameter: Parameter) -> bool:
    return parameter.device.type == "cpu" and parameter.is_floating_point()
