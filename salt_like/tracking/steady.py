"""A logger that cannot stop a training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from lightning.pytorch.loggers import Logger

log = logging.getLogger(__name__)


class Steady(Logger):
    """Passes everything on to another logger, and goes on without it when it fails.

    Args:
        logger: The other one.
    """

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self.logger = logger
        self.failed = False

    @property
    def name(self) -> str | None:
        return self.logger.name

    @property
    def version(self) -> int | str | None:
        return self.logger.version

    @property
    def save_dir(self) -> str | None:
        return self.logger.save_dir

    @property
    def root_dir(self) -> str | None:
        return self.logger.root_dir

    @property
    def log_dir(self) -> str | None:
        return self.logger.log_dir

    @property
    def experiment(self) -> Any:
        """What the other logger writes to, for callbacks that use it."""
        return self.logger.experiment  # type: ignore[attr-defined]

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.attempt(lambda: self.logger.log_metrics(metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.attempt(lambda: self.logger.log_hyperparams(params, *args, **kwargs))

    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        self.attempt(lambda: self.logger.log_graph(*args, **kwargs))

    def save(self) -> None:
        self.attempt(self.logger.save)

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        self.attempt(lambda: self.logger.after_save_checkpoint(checkpoint_callback))

    def finalize(self, status: str) -> None:
        self.attempt(lambda: self.logger.finalize(status))

    def attempt(self, action: Callable[[], object]) -> None:
        """Do something with the other logger, unless it has failed before."""
        if self.failed:
            return
        try:
            action()
        except Exception as error:
            self.failed = True
            first = str(error).strip().splitlines() or [type(error).__name__]
            log.warning(
                "%s failed and is left out from here on; the run has everything in its folder: %s",
                type(self.logger).__name__,
                first[0][:200],
            )
