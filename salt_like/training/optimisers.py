"""What the optimiser is given, and how it goes through the weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from salt_like.errors import UserError
from salt_like.training.patterns import matches


def parameter_groups(module: nn.Module, factors: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """Matrices with the optimiser's weight decay, and vectors and scalars (biases, norms, scales) without.

    Frozen parameters are left out; a parameter that occurs twice is listed once.

    Args:
        module: The module.
        factors: Pattern of weights (without ``tagger.`` in front) → factor on their learning rate, which is noted in
            the group as ``lr_factor``. Of several patterns that match, the longest counts.
    """
    found: dict[tuple[float, bool], list[Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            factor = _factor(name.removeprefix("tagger."), factors or {})
            found.setdefault((factor, parameter.dim() >= 2), []).append(parameter)
    groups = []
    # what has the learning rate of the configuration comes first
    for factor, decays in sorted(found, key=lambda one: (one[0] != 1, -one[0], not one[1])):
        group: dict[str, Any] = {"params": found[factor, decays]}
        group |= {} if decays else {"weight_decay": 0.0}
        groups.append(group | ({} if factor == 1 else {"lr_factor": factor}))
    return groups


def _factor(name: str, factors: Mapping[str, float]) -> float:
    fitting = [pattern for pattern in factors if matches(name, pattern)]
    return factors[max(fitting, key=len)] if fitting else 1.0


def make_optimizer(
    factory: Callable[[Iterable[Any]], Optimizer], module: nn.Module, factors: Mapping[str, float] | None = None
) -> Optimizer:
    """The optimiser of a module's weights, in its fastest form.

    On a CPU torch's own optimisers go through the weights one operation after the other unless told otherwise; where
    the configuration says nothing (``fused``, ``foreach``), they do everything to a weight at once: same numbers but
    for rounding, in a sixth of the time for 70 small weights.

    Args:
        factory: From parameter groups to optimiser.
        module: The module whose weights are optimised, on its device.
        factors: As for `parameter_groups`.
    """
    optimizer = factory(parameter_groups(module, factors))
    for group in optimizer.param_groups:
        group["lr"] *= group.get("lr_factor", 1.0)
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
