"""Golden jets as text, for programs that read no HDF5: `golden.txt`.

Words are separated by blanks or ends of lines; a name is the rest of its line. Numbers are the shortest decimals that
give the same float32 again, or ``nan``, ``inf``, ``-inf``. Padding is left out::

    salt-like golden jets 1
    model GN2
    profile batched
    inputs 2
    2 jet jets                                  variables in a row, one row per jet or one per constituent, name
    3 constituents tracks
    outputs 3
    float32 1e-05 1e-05 0.0001 jet 1 GN2_pb     type, tolerances (absolute, relative, of the logarithm or -), one for
    float32 1e-05 1e-05 - jet 8 GN2_embedding   the jet or the name of the input that it has one row for each
    int32 0.0 0.0 - 1 1 tracks_VertexIndex      constituent of (its place, from 0), numbers in a row, name
    jets 254
    jet all zero                                what is special about it
    1 2                                         rows of each input, then these rows
    0 0
    0 0 0
    0 0 0
    0.25                                        each output, a line for each of the jet's values
    ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.export.golden import Golden

FORMAT_LINE = "salt-like golden jets 1"
Array = NDArray[Any]


def golden_text(golden: Golden, described: Mapping[str, Any]) -> str:
    """The content of `golden.txt`.

    Args:
        golden: The golden jets.
        described: The manifest that belongs to them.

    Returns:
        Inputs, and float32 outputs with their tolerances, without what stands in slots that hold no constituent.
    """
    inputs = [one for one in described["inputs"] if "variables" in one]
    return "\n".join([*_head(golden, described, inputs), *_jets(golden, described, inputs)]) + "\n"


def _head(golden: Golden, described: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield FORMAT_LINE
    yield f"model {described['model']}"
    yield f"profile {described['profile']}"
    yield f"inputs {len(inputs)}"
    for one in inputs:
        rows = "constituents" if one["stream"] in golden.valid else "jet"
        yield f"{len(one['variables'])} {rows} {one['name']}"
    places = {one["stream"]: str(place) for place, one in enumerate(inputs) if one["stream"] in golden.valid}
    yield f"outputs {len(described['outputs'])}"
    for one in described["outputs"]:
        limit = one["tolerance"]
        bounds = [str(limit.get(key, "-")) for key in ("absolute", "relative", "logarithm")]
        rows = places.get(one["stream"], "jet")
        yield f"{one['dtype']} {' '.join(bounds)} {rows} {_width(golden, one)} {one['name']}"


def _width(golden: Golden, output: Mapping[str, Any]) -> int:
    values = golden.single[output["name"]]
    return int(np.prod(values.shape[2 if output["stream"] in golden.valid else 1 :]))


def _jets(golden: Golden, described: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"jets {len(golden.cases)}"
    for jet, case in enumerate(golden.cases):
        yield f"jet {case}"
        rows = [_of(golden, golden.inputs, one["stream"], one["stream"], jet) for one in inputs]
        yield " ".join(str(len(one)) for one in rows)
        for one in rows:
            yield from _lines(one)
        for out in described["outputs"]:
            yield from _lines(_of(golden, golden.single, out["name"], out["stream"], jet))


def _of(golden: Golden, arrays: Mapping[str, Array], name: str, stream: str, jet: int) -> Array:
    """The real rows of one jet, ``(rows, numbers)``."""
    values = arrays[name][jet]
    rows: Array = values[golden.valid[stream][jet]] if stream in golden.valid else values[None]
    return rows.reshape(len(rows), int(np.prod(rows.shape[1:])))


def _lines(rows: Array) -> Iterator[str]:
    # a line for constituents with one number each would be long in lines and short in numbers
    for row in rows.T if rows.shape[1] == 1 else rows:
        yield " ".join(map(_number, row))


def _number(value: Any) -> str:
    if isinstance(value, np.floating):
        text = np.format_float_scientific(value, trim="-") if 0 < abs(value) < 1e-4 else str(np.float32(value))
        return text.removesuffix(".0")
    return str(int(value))
