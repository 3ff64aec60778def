"""Asks a server over HTTP and gRPC with Triton's own client; runs in the environment of the server.

    python ask.py HTTP GRPC REQUESTS.npz ANSWERS.npz

Requests are arrays `CASE|MODEL|VERSION|INPUT`, answers `PROTOCOL|CASE|OUTPUT`, with the version that answered as output
`version`. Requests whose case begins with `together` are sent over gRPC all at once, before any is answered.
"""

from __future__ import annotations

import queue
import sys

import numpy as np
import tritonclient.grpc
import tritonclient.http

TYPES = {"float32": "FP32", "bool": "BOOL"}


def grouped(requests):
    cases = {}
    for key in requests.files:
        case, model, version, name = key.split("|")
        cases.setdefault((case, model, version), {})[name] = requests[key]
    return cases


def inputs(library, arrays):
    found = []
    for name, values in arrays.items():
        one = library.InferInput(name, list(values.shape), TYPES[str(values.dtype)])
        one.set_data_from_numpy(values)
        found.append(one)
    return found


def collect(answers, protocol, case, names, version, result):
    for name in names:
        answers[f"{protocol}|{case}|{name}"] = result.as_numpy(name)
    answers[f"{protocol}|{case}|version"] = np.array(int(version))


def main(http_url, grpc_url, requests, answers_path):
    cases = grouped(np.load(requests))
    answers = {}
    http = tritonclient.http.InferenceServerClient(http_url)
    grpc = tritonclient.grpc.InferenceServerClient(grpc_url)
    for (case, model, version), arrays in cases.items():
        if case.startswith("together"):
            continue
        result = http.infer(model, inputs(tritonclient.http, arrays), model_version=version)
        said = result.get_response()
        collect(answers, "http", case, [one["name"] for one in said["outputs"]], said["model_version"], result)
        result = grpc.infer(model, inputs(tritonclient.grpc, arrays), model_version=version)
        said = result.get_response()
        collect(answers, "grpc", case, [one.name for one in said.outputs], said.model_version, result)
    together = {key: arrays for key, arrays in cases.items() if key[0].startswith("together")}
    done = queue.Queue()
    for (case, model, version), arrays in together.items():
        grpc.async_infer(
            model,
            inputs(tritonclient.grpc, arrays),
            lambda result, error, case=case: done.put((case, result, error)),
            model_version=version,
        )
    for _ in together:
        case, result, error = done.get(timeout=60)
        if error is not None:
            raise error
        said = result.get_response()
        collect(answers, "grpc", case, [one.name for one in said.outputs], said.model_version, result)
    np.savez(answers_path, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
