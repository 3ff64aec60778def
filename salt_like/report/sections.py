"""What the page says: a section for each question, in each of them the samples and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.figures import draw, words
from salt_like.figures.history import history, tasks_of
from salt_like.figures.importance import importance
from salt_like.figures.rejection import rejection
from salt_like.figures.words import Part, parts
from salt_like.report import page, tables
from salt_like.report.gather import Measured, Reported
from salt_like.report.page import Section
from salt_like.report.setup import configuration, data, facts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]
# what a figure shows, what draws it, and where `train test` may have put it → its HTML
Show = Callable[[str, Draw, "Path | None"], str]

_OF_TASKS = ("confusion", "calibration", "classes", "vertices", "residuals")
_DISCRIMINANTS = (
    "A discriminant is ln p(signal) / Σ fᵢ p(i) with fractions f of the backgrounds that sum to 1. The scan shows what "
    "the largest background's rejection costs when another one counts for more."
)
_REJECTION = (
    "Rejection is one over the share of a background that passes the cut; bands and bars are one standard deviation of "
    "the passing jets and of the cut together. With fewer than 10 passing jets only the lower limit at 95 % confidence "
    "is shown."
)


class Pages:
    """The sections of a report.

    Args:
        runs: The runs.
        show: Draws a figure.
    """

    def __init__(self, runs: Sequence[Reported], show: Show) -> None:
        self.runs, self.show = runs, show
        self.samples = list(dict.fromkeys(name for one in runs for name in one.samples))
        self.known = {
            (one.name, sample): dict(draw.figures({**measured.metrics, "model": one.name}))
            for one in runs
            for sample, measured in one.samples.items()
        }

    def sections(self) -> list[Section]:
        """Those that have something to say, in order."""
        tasks = {"jets": self._tasks(True, "confusion"), "constituents": self._tasks(False, "confusion")}
        made = [
            Section("summary", "Summary", self._summary()),
            Section("training", "Training", self._training()),
            Section("rejection", "Rejection against efficiency", self._of_discriminants(self._rejections, _REJECTION)),
            Section("discriminants", "Discriminants", self._of_discriminants(self._discriminant, _DISCRIMINANTS)),
            Section("bins", "Efficiency and rejection in bins", self._of_discriminants(self._bins)),
            Section("classes", "Classes of the jets", self._of_tasks(tasks["jets"])),
            Section("constituents", "Classes of constituents", self._of_tasks(tasks["constituents"])),
            Section("vertices", "Vertices", self._of_tasks(self._tasks(False, "vertices"))),
            Section("regression", "Regression", self._of_tasks(self._tasks(None, "residuals"))),
            Section("others", "Other tasks", self._of_tasks(self._tasks(None, "others"))),
            Section("importance", "Importance of the inputs", self._importance()),
            Section("data", "Data", data(self.runs)),
            Section("configuration", "Configuration", configuration(self.runs)),
        ]
        return [one for one in made if one.content]

    def _in(self, sample: str) -> dict[str, Measured]:
        return {one.name: one.samples[sample] for one in self.runs if sample in one.samples}

    def _ranges(self, sample: str) -> Iterator[tables.Runs]:
        """The numbers of all runs for all jets, then for each range."""
        known = {name: parts(one.metrics) for name, one in self._in(sample).items()}
        for first in next(iter(known.values())):
            same = {name: part for name, of_run in known.items() for part in of_run if part["range"] == first["range"]}
            if first["jets"]:
                yield {name: {**part, "model": name} for name, part in same.items()}

    def _headed(self, sample: str, content: str) -> str:
        """With the name of the sample above it, where there are several."""
        return page.heading(f"Sample {sample}") + content if content and len(self.samples) > 1 else content

    def _drawn(self, sample: str, kinds: Sequence[str], name: str) -> str:
        """The figures of some kinds of a task or discriminant, those of the runs beside each other."""
        images = []
        names = dict.fromkeys(one for run in self._in(sample) for one in self.known[run, sample])
        for kind in kinds:
            several = kind in ("residuals", "rejection")  # of labels, or of ranges
            wanted = draw.file_name(f"{kind}_{name}")
            for figure in (one for one in names if one == wanted or (several and one.startswith(f"{wanted}_"))):
                for run in (one for one in self.runs if figure in self.known.get((one.name, sample), ())):
                    alt = f"{figure.replace('_', ' ')}, {sample}, {run.name}"
                    folder = None if run.run is None else run.run.predictions / f"{sample}_figures"
                    there = None if folder is None else folder / f"{figure}.png"
                    images.append(self.show(alt, self.known[run.name, sample][figure], there))
        return page.figures(images)

    def _summary(self) -> str:
        content = facts(self.runs)
        for sample in self.samples:
            content += page.heading(f"Sample {sample}")
            ranges = list(self._ranges(sample))
            quoted = {_where(runs): runs for runs in ranges[1:] + ranges[:1]}  # the range that is quoted first
            if len(self.runs) == 1:
                content += tables.summary({where: next(iter(runs.values())) for where, runs in quoted.items()})
                continue
            pieces = [page.paragraph(where, "tag") + tables.summary(runs) for where, runs in quoted.items()]
            content += page.beside(pieces)
        return content + page.paragraph(
            "Numbers stand with one standard deviation of the jets of the sample; how far another training with another"
            " seed would be away is not in it, and errors that runs have in common do not cancel here: train compare "
            "tells which of two is better.",
            "soft",
        )

    def _training(self) -> str:
        known = {one.name: one.history for one in self.runs if one.history}
        shown = [
            self.show(f"training {task or 'loss'}", partial(history, known, task), None) for task in tasks_of(known)
        ]
        missing = [one.name for one in self.runs if not one.history and one.run is not None]
        content = "".join(page.paragraph(f"{name}: no metrics.csv that can be read", "missing") for name in missing)
        return content + page.figures(shown)

    def _of_discriminants(self, make: Callable[[str, str], str], about: str = "") -> str:
        content = ""
        for sample in self.samples:
            several = (part.metrics["discriminants"] for part in self._in(sample).values())
            names = list(dict.fromkeys(name for one in several for name in one))
            content += self._headed(sample, "".join(make(sample, name) for name in names))
        return page.paragraph(about, "soft") + content if content and about else content

    def _rejections(self, sample: str, name: str) -> str:
        content = page.heading(name)
        ranges = list(self._ranges(sample))
        if len(self.runs) == 1:
            content += self._drawn(sample, ["rejection"], name)
        else:
            images = []
            for runs in ranges:
                known = {
                    run: part
                    for run, part in runs.items()
                    if (part["discriminants"].get(name) or {"curve": {"efficiency": []}})["curve"]["efficiency"]
                }
                if known:
                    images.append(self.show(f"rejection {name}, {sample}", partial(rejection, known, name), None))
            content += page.figures(images)
        content += tables.working_points(ranges[1:] + ranges[:1], name, "points")
        return content + tables.working_points(ranges[:1], name, "flat")

    def _discriminant(self, sample: str, name: str) -> str:
        first = next(
            part.metrics["discriminants"][name]
            for part in self._in(sample).values()
            if name in part.metrics["discriminants"]
        )
        said = {
            run: words.definition(name, part.metrics["discriminants"][name])
            for run, part in self._in(sample).items()
            if name in part.metrics["discriminants"]
        }
        content = page.heading(name)
        if len(set(said.values())) == 1:
            content += page.paragraph(words.definition(name, first))
        else:
            content += "".join(page.paragraph(f"{run}: {text}") for run, text in said.items())
        content += self._drawn(sample, ["distribution", "scan"], name)
        return content + "".join(tables.scan(runs, name) for runs in self._ranges(sample))

    def _bins(self, sample: str, name: str) -> str:
        drawn = self._drawn(sample, ["bins"], name)
        return page.heading(name) + drawn if drawn else ""

    def _tasks(self, of_jets: bool | None, kind: str) -> list[str]:
        """Names of tasks by what they say: classes (``confusion``), ``vertices``, values (``residuals``), or others."""
        found: dict[str, None] = {}
        for one in self.runs:
            for measured in one.samples.values():
                for name, task in measured.metrics["tasks"].items():
                    said = _kind(task)
                    if said == kind and of_jets in (None, _is_of_jets(measured, task)):
                        found[name] = None
        return list(found)

    def _of_tasks(self, tasks: Sequence[str]) -> str:
        content = ""
        for sample in self.samples:
            pieces = ""
            for task in tasks:
                ranges = list(self._ranges(sample))
                shown = page.beside(tables.metrics(runs, task) for runs in ranges)
                drawn = self._drawn(sample, _OF_TASKS, task)
                more = tables.by_class(ranges[0], task) if ranges else ""
                pieces += page.heading(task) + drawn + shown + more if drawn or shown else ""
            content += self._headed(sample, pieces)
        return content

    def _importance(self) -> str:
        content = ""
        for sample in self.samples:
            images = [
                self.show(f"importance of the inputs, {sample}, {name}", partial(importance, one.importance), None)
                for name, one in self._in(sample).items()
                if one.importance
            ]
            content += self._headed(sample, page.figures(images))
        runs = [one for one in self.runs if one.run is not None]
        if not content and runs:
            text = f"Not measured yet: train report {_shown(runs[0].where)} does, with the files of the sample."
            return page.paragraph(text, "missing")
        return content


def _where(runs: tables.Runs) -> str:
    return words.within(next(iter(runs.values()))["range"]) or "all jets"


def _kind(task: Mapping[str, Any]) -> str:
    if task["confusion"]:
        return "confusion"
    if task["residuals"]:
        return "residuals"
    return "vertices" if any(one["name"] == "vertex efficiency" for one in task["metrics"]) else "others"


def _is_of_jets(measured: Measured, task: Part) -> bool:
    if measured.spec is None:
        return bool(task["stream"] == "jets")
    return bool(task["stream"] == measured.spec.global_stream.name)


def _shown(path: Path) -> str:
    """A path from where one is, where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
