"""`train compare` of bundles, or with ``--differences``: every output jet by jet, with an exit code."""

from __future__ import annotations

import contextlib
import json
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.bundle import is_bundle
from salt_like.cli import table
from salt_like.cli.progress import progress
from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from salt_like.evaluation.aligned import Difference
    from salt_like.evaluation.answers import Matched, Side
    from salt_like.evaluation.differences import Differences
    from salt_like.evaluation.reader import PredictionFile

Open = Callable[[str, str, "str | None"], "tuple[PredictionFile, PredictionFile]"]
BEYOND = 1
FORMATS = (".png", ".pdf", ".svg")
ONLY_ELSEWHERE = ("details", "fail_if_worse")


def is_a_bundle(text: str) -> bool:
    """Whether an argument is the folder of a bundle."""
    return is_bundle(Path(text).expanduser())


def refuse(options: Namespace, names: Sequence[str], why: str) -> None:
    """Refuse options that would have no effect.

    Raises:
        UserError: One of them is given.
    """
    for name in names:
        if getattr(options, name) not in (None, False):
            raise UserError(f"--{name.replace('_', '-')} {why}\nsee: train compare --help")


def main(options: Namespace, opened: Open) -> int:
    """Compares every output.

    Args:
        options: The arguments.
        opened: Opens runs and prediction files.

    Returns:
        The exit code: 1 where something is beyond the tolerance.

    Raises:
        UserError: Something in the arguments is wrong, or the two cannot be compared.
    """
    refuse(options, ONLY_ELSEWHERE, "is of the comparison that asks which tagger is better, without --differences")
    figure = figure_path(options)
    from salt_like.evaluation.differences import differences
    from salt_like.export.tolerances import TOLERANCES

    kinds: Mapping[str, Mapping[str, float]] = TOLERANCES
    if options.tolerance:
        absolute, relative = options.tolerance
        kinds = {kind: {"absolute": absolute, "relative": relative} for kind in TOLERANCES}
    (first, second), matched = _sides(options, opened)
    found = differences(first, second, matched, kinds, every=options.tolerance is not None)
    table.show(_parts(found))
    content = found.plain()
    if options.json:
        from salt_like.atomic import write_atomically

        with write_atomically(Path(options.json)) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        print(f"numbers: {options.json}")
    if figure:
        from salt_like.figures.differences import differences as drawn
        from salt_like.figures.style import save

        save(drawn(content), figure)
        print(f"figure: {figure}")
    return 0 if found.passed else BEYOND


def figure_path(options: Namespace) -> Path | None:
    """Where the figure goes: what is asked for, else beside the numbers."""
    if not options.out:
        return Path(options.json).with_suffix(FORMATS[0]) if options.json else None
    path = Path(options.out).expanduser()
    if path.suffix not in FORMATS:
        raise UserError(f"--out {options.out}: a figure ends in {', '.join(FORMATS)}{nearest(path.suffix, FORMATS)}")
    return path


def _sides(options: Namespace, opened: Open) -> tuple[tuple[Side, Side], Matched]:
    both = [Path(one).expanduser() for one in (options.first, options.second)]
    bundles = [one for one in both if is_bundle(one)]
    if len(bundles) == 2:
        from salt_like.bundle import read_bundle
        from salt_like.export.answers import sides_of_bundles

        refuse(options, ("key", "sample", "range"), "is of prediction files; bundles are run on their golden jets")
        with progress("golden jets") as report:
            return sides_of_bundles(read_bundle(both[0]), read_bundle(both[1]), report)
    from salt_like.cli.compare import within
    from salt_like.evaluation.answers import match, side_of

    key = [name.strip() for name in (options.key or "").split(",") if name.strip()]
    with contextlib.ExitStack() as stack:
        if bundles:
            other = str(both[1 - both.index(bundles[0])])
            file, _ = opened(other, other, options.sample)
            made = stack.enter_context(_predicted(bundles[0], file))
            first, second = (made, file) if both[0] == bundles[0] else (file, made)
        else:
            first, second = opened(options.first, options.second, options.sample)
        if options.range:
            first, second = within(options.range, first, second)
        matched = match(first, second, key)
        sides = [side_of(one) for one in (first, second)]
    sources = [one if one in bundles else side.source for one, side in zip(both, sides, strict=True)]
    one, two = (replace(side, source=str(source)) for side, source in zip(sides, sources, strict=True))
    return (one, two), matched


