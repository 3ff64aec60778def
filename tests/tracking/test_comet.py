"""What Comet is told, read back from the file that it would upload."""

from __future__ import annotations

import json
import logging
import socket
import time
import zipfile
from pathlib import Path

import comet_ml
import pytest

from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder, shipped
from salt_like.tracking.comet import Comet, flat

SAMPLES = shipped.FOLDER.parent / "samples"
SMALL = [
    "--config=quickstart",
    "--model.dim=8",
    "--model.encoder.layers=1",
    "--model.encoder.heads=2",
    "--data.num_train=300",
    "--data.num_val=200",
    "--data.batch_size=100",
    "--trainer.max_epochs=1",
    "--trainer.enable_progress_bar=false",
    "--trainer.accelerator=cpu",
    "--trainer.log_every_n_steps=2",
]


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("COMET_START_ONLINE", "0")
    monkeypatch.delenv("COMET_API_KEY", raising=False)


class Archive:
    """What is in a file of Comet's."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as file:
            lines = file.read("messages.json").decode().splitlines()
            self.experiment = json.loads(file.read("experiment.json"))
        self.messages = [(one["type"], one["payload"]) for one in map(json.loads, lines)]

    def of(self, kind: str) -> list[dict]:
        return [payload for name, payload in self.messages if name == kind]

    @property
    def parameters(self) -> dict:
        return {one["param"]["paramName"]: one["param"]["paramValue"] for one in self.of("parameter_msg")}

    def metric(self, name: str) -> list[tuple]:
        said = [one["metric"] for one in self.of("metric_msg")]
        return [(one["step"], one["epoch"], one["metricValue"]) for one in said if one["metricName"] == name]

    @property
    def files(self) -> dict[str, str]:
        given = [(one["additional_params"], one["upload_type"]) for one in self.of("file_upload")]
        return {named.get("fileName") or named["figName"]: kind for named, kind in given}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of one epoch, tracked into a file."""
    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
        patch.setenv("COMET_START_ONLINE", "0")
        patch.setenv(run_folder.HANDED_OVER, "")
        tracked = "--trainer.logger={class_path: Comet, init_args: {project: jets, tags: [small]}}"
        assert dispatcher.main(["--debug", "fit", *SMALL, tracked, "--run", str(folder / "GN2" / "first")]) == 0
    return folder / "GN2" / "first"


def archives(run: Path) -> list[Path]:
    return sorted((run / "comet").glob("*.zip"), key=lambda path: path.stat().st_mtime_ns)


def test_everything_of_a_training_is_in_the_file(run):
    (path,) = archives(run)
    archive = Archive(path)
    assert archive.experiment["project_name"] == "jets"
    assert archive.experiment["tags"] == ["small"]
    assert {one["key"]: one["value"] for one in archive.of("log_other")}["Name"] == "GN2 first"
    parameters = archive.parameters
    assert (parameters["model.dim"], parameters["trainer.max_epochs"]) == (8, 1)
    assert "Classification" in parameters["model.tasks.jets_classification.class_path"]
    steps = archive.metric("train_step/loss")
    assert [(step, epoch) for step, epoch, _ in steps] == [(2, 0)]  # three steps, told every second one
    rows = (run / "metrics.csv").read_text().splitlines()
    written = dict(zip(rows[0].split(","), rows[1].split(","), strict=True))
    ((_, epoch, loss),) = archive.metric("val/jets_classification/loss")
    assert (epoch, loss) == (0, pytest.approx(float(written["val/jets_classification/loss"]), rel=1e-6))
    files = archive.files
    assert {"config.yaml", "spec.json", "run.json", "metrics.csv"} <= set(files)
    assert {name for name, kind in files.items() if kind == "model-element"} == {"best.ckpt", "last.ckpt"}
    assert archive.of("installed_packages")


def test_a_test_goes_on_with_the_same_experiment(run, caplog):
    before = set(archives(run))
    assert (
        dispatcher.main(["--debug", "test", str(run), f"--data.test.few={SAMPLES / 'test.h5'}", "--data.num_test=150"])
        == 0
    )
    (path,) = set(archives(run)) - before
    archive = Archive(path)
    identity = json.loads((run / "comet/experiment.json").read_text())
    assert archive.experiment["offline_id"] == identity["key"]
    assert archive.experiment["resume_strategy"] == "get"
    numbers = json.loads((run / "predictions/few_metrics.json").read_text())
    told = {one["name"]: one for one in numbers["tasks"]["jets_classification"]["metrics"]}["cross-entropy"]
    for ending, value in {"": told["value"], "/error": told["error"]}.items():
        ((_, _, said),) = archive.metric(f"test/few/jets_classification/cross-entropy{ending}")
        assert said == pytest.approx(value)
    assert archive.files["few-jets_classification-confusion.json"] == "confusion-matrix"
    drawn = {f"few/{path.stem}" for path in (run / "predictions/few_figures").glob("*.png")}
    assert {name for name, kind in archive.files.items() if kind == "visualization"} == drawn != set()
    assert {"few_metrics.json", "few_metrics.txt", "report.html"} <= set(archive.files)
    assert f"Comet: the experiment is in a file; to upload it: comet upload {path}" in caplog.messages


