"""Which cases the comparison goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sample_statistics import write_statistics
from synthetic_files import write_resampled
from worker_config import Mode, WorkerConfig

MULTIPLICITIES = (8, 16, 32, 64)
COMPRESSIONS = {"gzip": "gzip", "lzf": "lzf", "none": None}
SECTIONS = ("training", "step", "multiplicity", "loader")


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Args:
        section: the table.
        data: what the file is, in words.
        config: what both frameworks build, with their options still open.
    """

    section: str
    data: str
    config: WorkerConfig

    @property
    def search_key(self) -> tuple[object, ...]:
        """Cases with the same key share one search for the fastest options."""
        c = self.config
        return (c.mode, c.precision, c.architecture, c.train_file if c.mode == "loader" else "")


@dataclass(frozen=True)
class Files:
    """The files of a comparison, written on first use.

    Args:
        source: real simulated jets in the ATLAS layout.
        folder: where files are written.
        jets: jets in each file.
    """

    source: Path
    folder: Path
    jets: int

    def file(self, mean: float | None = None, compression: str = "lzf") -> Path:
        """The file with this mean number of tracks (None: as the source) and compression."""
        path = self.folder / f"jets-{'native' if mean is None else mean}-{compression}.h5"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_resampled(self.source, path, mean, self.jets, COMPRESSIONS[compression])
        return path

    def statistics(self, mean: float | None = None) -> Path:
        """The folder with this file's ``norm_dict.yaml`` and ``class_dict.yaml``."""
        folder = self.folder / f"statistics-{'native' if mean is None else mean}"
        if not (folder / "class_dict.yaml").exists():
            write_statistics(self.file(mean), folder, self.jets)
        return folder


def make_cases(
    files: Files,
    sections: Sequence[str],
    architectures: Sequence[str],
    precisions: Sequence[str],
    batch_sizes: Sequence[int],
    multiplicities: Sequence[int] = MULTIPLICITIES,
) -> Iterator[Case]:
    """All rows of the chosen tables, in the order in which they are measured."""
    native = f"{files.source.name} (lzf)"

    def config(architecture: str, precision: str, mode: Mode, mean: float | None = None) -> WorkerConfig:
        return WorkerConfig(
            architecture=architecture,
            vertexing=True,
            train_file=str(files.file(mean)),
            statistics=str(files.statistics(mean)),
            batch_size=batch_sizes[0],
            mode=mode,
            precision=precision,
        )

    for architecture in architectures:
        for precision in precisions:
            base = config(architecture, precision, "train")
            for vertexing in (True, False):
                if "training" in sections:
                    for size in batch_sizes:
                        yield Case("training", native, replace(base, vertexing=vertexing, batch_size=size))
                if "step" in sections:
                    yield Case("step", native, replace(base, vertexing=vertexing, mode="step"))
    if "multiplicity" in sections:
        for mean in multiplicities:
            for vertexing in (True, False):
                base = config(architectures[0], precisions[0], "train", mean)
                yield Case("multiplicity", f"{mean} tracks a jet", replace(base, vertexing=vertexing))
    if "loader" in sections:
        for compression in COMPRESSIONS:
            base = config(architectures[0], precisions[0], "loader")
            file = str(files.file(None, compression))
            yield Case("loader", f"{files.source.name} ({compression})", replace(base, train_file=file))
