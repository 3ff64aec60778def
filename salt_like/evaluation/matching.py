"""Which tasks of two prediction files ask the same, so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass

from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.paired import LeftOutError, Pair
from salt_like.evaluation.paired_constituents import classified_constituents
from salt_like.evaluation.paired_jets import classified_jets
from salt_like.evaluation.paired_values import regressed
from salt_like.evaluation.paired_vertices import found_vertices
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.resampling import EventResamples
from salt_like.spec import Output


@dataclass(frozen=True)
class Question:
    """Something that a task says, and the label that says whether it is right.

    Args:
        task: The task.
        kind: ``"probability"``, ``"index"`` or ``"value"``.
        label: Field of the label.
        output: The value that is regressed; ``None`` for other kinds.
    """

    task: TaskRecord
    kind: str
    label: str
    output: Output | None = None

    def __str__(self) -> str:
        several = sum(one.kind == "value" for one in self.task.outputs) > 1
        return f"{self.task.name}, {self.label}" if several else self.task.name


def questions(file: PredictionFile) -> list[Question]:
    """Everything that the tasks of a file say and that has a truth, in order."""
    found = []
    for task in file.contents.tasks:
        labels = {label.name: label.kind for label in (file.contents.spec.label(task.stream, k) for k in task.labels)}
        kinds = {output.kind for output in task.outputs}
        for kind, truth in (("probability", "class"), ("index", "index")):
            name = next((name for name, one in labels.items() if one == truth), None)
            if kinds == {kind} and name is not None:
                found.append(Question(task, kind, name))
        found += [
            Question(task, "value", one.field, one)
            for one in task.outputs
            if one.kind == "value" and labels.get(one.field) == "real"
        ]
    return found


def matched(first: list[Question], second: list[Question]) -> tuple[list[tuple[Question, Question]], list[str]]:
    """Questions of both, and what is said about the others.

    The first classification of jets of one belongs to that of the other, whatever its label is called; so do other
    tasks that are the only one of their kind on their stream. Values are those of a label of the same name.

    Args:
        first: Of A.
        second: Of B.
    """
    pairs, left = [], list(second)
    for one in first:
        same = [other for other in left if (other.task.stream, other.kind) == (one.task.stream, one.kind)]
        named = [other for other in same if other.label == one.label]
        alone = one.kind != "value" and len(same) == 1 and sum(_alike(one, other) for other in first) == 1
        chosen = named[:1] or (same if alone else [])
        if chosen:
            left.remove(chosen[0])
            pairs.append((one, chosen[0]))
    known = [id(one) for one, _ in pairs]
    notes = [f"{one}: only in A" for one in first if id(one) not in known]
    return pairs, notes + [f"{one}: only in B" for one in left]


def _alike(one: Question, other: Question) -> bool:
    return (one.task.stream, one.kind) == (other.task.stream, other.kind)


def paired(first: PredictionFile, second: PredictionFile, drawn: EventResamples) -> tuple[list[Pair], list[str]]:
    """All that can be compared, and what is said about the rest.

    Args:
        first: A.
        second: B, of the same jets.
        drawn: The resamples.

    Raises:
        UserError: The classifications of jets are of other classes or labels.
    """
    found = []
    couples, notes = matched(questions(first), questions(second))
    finders = {task.name: None for file in (first, second) for task in file.contents.tasks if task.objects}
    notes += [f"{name}: left out, found objects are not compared" for name in finders]
    for one, other in couples:
        of_jets = first.contents.spec.stream(one.task.stream).is_global
        sides = (first, one.task, second, other.task)
        try:
            if one.output is not None:
                pair = regressed(*sides, one.output, drawn)
            elif one.kind == "index":
                pair = found_vertices(*sides, drawn)
            else:
                pair = (classified_jets if of_jets else classified_constituents)(*sides, drawn)
        except LeftOutError as reason:
            notes.append(f"{one}: left out, {reason}")
            continue
        found.append(pair)
        notes += pair.notes
    return found, notes
