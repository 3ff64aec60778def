"""One measurement as plain data: what the driver sends to a worker."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

Mode = Literal["train", "step", "loader"]


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker builds and times.

    Args:
        architecture: a key of ``architectures.ARCHITECTURES``.
        vertexing: train the pair task too.
        train_file: HDF5 file in the ATLAS layout.
        statistics: folder with ``norm_dict.yaml`` and ``class_dict.yaml``.
        batch_size: jets in a step.
        mode: ``train`` = loader and full step, ``step`` = forward and backward on batches loaded before,
            ``loader`` = batches only.
        workers: processes that load data.
        compile: whether ``torch.compile`` is applied, the framework's own way.
        attention: name of the framework's attention backend; empty for its default.
        precision: argument of ``torch.set_float32_matmul_precision``; empty for what the framework sets itself.
        warm_up: steps before the first timed one (compilation, page cache, caches of the framework).
        fixed_batches: how many batches mode ``step`` goes round.
        seed: seed of torch.
    """

    architecture: str
    vertexing: bool
    train_file: str
    statistics: str
    batch_size: int
    mode: Mode = "train"
    workers: int = 0
    compile: bool = False
    attention: str = ""
    precision: str = ""
    warm_up: int = 3
    fixed_batches: int = 4
    seed: int = 0

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerConfig:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))