@contextlib.contextmanager
def _predicted(bundle: Path, file: PredictionFile) -> Iterator[PredictionFile]:
    """What a bundle predicts for the jets that another tagger predicted, in a file that is removed at the end."""
    from salt_like.data.sample import Sample
    from salt_like.evaluation.reader import PredictionFile
    from salt_like.loading import Options, SamplePredictor
    from salt_like.loading.deployed import DeployedTagger

    sources = [Path(one) for one in file.contents.sources]
    for source in sources:
        if not source.is_file():
            raise UserError(
                f"the predicted file is not there any more, which the bundle needs: {source}\n"
                "predict another copy and compare the prediction files: train predict BUNDLE --data FILE --out …"
            )
    tagger = DeployedTagger(bundle)
    sample = Sample(file.contents.sample, sources, tagger.spec, labels=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.h5"
        with progress("predicting") as report:
            SamplePredictor(tagger, sample, Options()).write(path, report)
        yield PredictionFile(path)


def _parts(found: Differences) -> list[table.Table | str]:
    """What is printed."""
    alone = " and ".join(f"{number} only in {side}" for side, number in zip("AB", found.only, strict=True) if number)
    head = (
        f"{found.jets} jets in both, the same by {found.by}{f'; {alone}' if alone else ''}\n"
        f"  A: {found.models[0]}, {found.sources[0]}\n  B: {found.models[1]}, {found.sources[1]}"
    )
    parts: list[table.Table | str] = [head]
    numbers = [one for one in found.outputs if one.kind != "index"]
    indices = [one for one in found.outputs if one.kind == "index"]
    if numbers:
        headings = ("|B - A|", "of", "largest", "mean", "50 %", "95 %", "99.9 %", "tolerance", "jets beyond")
        parts.append(table.Table("values", headings, [_numbers(one) for one in numbers], frozenset({0, 1})))
    if indices:
        columns = ("index", "of", "constituents", "other number", "in other company", "jets beyond")
        parts.append(table.Table("indices", columns, [_indices(one) for one in indices], frozenset({0, 1})))
    parts += [one for one in (_worst(numbers), _regrouped(indices)) if one is not None]
    beyond = [f"{one.name} of {one.stream}" for one in found.outputs if one.jets_beyond]
    verdict = "nothing is beyond its tolerance"
    if beyond:
        more = f" and {len(beyond) - 5} more" if len(beyond) > 5 else ""
        verdict = f"beyond the tolerance: {', '.join(beyond[:5])}{more}"
    return [*parts, *found.notes, verdict]


def _numbers(one: Difference) -> tuple[str, ...]:
    assert one.quantiles is not None
    numbers = (one.largest, one.mean, *one.quantiles.values())
    name = one.name + (f" [{one.unit}]" if one.unit else "")
    limit = f"{one.tolerance['absolute']:.3g}"
    if one.tolerance["relative"]:
        limit += f" + {one.tolerance['relative']:.3g} |A|"
    if "logarithm" in one.tolerance:
        limit += f", ln {one.tolerance['logarithm']:.3g}"
    return (name, one.stream, *(f"{value:.2g}" for value in numbers), limit, str(one.jets_beyond))


def _indices(one: Difference) -> tuple[str, ...]:
    moved = "" if one.regrouped is None else str(one.regrouped)
    return (one.name, one.stream, str(one.compared), str(one.differing), moved, str(one.jets_beyond))


def _worst(outputs: Sequence[Difference]) -> table.Table | None:
    """The jets that differ most in any output, measured in tolerances."""
    every = [(line, one) for one in outputs for line in one.worst]
    every.sort(key=lambda pair: (-pair[0]["times_tolerance"], -pair[0]["difference"]))
    chosen: dict[tuple[Any, ...], tuple[Mapping[str, Any], Difference]] = {}
    for line, one in every:
        chosen.setdefault(tuple(line[name] for name in _names(line)), (line, one))
    if not chosen:
        return None
    picked = list(chosen.values())[:10]
    rows = []
    for line, one in picked:
        place = "" if line["place"] is None else f" {line['place']}"
        values = (f"{line['A']:.6g}", f"{line['B']:.6g}", f"{line['difference']:.2g}", f"{line['times_tolerance']:.2g}")
        rows.append((*(str(line[name]) for name in _names(line)), f"{one.name}, {one.stream}{place}", *values))
    names = _names(picked[0][0])
    headings = (*names, "output", "A", "B", "|B - A|", "in tolerances")
    return table.Table("the jets that differ most", headings, rows, frozenset({len(names)}))


def _regrouped(outputs: Sequence[Difference]) -> table.Table | None:
    """The jets with the most constituents in other company."""
    lines = sorted(((line, one) for one in outputs for line in one.worst), key=lambda pair: -pair[0]["regrouped"])[:10]
    if not lines:
        return None
    names = _names(lines[0][0])
    rows = [
        (*(str(line[name]) for name in names), one.name, *(" ".join(map(str, line[side])) for side in "AB"))
        for line, one in lines
    ]
    return table.Table("the jets with other indices", (*names, "index", "A", "B"), rows, frozenset(range(9)))


def _names(line: Mapping[str, Any]) -> list[str]:
    """What a jet is known by, of a line of the jets that differ most."""
    others = {"place", "difference", "A", "B", "times_tolerance", "regrouped"}
    return [name for name in line if name not in others]
