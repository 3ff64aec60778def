"""A description of data that nobody has opened, to show what a configuration would build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from salt_like.data.config import LabelConfig
from salt_like.data.files import Arrays
from salt_like.data.labels import resolve_label
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Label, Request, Stream, Variable

CAPACITY = 40
MEAN_MULTIPLICITY = 8.0
CLASSES = 4
_VARIABLE_KEYS = ("transform", "flag_default")


def spec(data: Mapping[str, Any], requests: Sequence[Request]) -> tuple[DataSpec, list[str]]:
    """The description, and what had to be assumed, in words.

    Args:
        data: The resolved `data` section.
        requests: What the tasks read.
    """
    jets = data.get("global_stream", "jets")
    inputs = data.get("inputs") or {}
    names = list(dict.fromkeys([jets, *inputs, *(request.stream for request in requests)]))
    limits = data.get("max_constituents") or {}
    streams = tuple(
        Stream(
            name,
            _variables(inputs.get(name) or []),
            is_global=name == jets,
            # of what only carries labels, such as true objects, as few as any model can find
            capacity=0 if name == jets else CAPACITY if inputs.get(name) else 1,
            max_constituents=limits.get(name),
        )
        for name in names
    )
    labels, notes = [], []
    for request in requests:
        label, is_known = _label(request, data.get("labels") or {})
        labels.append(label)
        if not is_known:
            notes.append(f"{CLASSES} classes of {request.stream}.{request.name}")
    return DataSpec(streams, tuple(dict.fromkeys(labels))), list(dict.fromkeys(notes))


def _variables(names: Sequence[str] | Mapping[str, Any]) -> tuple[Variable, ...]:
    if not isinstance(names, Mapping):
        return tuple(Variable(name) for name in names)
    found = []
    for name, entry in names.items():
        plain = entry if isinstance(entry, Mapping) else {"transform": entry}
        found.append(Variable(name, **{key: plain[key] for key in _VARIABLE_KEYS if plain.get(key) is not None}))
    return tuple(found)


def _label(request: Request, configured: Mapping[str, Any]) -> tuple[Label, bool]:
    """The label, and whether its classes are known without a file."""
    config = {name: LabelConfig(**entry) for name, entry in configured.items()}
    fields = np.dtype([(request.name, "f4")])
    try:
        bare = Request(request.stream, request.name, request.kind, request.pairs, request.classes, request.label_map)
        label = resolve_label(bare, config, Arrays({request.stream: np.zeros(0, fields)}))
        is_known = True
    except UserError:
        label = Label(request.stream, request.key, request.name, "class", tuple(f"class{k}" for k in range(CLASSES)))
        is_known = False
    size = len(label.classes)
    counts = {"counts": (1.0,) * size, "prior": (1.0 / size,) * size} if size else {}
    # a target between 1 and 2 can be scaled and has a logarithm
    real = {"mean": 1.5, "std": 0.5, "low": 1.0, "high": 2.0} if label.kind == "real" else {}
    known: dict[str, Any] = {**vars(label), **counts, **real, "key": request.key}
    return Label(**known), is_known
