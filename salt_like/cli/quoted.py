"""Ranges of the tables of `train test`, and where its working points come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from salt_like.data.sample import Sample
    from salt_like.evaluation.ranges import Range
    from salt_like.evaluation.working_points import Cuts
    from salt_like.loading import Options
    from salt_like.spec import DataSpec


def ranges(text: str | None, samples: Mapping[str, Sample], spec: DataSpec) -> tuple[Range, ...]:
    """Ranges of the jets.

    Args:
        text: What ``--ranges`` says, ``None`` for the standard ones.
        samples: The samples, which all need the field.
        spec: Description of the data that the model was trained on.

    Raises:
        UserError: Not ranges, or no such field.
    """
    from salt_like.data.units import units_of
    from salt_like.evaluation.ranges import NONE, field_of, parse, standard

    jets = spec.global_stream
    first = next(iter(samples.values())).source
    units = units_of(first.header(jets.name), first.attributes)
    if text == NONE:
        return ()
    if text is not None:
        found = parse(text)
        name = found[0].field
        for sample in samples.values():
            sample.source.require(jets.name, [name], "--ranges")
        return parse(text, units.get(name, ""))
    # an input of the model goes before a field that only lies in the file
    inputs = field_of(variable.name for variable in jets.variables)
    everywhere = set.intersection(*(set(one.source.header(jets.name).fields) for one in samples.values()))
    field = inputs if inputs in everywhere else field_of(everywhere)
    return standard(field, units.get(field, "")) if field else ()


def with_field(options: Options, sample: Sample, wanted: Sequence[Range]) -> Options:
    """The same, with the field of the ranges, and that of pile-up where there is one, copied to the prediction file."""
    from salt_like.evaluation.profiles import PILEUP

    jets = sample.spec.global_stream.name
    there = sample.source.header(jets).fields
    names = [one.field for one in wanted[:1]] + [name for name in PILEUP if name in there][:1]
    return replace(options, extra={**options.extra, jets: [*options.extra.get(jets, ()), *names]})


@dataclass(frozen=True)
class Reference:
    """Where working points come from.

    Args:
        sample: The sample that they are made on, empty for stored ones.
        within: The range, ``None`` for all jets, ``"first"`` for the first that holds jets.
        stored: Stored working points.
    """

    sample: str
    within: Range | Literal["first"] | None = "first"
    stored: Cuts | None = None

    def first(self, samples: Mapping[str, Sample]) -> list[str]:
        """Names of the samples, this one before the others."""
        return sorted(samples, key=lambda name: name != self.sample)

    def make(self, path: Path, wanted: Sequence[Range]) -> Cuts:
        """Make them on a prediction file, and write them beside it.

        Args:
            path: Prediction file of the sample.
            wanted: Ranges of the tables.
        """
        from salt_like.evaluation.evaluate import make_cuts

        made = make_cuts(path, wanted, self.within)
        made.write(self.beside(path.parent))
        return made

    def beside(self, folder: Path) -> Path:
        """Where they are written, in the folder of the predictions."""
        return folder / f"{self.sample}_working_points.json"


def reference(text: str | None, samples: Mapping[str, Sample], wanted: Sequence[Range]) -> Reference:
    """What ``--cuts`` means.

    Args:
        text: A sample, a sample and the number of a range, a file; ``None`` for the first sample and range.
        samples: The samples in order.
        wanted: Ranges of the tables.

    Raises:
        UserError: No such sample or range, or not a file of working points.
    """
    from salt_like.evaluation.evaluate import range_named
    from salt_like.evaluation.working_points import read

    if text is None:
        return Reference(next(iter(samples)))
    if text.endswith(".json"):
        return Reference("", stored=read(Path(text).expanduser()))
    name, colon, number = text.rpartition(":")
    if text in samples:
        return Reference(text)
    if not colon or name not in samples:
        raise UserError(
            f"--cuts {text}: no test sample of that name{nearest(name or text, samples)}\n"
            f"samples: {', '.join(samples)}; stored working points end in .json"
        )
    return Reference(name, range_named(wanted, number))
