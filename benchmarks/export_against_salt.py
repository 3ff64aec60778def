"""Compare our exported graphs with Salt's own export of the same architecture, on one runtime and one thread.

    benchmarks/salt_environment.sh DIR; DIR/bin/python -m pip install onnx
    python benchmarks/export_against_salt.py --salt-python DIR/bin/python --out docs/benchmarks/export.json

Salt's graph is written by its own exporter in its environment, ours by ``train export`` of a run of a few steps;
weights do not matter for the time. All graphs then run in one process on the same onnxruntime, in turn, round after
round; what is counted is processor time, which other work on the machine disturbs less than the clock. Salt's graph
takes one jet at a time. Ours is also asked the way ``train predict BUNDLE`` asks it: jets of similar multiplicity
together.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from architectures import JET_VARIABLES, TRACK_VARIABLES
from hardware import describe_machine
from matrix_products import matrix_products
from sample_statistics import write_statistics

from salt_like.bundle import Bundle, read_bundle
from salt_like.data.columns import Columns
from salt_like.data.sample import Sample
from salt_like.export import verify
from salt_like.export.answers import Jets, golden_jets
from salt_like.export.latency import jets_with
from salt_like.loading.deployed import DeployedTagger
from salt_like.loading.session import open_session

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent / "salt_like/samples"
CONSTITUENTS = (0, 5, 10, 20, 40)
BATCHES = (10, 100)
TYPICAL = 7  # constituents of the jets whose products are looked at
JETS = 20  # different ones, one after the other
TASKS = {
    "all three tasks": ("jets_classification", "track_origin", "track_vertexing"),
    "classes of the jets": ("jets_classification",),
}
Side = Callable[[], int]


def main() -> None:
    """Export, time, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--salt-python", required=True, help="interpreter of Salt's environment")
    parser.add_argument("--salt-packages", default="", help="folder with onnx, if that environment lacks it")
    parser.add_argument("--architectures", nargs="+", default=["gn2-small", "gn2"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each side and round")
    parser.add_argument("--jets", type=int, default=1000, help="jets of the sample for the throughput")
    parser.add_argument("--work", help="folder in which the graphs are kept, and used again if they are there")
    parser.add_argument("--out", required=True, help="the numbers, as JSON")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(options.work or folder).absolute()
        work.mkdir(parents=True, exist_ok=True)
        write_statistics(SAMPLES / "train.h5", work / "statistics")
        for architecture in options.architectures:
            run = _trained(work, architecture)
            for name, tasks in TASKS.items():
                salt = _salt(options, work, architecture, tasks)
                ours = {one: _exported(work, run, one, tasks) for one in ("single", "batched")}
                case = _compared(salt, ours, options)
                found.append({"architecture": architecture, "outputs": name, **case})
                print(json.dumps(found[-1]), flush=True)
    import onnxruntime

    content = {"machine": describe_machine(), "onnxruntime": onnxruntime.__version__, "cases": found}
    Path(options.out).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _trained(work: Path, architecture: str) -> Path:
    run = work / architecture
    if run.exists():
        return run
    files = [f"--data.{key}={SAMPLES / name}.h5" for key, name in (("train", "train"), ("val", "val"))]
    few = ["--data.num_train=1000", "--data.num_val=300", "--data.batch_size=250", "--trainer.max_epochs=1"]
    few.append(f"--data.test.ttbar={SAMPLES / 'test.h5'}")
    _call(sys.executable, "-m", "salt_like", "fit", "--config", architecture, *files, *few, "--run", str(run))
    return run


def _exported(work: Path, run: Path, profile: str, tasks: tuple[str, ...]) -> Bundle:
    out = work / f"{run.name}-{profile}-{len(tasks)}"
    arguments = ["--profile", profile, "--tasks", ",".join(tasks), "--jets", "300", "--name", "GN2"]
    if not out.exists():
        _call(sys.executable, "-m", "salt_like", "export", str(run), "--out", str(out), *arguments)
    return read_bundle(out)


def _salt(options: argparse.Namespace, work: Path, architecture: str, tasks: tuple[str, ...]) -> bytes:
    out = work / f"salt-{architecture}-{len(tasks)}.onnx"
    more = {"PYTHONPATH": options.salt_packages} if options.salt_packages else {}
    script = str(HERE / "salt_export.py")
    if not out.exists():
        _call(options.salt_python, script, architecture, str(work / "statistics"), str(out), *tasks, **more)
    return out.read_bytes()


def _call(*command: str, **environment: str) -> None:
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=HERE, env={**os.environ, **environment}
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr[-2000:]}")


def _compared(salt: bytes, ours: Mapping[str, Bundle], options: argparse.Namespace) -> dict[str, Any]:
    sessions = {"salt": open_session(salt), **{name: open_session(one.model) for name, one in ours.items()}}
    golden = golden_jets(ours["single"])
    order = _orders(ours["single"])
    per_jet = {}
    for number in CONSTITUENTS:
        jets = jets_with(golden, max(BATCHES), number)
        sides: dict[str, Side] = {"salt": _one_by_one(sessions["salt"], _salt_feeds(jets, order))}
        given = [verify.feeds(ours["single"].manifest, jets, slice(n, n + 1), alone=True)[0] for n in range(JETS)]
        sides["single"] = _one_by_one(sessions["single"], given)
        for batch in BATCHES:
            given = [verify.feeds(ours["batched"].manifest, jets, slice(0, batch), alone=False)[0]]
            sides[f"batched {batch}"] = _one_by_one(sessions["batched"], given, batch)
        per_jet[number] = _alternated(sides, options.rounds, options.seconds)
    many = _feeds(ours["batched"], jets_with(golden, max(BATCHES), TYPICAL), 0, max(BATCHES))
    products = matrix_products(ours["batched"].model, many, max(BATCHES))
    columns = _sample(ours["batched"], options.jets)
    tagger = DeployedTagger(ours["batched"].folder, threads=1)
    counts = columns.counts["tracks"]
    sides = {
        "salt": _one_by_one(sessions["salt"], _salt_feeds_of(columns, order)),
        "batched": lambda: len(tagger.predict_columns(columns)["jets"]) and len(columns),
    }
    throughput = _alternated(sides, options.rounds, 0.0)
    return {
        "microseconds_per_jet": per_jet,
        "products": {"jets": max(BATCHES), "tracks": TYPICAL, **products},
        "sample": {"jets": len(columns), "mean_tracks": float(counts.mean()), "microseconds_per_jet": throughput},
        "bytes": {"salt": len(salt), **{name: len(one.model) for name, one in ours.items()}},
    }


def _orders(bundle: Bundle) -> dict[str, list[int]]:
    """Where Salt's variables stand among ours."""
    names = {one["stream"]: [v["name"] for v in one["variables"]] for one in bundle.manifest["inputs"]}
    wanted = {"jets": JET_VARIABLES, "tracks": TRACK_VARIABLES}
    return {stream: [names[stream].index(name) for name in some] for stream, some in wanted.items()}


def _feeds(bundle: Bundle, jets: Jets, first: int, last: int) -> dict[str, Any]:
    alone = bundle.manifest["profile"] != "batched"
    given: dict[str, Any] = verify.feeds(dict(bundle.manifest), jets, slice(first, last), alone)[0]
    return given


def _salt_feeds(jets: Jets, order: Mapping[str, list[int]]) -> list[dict[str, Any]]:
    given = {name: np.ascontiguousarray(values[..., order[name]]) for name, values in jets.inputs.items()}
    return [
        {"jet_features": given["jets"][n : n + 1], "track_features": np.ascontiguousarray(given["tracks"][n])}
        for n in range(JETS)
    ]


def _salt_feeds_of(columns: Columns, order: Mapping[str, list[int]]) -> list[dict[str, Any]]:
    ends = np.cumsum(columns.counts["tracks"])
    jets = np.ascontiguousarray(columns.inputs["jets"][:, order["jets"]])
    tracks = np.split(np.ascontiguousarray(columns.inputs["tracks"][:, order["tracks"]]), ends[:-1])
    return [{"jet_features": jets[n : n + 1], "track_features": one} for n, one in enumerate(tracks)]


def _sample(bundle: Bundle, number: int) -> Columns:
    sample = Sample("test", [SAMPLES / "test.h5"], bundle.spec, labels=False)
    return next(iter(sample.chunks())).select(slice(number))


def _one_by_one(session: Any, given: list[dict[str, Any]], jets: int = 1) -> Side:
    def run() -> int:
        for one in given:
            session.run(None, one)
        return jets * len(given)

    return run


def _alternated(sides: Mapping[str, Side], rounds: int, seconds: float) -> dict[str, Any]:
    """Microseconds per jet of each side, and how much of Salt's that is, from rounds in which all take turns."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side()  # not counted
    for _ in range(rounds):
        for name, side in sides.items():
            jets, before, end = 0, time.process_time(), time.perf_counter() + seconds
            while True:
                jets += side()
                if time.perf_counter() >= end:
                    break
            times[name].append((time.process_time() - before) * 1e6 / jets)
    found: dict[str, Any] = {}
    for name, some in times.items():
        ratios = [one / other for one, other in zip(some, times["salt"], strict=True)]
        found[name] = {"median": statistics.median(some), "low": min(some), "high": max(some)}
        if name != "salt":
            found[name]["of_salt"] = [statistics.median(ratios), min(ratios), max(ratios)]
    return found


if __name__ == "__main__":
    main()
