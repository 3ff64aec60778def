"""A logger that fails does not stop a training."""

from __future__ import annotations

import logging

import pytest
from lightning.pytorch.loggers import CSVLogger, Logger

from salt_like.tracking.steady import Steady


class Failing(Logger):
    """Counts how often it is asked, and fails."""

    name = "failing"
    version = "1"

    def __init__(self):
        super().__init__()
        self.asked = 0

    def log_metrics(self, metrics, step=None):
        self.asked += 1
        raise ConnectionError("the server went away\nand more")

    def log_hyperparams(self, params, *args, **kwargs):
        self.asked += 1


def test_it_is_said_once_and_the_logger_left_out(caplog):
    failing = Failing()
    steady = Steady(failing)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            steady.log_metrics({"loss": 1.0}, 1)
        steady.log_hyperparams({})
        steady.finalize("success")
    assert failing.asked == 1
    assert [record.getMessage() for record in caplog.records] == [
        "Failing failed and is left out from here on; the run has everything in its folder: the server went away"
    ]


def test_an_interruption_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        Steady(Failing()).attempt(lambda: (_ for _ in ()).throw(KeyboardInterrupt()))


def test_everything_reaches_the_other_logger(tmp_path):
    logger = CSVLogger(tmp_path, name="run", version=3)
    steady = Steady(logger)
    steady.log_hyperparams({"dim": 4})
    steady.log_metrics({"loss": 0.5}, step=7)
    steady.save()
    steady.finalize("success")
    assert (steady.name, steady.version, steady.log_dir) == (logger.name, logger.version, logger.log_dir)
    assert (steady.save_dir, steady.root_dir) == (logger.save_dir, logger.root_dir)
    assert steady.experiment is logger.experiment
    assert "0.5" in (tmp_path / "run/version_3/metrics.csv").read_text()
    assert "dim: 4" in (tmp_path / "run/version_3/hparams.yaml").read_text()
