"""Comet: on its server with a key and a network, else in a file that can be uploaded later."""

from __future__ import annotations

import json
import logging
import os
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from salt_like.atomic import write_atomically
from salt_like.tracking.reach import PATIENCE, unreachable, within

log = logging.getLogger(__name__)

FOLDER = "comet"
IDENTITY = "experiment.json"
SERVER = "https://www.comet.com/clientlib/"
# between a server that answers and an experiment lie a few more questions to it
OPENING = 15.0  # seconds
# what Comet would find by itself is told by the run, or is nobody's business
QUIET = {
    "log_code": False,
    "log_graph": False,
    "auto_param_logging": False,
    "auto_metric_logging": False,
    "auto_output_logging": False,
    "parse_args": False,
    "log_env_host": False,
    "display_summary_level": 0,
}


class Comet(Logger):
    """Tells Comet of a run: parameters, metrics, versions, figures, checkpoints and bundles.

    With a key (``COMET_API_KEY``, or Comet's own configuration file) and a server that answers, on the server;
    otherwise into a zip file in the run's folder, and what uploads it is said at the end. The server is asked once,
    for a few seconds at most. A run that is continued, tested or exported later stays the same experiment.

    Args:
        project: Comet's project; the default one of the workspace where ``None``.
        workspace: Comet's workspace; the user's default one where ``None``.
        experiment_name: Name of the experiment; model and folder of the run where ``None``.
        tags: Words by which the experiment is found.
        online: ``False`` for a file in any case; ``None`` for the server where it can be reached.
        folder: Folder for the file, filled in with the run's.
    """

    def __init__(
        self,
        project: str | None = None,
        workspace: str | None = None,
        experiment_name: str | None = None,
        tags: list[str] | None = None,
        online: bool | None = None,
        folder: str | None = None,
    ) -> None:
        super().__init__()
        self.project = project
        self.workspace = workspace
        self.experiment_name = experiment_name
        self.tags = list(tags or [])
        self.online = online
        self.folder = Path(folder or FOLDER)
        self._experiment: Any = None
        self._online_now = False
        self._before: set[Path] = set()

    def within(self, run: Path) -> Comet:
        """The same, with its file in the folder of a run; after whose name the experiment is called."""
        name = self.experiment_name or f"{run.parent.name} {run.name}"
        return Comet(self.project, self.workspace, name, self.tags, self.online, str(run / FOLDER))

    @property
    def name(self) -> str | None:
        return self.project

    @property
    def version(self) -> str | None:
        identity = self.identity
        return None if identity is None else str(identity["key"])

    @property
    def save_dir(self) -> str | None:
        return str(self.folder)

    @property
    def identity(self) -> dict[str, Any] | None:
        """What was written of the experiment when it began: its key, and its address on the server."""
        path = self.folder / IDENTITY
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found.get("key"), str) else None

    @property
    def experiment(self) -> Any:
        """Comet's own object; made at the first use."""
        if self._experiment is None:
            self._experiment = self._open()
        return self._experiment

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Parameters, flattened: ``{"model": {"dim": 64}}`` is ``model.dim``."""
        del args, kwargs
        self.experiment.log_parameters(dict(flat(vars(params) if isinstance(params, Namespace) else params)))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        given = dict(metrics)
        epoch = given.pop("epoch", None)
        self.experiment.log_metrics(given, step=step, epoch=None if epoch is None else int(epoch))

    @rank_zero_only
    def log_files(self, files: Iterable[Path], base: Path) -> None:
        """Files of a run, under their names within it."""
        for path in files:
            if path.is_file():
                self.experiment.log_asset(str(path), file_name=str(path.relative_to(base)), overwrite=True)

    @rank_zero_only
    def log_figure(self, path: Path, name: str) -> None:
        """A picture."""
        self.experiment.log_image(str(path), name=name, overwrite=True)

    @rank_zero_only
    def log_confusion(self, name: str, classes: list[str], matrix: list[list[float]]) -> None:
        """Which classes are taken for which: rows are the true ones; Comet knows whole numbers only."""
        self.experiment.log_confusion_matrix(
            matrix=[[round(one) for one in row] for row in matrix],
            labels=classes,
            title=name,
            row_label="true class",
            column_label="most probable class",
            file_name=f"{name.replace('/', '-')}-confusion.json",
            overwrite=True,
        )

    @rank_zero_only
    def log_model(self, name: str, path: Path) -> None:
        """A checkpoint, or the folder of a bundle."""
        self.experiment.log_model(name, str(path), overwrite=True)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Send or write what is left, and say how to upload a file."""
        if self._experiment is None:
            return
        if status != "success":
            self._experiment.add_tag(status)
        self._experiment.end()
        self._experiment = None
        if not self._online_now:
            new = " ".join(map(str, sorted(self._files() - self._before)))
            log.warning("Comet: the experiment is in a file; to upload it: comet upload %s", new)

    def _files(self) -> set[Path]:
        return set(self.folder.glob("*.zip"))

    def _open(self) -> Any:
        # slow to import, and its advice about the order of imports is for what it does by itself
        import comet_ml

        for name in ("comet_ml", "comet_ml.system.system_info"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._before = self._files()
        earlier = self.identity
        reason = self._why_offline(comet_ml)
        experiment = None
        if reason is None:
            experiment, reason = self._online(comet_ml, earlier)
        online = experiment is not None
        if experiment is None:
            if reason:
                log.warning("Comet: %s; the experiment is kept in %s", reason, self.folder)
            experiment = self._offline(comet_ml, earlier)
        self._online_now = online
        if earlier is None:
            if self.experiment_name:
                experiment.set_name(self.experiment_name)
            if self.tags:
                experiment.add_tags(self.tags)
            content = {"key": experiment.get_key(), "url": experiment.url if online else None}
            with write_atomically(self.folder / IDENTITY) as temporary:
                temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return experiment

    def _why_offline(self, comet_ml: Any) -> str | None:
        """Why the server is not asked; empty where the user wants it so."""
        if self.online is False or os.environ.get("COMET_START_ONLINE", "").lower() in {"0", "false", "no"}:
            return ""
        config = comet_ml.get_config()
        if not config["comet.api_key"]:
            return "no key (COMET_API_KEY)"
        problem = unreachable(config["comet.url_override"] or SERVER, PATIENCE)
        return None if problem is None else f"the server cannot be reached ({problem})"

    def _online(self, comet_ml: Any, earlier: Mapping[str, Any] | None) -> tuple[Any, str | None]:
        """An experiment on the server, or why there is none."""
        made: list[Any] = []
        problems: list[str] = []

        def make() -> None:
            try:
                if earlier is None:
                    given = {"project_name": self.project, "workspace": self.workspace}
                    made.append(comet_ml.Experiment(**given, **QUIET))
                else:
                    made.append(comet_ml.ExistingExperiment(previous_experiment=earlier["key"], **QUIET))
            except Exception as error:
                problems.append(
                    str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
                )

        if not within(OPENING, make):
            return None, f"the server did not open an experiment within {OPENING:g} s"
        if problems:
            return None, f"the server refused: {problems[0]}"
        if not made[0].alive:
            return None, "the server refused the experiment: is COMET_API_KEY right?"
        return made[0], None

    def _offline(self, comet_ml: Any, earlier: Mapping[str, Any] | None) -> Any:
        where = {"offline_directory": str(self.folder)}
        if earlier is None:
            given = {"project_name": self.project, "workspace": self.workspace}
            return comet_ml.OfflineExperiment(**given, **where, **QUIET)
        return comet_ml.ExistingOfflineExperiment(previous_experiment=earlier["key"], **where, **QUIET)


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested settings with dotted names; what is empty or ``None`` is left out, lists are text."""
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif value is not None:
            yield name, value if isinstance(value, (bool, int, float, str)) else json.dumps(value, default=str)
