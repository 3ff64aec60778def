"""Fields that know the truth must not become inputs by accident."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from salt_like.data.conventions import TRUTH_FIELDS, TRUTH_STREAMS, aliases
from salt_like.data.source import Header, Source
from salt_like.errors import UserError, nearest
from salt_like.spec import Request


def truth_of(header: Header, requests: Sequence[Request] = (), weight: str | None = None) -> dict[str, str]:
    """Fields of a dataset that must not be inputs, and why.

    Args:
        header: The dataset. Its attribute ``truth`` may list fields.
        requests: Fields that the tasks learn.
        weight: Field with the weight of each jet.
    """
    marked = header.attributes.get("truth", ())
    marked = (marked,) if isinstance(marked, str) else marked
    labels = {name for one in requests if one.stream == header.name for name in aliases(one.name)}
    whole_stream = next((pattern for pattern in TRUTH_STREAMS if fnmatchcase(header.name, pattern)), None)
    reasons = {}
    for name in header.fields:
        pattern = next((pattern for pattern in TRUTH_FIELDS if fnmatchcase(name, pattern)), None)
        if name in labels:
            reasons[name] = "a task learns it"
        elif name in marked:
            reasons[name] = "the file marks it as truth"
        elif name == weight:
            reasons[name] = "it is the weight of the jets"
        elif whole_stream is not None:
            reasons[name] = f"datasets named {whole_stream} hold the truth"
        elif pattern is not None:
            reasons[name] = f"names like {pattern} are kept for what only the simulation knows"
    return reasons


def refuse_truth(
    inputs: Mapping[str, Collection[str]],
    source: Source,
    requests: Sequence[Request] = (),
    weight: str | None = None,
    allowed: Sequence[str] = (),
) -> None:
    """Refuse truth among the inputs.

    Args:
        inputs: Stream → variables.
        source: The training file.
        requests: Fields that the tasks learn.
        weight: Field with the weight of each jet.
        allowed: Truth fields that the user wants as inputs, as ``field`` or ``stream.field``.

    Raises:
        UserError: An input is truth and not allowed, or an allowed field is no input.
    """
    for stream, names in inputs.items():
        reasons = truth_of(source.header(stream), requests, weight)
        for name in names:
            if name in reasons and name not in allowed and f"{stream}.{name}" not in allowed:
                raise UserError(
                    f"the input '{name}' of '{stream}' is truth: {reasons[name]}\n"
                    f"a tagger that reads it looks perfect in simulation and fails in data\n"
                    f"to use it all the same: data.allow_truth_inputs: [{stream}.{name}]"
                )
    known = [name for stream, names in inputs.items() for one in names for name in (one, f"{stream}.{one}")]
    for name in allowed:
        if name not in known:
            raise UserError(
                f"data.allow_truth_inputs lists '{name}'{nearest(name, known)}, which is no input\n"
                f"inputs: {', '.join(f'{stream}.{one}' for stream, names in inputs.items() for one in names)[:300]}"
            )
