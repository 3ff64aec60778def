"""Times our loader or our training on a large file, once, and prints one line of JSON.

    python larger_than_memory_worker.py CONFIG SECONDS [FOLDER]

With FOLDER it times nothing: it makes the packed copy and prints its folder.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import our_worker
import process_usage
from worker_config import WorkerConfig


def main() -> None:
    """Do what the command line says."""
    config, seconds = WorkerConfig.from_json(sys.argv[1]), float(sys.argv[2])
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        answer = measure(config, seconds)
    print(json.dumps(answer), file=answers, flush=True)


def measure(config: WorkerConfig, seconds: float) -> dict[str, Any]:
    """Jets, seconds and bytes read from the disk of so many seconds, or one epoch of the loader if that takes longer.

    Returns:
        What was measured; for no seconds, the folder of the packed copy.
    """
    subject = our_worker.build(config)
    loader: Any = subject.loader
    folder = str(loader.steps.columns.folder)
    if seconds == 0:
        return {"folder": folder}
    process_usage.reset_peak()
    jets, steps, waited, bytes_before = 0, 0, 0.0, _bytes_read()
    start, cpu = time.perf_counter(), process_usage.cpu_seconds()
    batches = iter(loader)
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            continue
        waited += time.perf_counter() - asked
        if config.mode == "train":
            subject.clear()
            subject.loss(batch).backward()
            subject.update()
        jets, steps = jets + batch.size, steps + 1
        if time.perf_counter() - start > seconds and (config.mode == "train" or steps >= len(loader)):
            break
    taken = time.perf_counter() - start
    answer = {
        "jets": jets,
        "seconds": taken,
        "jets_per_second": jets / taken,
        "cpu_seconds": process_usage.cpu_seconds() - cpu,
        "share_waiting_for_data": waited / taken,
        "read_mb": (_bytes_read() - bytes_before) / 1e6,
        "peak_mb": process_usage.peak_mb(),
    }
    loader.close()
    return answer


def _bytes_read() -> int:
    """Bytes that this process has fetched from the disk; those of worker processes are not among them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


if __name__ == "__main__":
    main()
