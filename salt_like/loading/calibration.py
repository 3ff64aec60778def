"""The calibration of a run: temperatures of its classifications, stored beside the checkpoint that they are for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from salt_like.atomic import write_atomically
from salt_like.errors import UserError
from salt_like.evaluation.metric import plain
from salt_like.training.checkpoint import Saved

FORMAT = "salt-like calibration"


@dataclass(frozen=True)
class CalibratedTask:
    """What was found for one task, on the validation data and for their class fractions.

    Args:
        temperature: The temperature with the smallest cross-entropy.
        error: One standard deviation of it.
        differs: Whether its 95 % interval leaves out 1.
        entries: Rows with a label.
        prior: Class fractions for which cross-entropy and expected calibration error (ECE) are given.
        cross_entropy: Before and after.
        ece: Before and after, mean of the classes.
        ece_error: One standard deviation of both.
        ece_chance: What probabilities that are exactly right would show.
    """

    temperature: float
    error: float
    differs: bool
    entries: int
    prior: Mapping[str, float]
    cross_entropy: tuple[float, float]
    ece: tuple[float, float]
    ece_error: tuple[float, float]
    ece_chance: tuple[float, float]


@dataclass(frozen=True)
class RunCalibration:
    """Temperatures of the tasks of one checkpoint.

    Args:
        fingerprint: Of the checkpoint's weights.
        checkpoint: Name of its file.
        sources: Validation files.
        tasks: What was found for each classification.
        version: Version of the package.
    """

    fingerprint: str
    checkpoint: str
    sources: tuple[str, ...]
    tasks: Mapping[str, CalibratedTask]
    version: str = ""

    @property
    def temperatures(self) -> dict[str, float]:
        """Task → temperature."""
        return {name: one.temperature for name, one in self.tasks.items()}

    def write(self, path: Path) -> None:
        """Write it as JSON, complete or not at all."""
        with write_atomically(path) as temporary:
            content = {"format": FORMAT, **plain(asdict(self))}
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> RunCalibration:
    """What `RunCalibration.write` wrote.

    Raises:
        UserError: It cannot be read, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        tasks = {name: _task(one) for name, one in content.pop("tasks").items()}
        return RunCalibration(**{**content, "sources": tuple(content["sources"])}, tasks=tasks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"not a calibration: {path}\nfound: {type(error).__name__}: {error}\n"
            "`train calibrate RUN --force` makes it again; --calibration=none leaves it out"
        ) from error


def _task(content: Mapping[str, Any]) -> CalibratedTask:
    pairs = {
        name: tuple(float("nan") if one is None else one for one in content[name])
        for name in ("cross_entropy", "ece", "ece_error", "ece_chance")
    }
    return CalibratedTask(**{**content, **pairs, "temperature": float(content["temperature"])})


def fingerprint(saved: Saved) -> str:
    """A hash of a checkpoint's weights, the same for every copy of it."""
    found = hashlib.sha256()
    for name, values in sorted(saved.state_dict.items()):
        found.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        found.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def temperatures_for(saved: Saved, path: Path) -> dict[str, float]:
    """The temperatures that are stored for a checkpoint; none where nothing is stored.

    Args:
        saved: The checkpoint.
        path: Where the calibration of its run is.

    Raises:
        UserError: What is stored there is damaged or for other weights.
    """
    if not path.exists():
        return {}
    stored = read(path)
    if stored.fingerprint != fingerprint(saved):
        raise UserError(
            f"the calibration of the run is for other weights ({stored.checkpoint}): {path}\n"
            f"checkpoint: {saved.path}\n"
            "fit it for this one: train calibrate RUN --ckpt … --force\n"
            "or leave it out: --calibration=none, in Python calibrated=False"
        )
    return stored.temperatures
