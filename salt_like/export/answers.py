"""What the graphs of two bundles say about each other's golden jets; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.bundle import Bundle, read_sums
from salt_like.errors import UserError
from salt_like.evaluation.answers import OF_JETS, Answer, Matched, Rows, Side, objects_rows, vector_rows
from salt_like.export import verify
from salt_like.loading.session import open_session, require_names

Array = NDArray[Any]
BATCH = 50  # jets that a graph is given together
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Jets:
    """Jets as a graph wants them.

    Args:
        cases: What is special about each, ``(n,)``.
        inputs: Stream → ``(n, F)`` or ``(n, L, F)``.
        valid: Stream of constituents → ``(n, L)``.
    """

    cases: tuple[str, ...]
    inputs: Mapping[str, Array]
    valid: Mapping[str, Array]


def golden_jets(bundle: Bundle) -> Jets:
    """The golden jets of a bundle, with variables in its order.

    Raises:
        UserError: They cannot be read, were changed, or do not fit the manifest.
    """
    path, found = bundle.folder / verify.GOLDEN, verify.Findings()
    sums = read_sums(bundle.folder)
    try:
        sums.check(verify.GOLDEN, verify.hash_of(path))
        golden = verify.read_golden(path, dict(bundle.manifest), found)
    except OSError as error:
        raise UserError(f"the golden jets of the bundle cannot be read: {path}\nfound: {error}") from error
    except verify.StopError:
        golden = None
    if golden is None or found.failures:
        wrong = found.failures[0]
        raise UserError(
            f"the golden jets of the bundle are damaged: {path}\nfound: {wrong['about']}: {wrong['message'][:200]}\n"
            f"train verify {bundle.folder} says more"
        )
    return Jets(tuple(golden.cases), golden.inputs, golden.valid)


def sides_of_bundles(
    first: Bundle, second: Bundle, report: Report = lambda *_: None
) -> tuple[tuple[Side, Side], Matched]:
    """Run both graphs on the golden jets of both.

    Args:
        first: A.
        second: B.
        report: Called with the number of jets done and that of all.

    Raises:
        UserError: Other inputs, or a graph that onnxruntime does not take.
    """
    _require_same_inputs(first, second)
    ours, theirs = golden_jets(first), _ordered(golden_jets(second), second, first)
    jets, notes = ours, ["the golden jets of both are the same"]
    if not _same(ours, theirs):
        jets, notes = _joined(ours, theirs), []
    number = len(ours.cases)
    names = {
        "golden jet": np.array([f"{'A' if n < number else 'B'} {n % number}" for n in range(len(jets.cases))]),
        "case": np.array(jets.cases),
    }
    sides = []
    for place, (bundle, own) in enumerate(((first, jets), (second, _ordered(jets, first, second)))):
        done, total = place * len(jets.cases), 2 * len(jets.cases)
        rows = said(bundle, own, lambda count, _, done=done, total=total: report(done + count, total))  # type: ignore[misc]
        sides.append(Side(str(bundle.folder), bundle.manifest["model"], names, rows))
    every = np.arange(len(jets.cases))
    return (sides[0], sides[1]), Matched(every, every, "golden jets", notes=(*notes, *_unlike(first, second)))


def said(bundle: Bundle, jets: Jets, report: Report = lambda *_: None) -> dict[str, Rows]:
    """What a graph says about some jets.

    Args:
        bundle: Its bundle.
        jets: The jets, with variables in its order.
        report: Called with the number of jets done and that of all.
    """
    described = bundle.manifest
    session = open_session(bundle.model)
    require_names(session, described, bundle.folder)
    batched = described["profile"] == "batched"
    number = len(jets.cases)
    found: dict[str, list[Array]] = {one["name"]: [] for one in described["outputs"]}
    for start in range(0, number, BATCH if batched else 1):
        part = slice(start, start + (BATCH if batched else 1))
        results = session.run(list(found), verify.feeds(dict(described), jets, part, not batched)[0])
        for one, values in zip(described["outputs"], results, strict=True):
            valid = jets.valid.get(one["stream"])
            if valid is not None and batched:
                values = values[valid[part]]
            found[one["name"]].append(values if batched or valid is not None else values[None])
        report(min(part.stop, number), number)
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    return _rows(described, joined, jets)


def _rows(described: Mapping[str, Any], values: Mapping[str, Array], jets: Jets) -> dict[str, Rows]:
    answers: dict[str, dict[str, Answer]] = {}
    found: dict[str, Rows] = {}
    arrays = [one["objects"]["array"] for one in described["tasks"].values() if one.get("objects")]
    jets_of = {stream: np.nonzero(valid) for stream, valid in jets.valid.items()}
    alone = np.arange(len(jets.cases)), np.full(len(jets.cases), OF_JETS)
    for one in described["outputs"]:
        known = answers.setdefault(one["stream"], {})
        field = _field(one["column"] or one["name"], one["stream"], described["model"])
        if field in known:  # what is called like a column that has been given another name
            field = _field(one["name"], one["stream"], described["model"])
        answer = Answer(one["kind"], values[one["name"]], one["unit"], not one["classes"], one["tolerance"])
        if answer.values.ndim > 1 and one["stream"] not in arrays:
            where = jets_of.get(one["stream"], alone)
            found[f"{one['stream']}, {field}"] = vector_rows(one["stream"], field, answer, *where)
        else:
            known[field] = answer
    for stream, known in answers.items():
        if stream in arrays:
            found[stream] = objects_rows(stream, known)
        else:
            jet, place = jets_of.get(stream, alone)
            found[stream] = Rows(stream, jet, place, known)
    return found


def _field(name: str, stream: str, model: str) -> str:
    """Name of an output without what stands in front of it."""
    return name.removeprefix(f"{stream}_").removeprefix(f"{model}_")


def _variables(bundle: Bundle) -> dict[str, list[Mapping[str, Any]]]:
    return {one["stream"]: one["variables"] for one in bundle.manifest["inputs"] if "variables" in one}


def _require_same_inputs(first: Bundle, second: Bundle) -> None:
    ours, theirs = (
        {(stream, one["name"]): one["unit"] for stream, some in _variables(bundle).items() for one in some}
        for bundle in (first, second)
    )
    if set(ours) != set(theirs):
        only = [_less(ours, theirs), _less(theirs, ours)]
        raise UserError(
            f"the bundles have other inputs, so neither knows the golden jets of the other\nonly A has: {only[0]}\n"
            f"only B has: {only[1]}\ncompare predictions of both on the same file: train predict BUNDLE --data FILE …"
        )
    for (stream, name), unit in ours.items():
        if theirs[stream, name] != unit:
            raise UserError(
                f"the bundles have {name} of {stream} in other units: '{unit}' in A, '{theirs[stream, name]}' in B\n"
                "compare predictions of both, each on a file in its own units: train predict BUNDLE --data FILE …"
            )


def _less(one: Mapping[tuple[str, str], str], other: Mapping[tuple[str, str], str]) -> str:
    """The first inputs that only one has, in words."""
    return ", ".join([f"{name} of {stream}" for stream, name in one if (stream, name) not in other][:5]) or "none"


def _ordered(jets: Jets, had: Bundle, wanted: Bundle) -> Jets:
    """The same jets with variables in the order of another bundle."""
    inputs = {}
    for stream, some in _variables(wanted).items():
        names = [one["name"] for one in _variables(had)[stream]]
        inputs[stream] = jets.inputs[stream][..., [names.index(one["name"]) for one in some]]
    return Jets(jets.cases, inputs, jets.valid)


def _same(one: Jets, other: Jets) -> bool:
    pairs = [(one.inputs, other.inputs), (one.valid, other.valid)]
    return all(
        np.array_equal(ours[name], theirs[name], equal_nan=ours[name].dtype.kind == "f")
        for ours, theirs in pairs
        for name in ours
    )


def _joined(one: Jets, other: Jets) -> Jets:
    found: list[dict[str, Array]] = []
    for ours, theirs in ((one.inputs, other.inputs), (one.valid, other.valid)):
        found.append({})
        for name in ours:
            both = [ours[name], theirs[name]]
            if name in one.valid:
                length = max(some.shape[1] for some in both)
                both = [_longer(some, length) for some in both]
            found[-1][name] = np.concatenate(both)
    return Jets(one.cases + other.cases, *found)


def _longer(values: Array, length: int) -> Array:
    """With empty slots up to a number of them."""
    return np.pad(values, [(0, 0), (0, length - values.shape[1])] + [(0, 0)] * (values.ndim - 2))


def _unlike(first: Bundle, second: Bundle) -> list[str]:
    """What the caller of a graph does before, and does otherwise for the two."""
    found = []
    theirs = {one["stream"]: one for one in second.manifest["inputs"] if "variables" in one}
    for one in first.manifest["inputs"]:
        other = theirs.get(one["stream"], one)
        for key in ("selection", "order_by"):
            ours, wanted = one.get(key) or "none", other.get(key) or "none"
            if ours != wanted:
                found.append(f"{key} of {one['stream']}: {ours} in A, {wanted} in B; both got the same here")
    return found