def test_a_run_that_was_not_tracked_stays_untold(run, tmp_path):
    from salt_like.tracking.afterwards import tracker_of

    with tracker_of(tmp_path) as told:
        assert told is None


@pytest.fixture
def with_key(monkeypatch):
    """A user with a key; the server is up to the test."""
    monkeypatch.delenv("COMET_START_ONLINE")
    monkeypatch.setenv("COMET_API_KEY", "A" * 25)


def test_a_silent_server_is_noticed_within_seconds(with_key, monkeypatch, tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("COMET_URL_OVERRIDE", f"http://127.0.0.1:{server.getsockname()[1]}/")
        comet = Comet(folder=str(tmp_path))
        began = time.monotonic()
        with caplog.at_level(logging.WARNING):
            comet.log_metrics({"loss": 1.0, "epoch": 0}, 1)
            waited = time.monotonic() - began
            comet.log_metrics({"loss": 0.5, "epoch": 1}, 2)
            comet.finalize("success")
    assert waited < 5 + 3  # what a busy machine needs to import Comet and to begin a file comes on top
    said = [record.getMessage() for record in caplog.records if record.name.startswith("salt_like")]
    assert len(said) == 2
    assert said[0].startswith("Comet: the server cannot be reached (")
    assert said[1].startswith("Comet: the experiment is in a file; to upload it: comet upload ")
    (path,) = tmp_path.glob("*.zip")
    assert [value for _, _, value in Archive(path).metric("loss")] == [1.0, 0.5]


class Server:
    """What is called in place of the parts of Comet that need one."""

    def __init__(self, problem: Exception | None = None, alive: bool = True) -> None:
        self.problem, self.alive = problem, alive
        self.calls: list[tuple] = []
        self.url = "https://comet.example/experiment"

    def __call__(self, **given):
        self.calls.append(("open", given))
        if self.problem is not None:
            raise self.problem
        return self

    def __getattr__(self, name):
        return lambda *args, **given: self.calls.append((name, args, given))

    def get_key(self):
        return "key"


@pytest.fixture
def answering(with_key, monkeypatch):
    monkeypatch.setattr("salt_like.tracking.comet.unreachable", lambda *_: None)
    monkeypatch.setattr("comet_ml.get_config", lambda: {"comet.api_key": "x", "comet.url_override": None})

    def install(name: str = "Experiment", **given) -> Server:
        server = Server(**given)
        monkeypatch.setattr(comet_ml, name, server)
        return server

    return install


def test_online_with_a_key_and_a_server(answering, tmp_path):
    server, again = answering(), answering("ExistingExperiment")
    first = Comet(project="jets", workspace="team", experiment_name="one", folder=str(tmp_path))
    first.log_metrics({"loss": 2.0, "epoch": 3}, 7)
    first.finalize("success")
    kind, given = server.calls[0]
    assert (kind, given["project_name"], given["workspace"]) == ("open", "jets", "team")
    assert ("set_name", ("one",), {}) in server.calls
    assert ("log_metrics", ({"loss": 2.0},), {"step": 7, "epoch": 3}) in server.calls
    assert server.calls[-1][0] == "end"
    assert not list(tmp_path.glob("*.zip"))
    assert first.identity == {"key": "key", "url": server.url}
    second = Comet(folder=str(tmp_path))
    assert second.version == "key"
    second.log_metrics({"loss": 1.0}, 8)
    assert again.calls[0][1]["previous_experiment"] == "key"


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ({"problem": ValueError("This API key is not valid\nor so")}, "the server refused: This API key is not valid"),
        ({"alive": False}, "the server refused the experiment: is COMET_API_KEY right?"),
    ],
)
def test_a_wrong_key_is_said_and_nothing_lost(answering, tmp_path, caplog, refusal, said):
    answering(**refusal)
    comet = Comet(folder=str(tmp_path))
    with caplog.at_level(logging.WARNING):
        comet.log_metrics({"loss": 1.0, "epoch": 0}, 1)
        comet.finalize("failed")
    assert f"Comet: {said}; the experiment is kept in {tmp_path}" in caplog.messages
    (path,) = tmp_path.glob("*.zip")
    archive = Archive(path)
    assert archive.metric("loss") == [(1, 0, 1.0)]
    assert "failed" in archive.experiment["tags"]


def test_parameters_have_dotted_names():
    nested = {"model": {"dim": 8, "none": None, "empty": {}}, "list": [1, 2], "name": "x", "on": True}
    assert dict(flat(nested)) == {"model.dim": 8, "list": "[1, 2]", "name": "x", "on": True}
