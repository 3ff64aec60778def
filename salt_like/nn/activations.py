"""Activation functions by name."""

from __future__ import annotations

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "ELU": nn.ELU,
    "GELU": nn.GELU,
    "LeakyReLU": nn.LeakyReLU,
    "Mish": nn.Mish,
    "ReLU": nn.ReLU,
    "SELU": nn.SELU,
    "SiLU": nn.SiLU,
    "Tanh": nn.Tanh,
}


def make_activation(name: str) -> nn.Module:
    """The activation function of this name.

    Args:
        name: Name of the torch class: ``"ReLU"``, ``"SiLU"``, ``"GELU"``, ``"ELU"``, ``"LeakyReLU"``, ``"Mish"``,
            ``"SELU"`` or ``"Tanh"``.

    Raises:
        ValueError: There is no such activation.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]()
