"""What the inputs of the reported runs are worth, measured once and kept beside the predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from salt_like.atomic import write_atomically
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.evaluation.reader import PredictionFile
from salt_like.loading.importance import importance
from salt_like.loading.opening import load_run
from salt_like.report.gather import Measured, Reported

JETS = 2000


def with_importance(run: Reported, jets: int = JETS, report: Callable[[int, int], None] | None = None) -> Reported:
    """A run with the importance of its inputs for each sample; where that cannot be measured, a note says why.

    It is kept in ``predictions/SAMPLE_importance.json`` and measured again for other weights or another number of jets.

    Args:
        run: The run.
        jets: How many jets to use at most.
        report: Called with the number of inputs done and that of all.
    """
    samples, notes = dict(run.samples), list(run.notes)
    for name, one in run.samples.items():
        if run.run is None or one.file is None:
            continue
        contents = PredictionFile(one.file).contents
        known = one.importance or {}
        weights = contents.fingerprint or known.get("fingerprint")  # older files do not say it
        if known and (known.get("wanted"), known.get("fingerprint")) == (jets, weights):
            continue
        try:
            found = _measured(run.where, name, contents.checkpoint, contents.sources, jets, report)
        except UserError as error:
            notes.append(f"importance of the inputs for {name} is not measured: {str(error).splitlines()[0]}")
            samples[name] = replace(one, importance=None)
            continue
        if contents.fingerprint and found["fingerprint"] != contents.fingerprint:
            notes.append(f"importance of the inputs for {name} is of other weights than the predictions")
        with write_atomically(run.run.predictions / f"{name}_importance.json") as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        samples[name] = Measured(one.metrics, one.spec, one.file, found)
    return replace(run, samples=samples, notes=tuple(notes))


def _measured(
    folder: Path,
    name: str,
    checkpoint: str,
    sources: tuple[str, ...],
    jets: int,
    report: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    files = [Path(one) for one in sources]
    missing = [one for one in files if not one.is_file()]
    if missing:
        raise UserError(f"no file {missing[0]}")
    tagger = load_run(folder, checkpoint if Path(checkpoint).is_file() else "best")
    return importance(tagger, Sample(name, files, tagger.spec), jets, report).plain()
