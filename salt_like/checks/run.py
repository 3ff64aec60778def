"""All checks of one or several samples, each file read once for those that need every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from salt_like.checks import differences, leaks
from salt_like.checks.classes import Classes, jet_label
from salt_like.checks.drawn import Draw, draw
from salt_like.checks.finding import Check, Finding, Options
from salt_like.checks.labels import Labels, Rate
from salt_like.checks.leaks import Identities, common_fields
from salt_like.checks.reading import Piece, global_stream, numeric, of_jets, pieces
from salt_like.checks.values import Values, defaults
from salt_like.data.source import Source

if TYPE_CHECKING:
    from salt_like.checks.classifier import Separation

EMPTY = Check("empty", "error", "a sample without jets", "check the selection that made the file")
LENGTHS = Check(
    "lengths",
    "warning",
    "streams of another length than the jets: not checked against them",
    "row i of each stream must be the same jet; what is not of jets belongs into another file",
)
EVENT = "eventNumber"


@dataclass
class SampleReport:
    """What was found in one sample.

    Args:
        name: Of the sample.
        source: Its files.
        findings: What is wrong.
        rates: How often what is odd but possible is seen.
        classes: Classes per file, ``None`` without a label of the jets.
        event: Fields that identify an event, empty where nothing does.
        identities: Events and contents of all jets.
        drawn: The part that distributions are made of.
    """

    name: str
    source: Source
    findings: list[Finding]
    rates: list[Rate]
    classes: Classes | None
    event: tuple[str, ...]
    identities: Identities
    drawn: Draw


@dataclass
class PairReport:
    """What was found between two samples.

    Args:
        first: Name of the one.
        second: Name of the other.
        findings: What is wrong.
        differences: Of all common variables, worst first; empty where distributions were not compared.
        separation: What a classifier found, ``None`` where there was none.
    """

    first: str
    second: str
    findings: list[Finding]
    differences: list[differences.Difference] = field(default_factory=list)
    separation: Separation | None = None


@dataclass
class Report:
    """What was found in samples and between them."""

    options: Options
    samples: list[SampleReport]
    pairs: list[PairReport]

    @property
    def findings(self) -> list[Finding]:
        """All of them, errors first."""
        every = [one for sample in self.samples for one in sample.findings]
        every += [one for pair in self.pairs for one in pair.findings]
        return sorted(every, key=lambda one: one.check.severity != "error")

    @property
    def failed(self) -> bool:
        """True where a check found an error."""
        return any(one.check.severity == "error" for one in self.findings)


def check(samples: Mapping[str, Source], options: Options, also: Callable[[Piece], None] = lambda _: None) -> Report:
    """Check samples, each for itself and against the others.

    Events and jets are compared between any two samples, distributions between the first and each other one.

    Args:
        samples: Name → files.
        options: Thresholds, what is ignored, and what identifies events.
        also: Shown every piece of every sample, for what else is to be summed up.

    Raises:
        UserError: A file cannot be read, or an option names a field that does not exist.
    """
    sources = list(samples.values())
    options.check_ignored(
        [(name, one) for source in sources for name in source.headers for one in _fields(source, name)]
    )
    for source in sources:
        main = global_stream(source)
        for asked, names in (("--event", options.event), ("--weight", (options.weight,) if options.weight else ())):
            if names:
                source.require(main or "jets", names, asked)
    content = common_fields(sources)
    reports = [_sample(name, source, options, content, also) for name, source in samples.items()]
    pairs = [_pair(one, other, options, one is reports[0]) for one, other in combinations(reports, 2)]
    return Report(options, reports, pairs)


def _fields(source: Source, stream: str) -> Sequence[str]:
    return numeric(source.headers[stream])


def _sample(
    name: str, source: Source, options: Options, content: leaks.Fields, also: Callable[[Piece], None]
) -> SampleReport:
    event = _event(source, options)
    drawn = draw(name, source, options, event)
    inputs = [key for key in drawn.values if key[1] and key not in drawn.truth]
    suspects = {key: defaults(drawn.values[key], options.max_share) for key in inputs}
    label = jet_label(source, options)
    values, labels = Values(source, suspects, options), Labels(source, label, options)
    classes = Classes(source, *label) if label else None
    identities = Identities(source, event, content)
    for piece in pieces(source, f"checking {name}"):
        also(piece)
        values.update(piece)
        labels.update(piece)
        identities.update(piece)
        if classes is not None:
            classes.update(piece)
    apart = [one for one in source.headers if one not in of_jets(source)]
    found = [Finding(EMPTY, name, "")] if not source.rows else []
    found += [Finding(LENGTHS, name, one, number=sum(source.lengths[one]), total=source.rows) for one in apart]
    found += [*labels.findings(name), *values.findings(name), *identities.findings(name)]
    found += classes.findings(name, options) if classes is not None else []
    return SampleReport(name, source, found, list(labels.rates.values()), classes, event, identities, drawn)


def _event(source: Source, options: Options) -> tuple[str, ...]:
    main = global_stream(source)
    if main is None:
        return ()
    return options.event or ((EVENT,) if EVENT in source.headers[main].fields else ())


def _pair(one: SampleReport, other: SampleReport, options: Options, with_distributions: bool) -> PairReport:
    name = f"{one.name}, {other.name}"
    found = leaks.between(name, one.identities, other.identities)
    if not with_distributions or not one.drawn.jets or not other.drawn.jets:
        return PairReport(one.name, other.name, found)
    from salt_like.checks import classifier

    is_weighted = options.weight is not None
    found += differences.missing(name, one.drawn, other.drawn)
    different = differences.differences(one.drawn, other.drawn, is_weighted)
    found += differences.findings(name, different, options)
    separation = classifier.separate(one.drawn, other.drawn, options.seed, is_weighted)
    found += classifier.findings(name, separation, options) if separation is not None else []
    return PairReport(one.name, other.name, found, different, separation)
