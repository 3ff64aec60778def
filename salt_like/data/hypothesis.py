"""Values of the parameter of a parameterised network: those of the signal, drawn ones, or one for all jets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salt_like.conditioning import ALWAYS, Conditioning
from salt_like.data.columns import Columns
from salt_like.spec import DataSpec, Variable

Assignment: TypeAlias = "float | Literal['own', 'drawn']"


def conditioned(columns: Columns, spec: DataSpec, epoch: int = ALWAYS) -> Columns:
    """Jets with their own values of the parameter as a network learns from them: the signal keeps its own.

    Args:
        columns: Labelled jets.
        spec: Description of the data.
        epoch: In which values are drawn; `ALWAYS` for the same in each.
    """
    found = spec.parameter
    if found is None:
        return columns
    jets = spec.global_stream.name
    values = columns.inputs[jets][:, place(spec, found.field)]
    own = np.isin(columns.labels[jets][found.label], found.signal) & known(values, variable_of(spec, found.field))
    return _with(columns, spec, np.where(own, values, _drawn(columns, spec, found, epoch)))


def assigned(columns: Columns, spec: DataSpec, given: Assignment) -> Columns:
    """Jets with values of the parameter that say nothing about them.

    Args:
        columns: The jets.
        spec: Description of the data.
        given: A value for all, ``"drawn"`` as background is in training, ``"own"`` to change nothing.
    """
    found = spec.parameter
    if found is None or given == "own":
        return columns
    if given == "drawn":
        return _with(columns, spec, _drawn(columns, spec, found, ALWAYS))
    return _with(columns, spec, np.full(len(columns), given))


def _drawn(columns: Columns, spec: DataSpec, found: Conditioning, epoch: int) -> NDArray[np.float64]:
    values = columns.inputs[spec.global_stream.name]
    return found.drawn({name: values[:, place(spec, name)] for name in found.variables}, columns.rows, epoch)


def _with(columns: Columns, spec: DataSpec, values: NDArray[Any]) -> Columns:
    jets = spec.global_stream.name
    inputs = np.array(columns.inputs[jets])  # what was read may lie in a file, or in memory that is used again
    inputs[:, place(spec, spec.parameter.field if spec.parameter else "")] = values
    return replace(columns, inputs={**columns.inputs, jets: inputs})


def known(values: NDArray[Any], variable: Variable) -> NDArray[np.bool_]:
    """Which values of the parameter are there, ``(n,)``."""
    found: NDArray[np.bool_] = np.isfinite(values)
    return found if variable.default is None else found & (values != np.float32(variable.default))


def place(spec: DataSpec, name: str) -> int:
    """Number of an input of the jets."""
    return [one.name for one in spec.global_stream.variables].index(name)


def variable_of(spec: DataSpec, name: str) -> Variable:
    """An input of the jets."""
    return spec.global_stream.variables[place(spec, name)]
