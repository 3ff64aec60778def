"""What a prediction file says about itself: model, sample, labels and tasks, as attributes of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from salt_like.evaluation.calibration import Assumed
from salt_like.spec import DataSpec, Label, Output

FORMAT = "salt-like predictions"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class TaskRecord:
    """What a task said and which labels say whether it was right.

    Args:
        name: Name of the task.
        stream: Stream whose rows it describes.
        labels: Keys of its labels.
        outputs: What it says.
        prior: Class fractions for which its probabilities hold; empty for those of the training sample.
        temperature: Temperature of its probabilities.
        given: Whether the user gave these fractions, rather than class weights of the training.
        objects: Stream of the true objects, of a task that finds objects; empty for all others.
        object_labels: Keys of the labels of these.
    """

    name: str
    stream: str
    labels: tuple[str, ...]
    outputs: tuple[Output, ...]
    prior: tuple[float, ...] = ()
    temperature: float = 1.0
    given: bool = False
    objects: str = ""
    object_labels: tuple[str, ...] = ()

    def assumes(self, label: Label) -> tuple[Assumed, tuple[float, ...]]:
        """Where the class fractions come from for which its probabilities hold, and the fractions (none: unknown).

        Args:
            label: Its label.
        """
        if self.given:
            return "given", self.prior
        return ("class weights", self.prior) if self.prior else ("training", label.prior)


@dataclass(frozen=True)
class Contents:
    """Attributes of a prediction file.

    Args:
        model: Name of the model, the prefix of the columns.
        sample: Name of the sample.
        sources: Files that were predicted, in order.
        checkpoint: Checkpoint that predicted.
        spec: Description of the data that the model was trained on.
        tasks: Tasks of the model in order.
        labelled: False when the file was made without labels.
        weight: Field of the global stream with the weight of each jet.
        version: Version of the package.
        generator: What made the predicted files, in the first one's own words; empty where it does not say so.
        fingerprint: Hash of the weights that predicted; empty where it is not known.
    """

    model: str
    sample: str
    sources: tuple[str, ...]
    checkpoint: str
    spec: DataSpec
    tasks: tuple[TaskRecord, ...]
    labelled: bool = True
    weight: str | None = None
    version: str = ""
    generator: str = ""
    fingerprint: str = ""

    def attributes(self) -> dict[str, Any]:
        """For the root of the HDF5 file; what is nested is JSON."""
        # inputs of constituents and the numbers of weights are left out: HDF5 gives all attributes together 64 kB
        short = tuple(one if one.is_global else replace(one, variables=()) for one in self.spec.streams)
        weights = self.spec.reweighting and replace(
            self.spec.reweighting, weights=(), summary=(), unplaced=0, undivided=()
        )
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "package_version": self.version,
            "model": self.model,
            "sample": self.sample,
            "sources": list(self.sources),
            "checkpoint": self.checkpoint,
            "labelled": self.labelled,
            "weight": self.weight or "",
            "generator": self.generator,
            "fingerprint": self.fingerprint,
            "spec": json.dumps(replace(self.spec, streams=short, reweighting=weights).to_dict()),
            "tasks": json.dumps([asdict(task) for task in self.tasks]),
            "class_fractions": json.dumps(self.class_fractions()),
        }

    def class_fractions(self) -> dict[str, dict[str, Any]]:
        """For each task with probabilities the class fractions for which they hold, and their temperature."""
        found = {}
        for task in self.tasks:
            labels = [self.spec.label(task.stream, key) for key in task.labels]
            label = next((one for one in labels if one.kind == "class"), None)
            if label is not None and {one.kind for one in task.outputs} == {"probability"}:
                assumed, prior = task.assumes(label)
                fractions = dict(zip(label.classes, prior, strict=True)) if prior else None
                found[task.name] = {"assumed": assumed, "fractions": fractions, "temperature": task.temperature}
        return found

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Contents:
        """The inverse of `attributes`.

        Raises:
            KeyError: An attribute is missing: not a prediction file of this project.
        """
        tasks = [
            TaskRecord(
                one["name"],
                one["stream"],
                tuple(one["labels"]),
                tuple(Output(**output) for output in one["outputs"]),
                tuple(one.get("prior", ())),
                one.get("temperature", 1.0),
                one.get("given", False),
                one.get("objects", ""),
                tuple(one.get("object_labels", ())),
            )
            for one in json.loads(attributes["tasks"])
        ]
        return cls(
            model=str(attributes["model"]),
            sample=str(attributes["sample"]),
            sources=tuple(str(source) for source in attributes["sources"]),
            checkpoint=str(attributes["checkpoint"]),
            spec=DataSpec.from_dict(json.loads(attributes["spec"])),
            tasks=tuple(tasks),
            labelled=bool(attributes["labelled"]),
            weight=str(attributes["weight"]) or None,
            version=str(attributes["package_version"]),
            generator=str(attributes.get("generator", "")),
            fingerprint=str(attributes.get("fingerprint", "")),
        )
