"""The loggers that a configuration names, ready for a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt_like.tracking.callback import Tracking
from salt_like.tracking.comet import Comet
from salt_like.tracking.steady import Steady
from salt_like.training.run import Run


def chosen(given: Any, run: Run, config: Mapping[str, Any]) -> tuple[Any, Tracking]:
    """Loggers for the trainer, none of which can stop a training, and what tells them of it.

    Args:
        given: ``trainer.logger`` as configured: a logger, several, or a choice between Lightning's own and none.
        run: Folder of the run, into which Comet's file goes.
        config: The resolved configuration.
    """
    if given is None or isinstance(given, bool):
        return given, Tracking(run, config)
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    placed = [one.within(run.folder) if isinstance(one, Comet) else one for one in several]
    steady = [Steady(one) for one in placed]
    comet = next(((one, by) for one, by in zip(placed, steady, strict=True) if isinstance(one, Comet)), None)
    return steady, Tracking(run, config, comet)
