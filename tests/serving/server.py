"""A real Triton server with a folder of models, on the ports of this machine that are free."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

import numpy as np

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("SERVING_VENV", HERE.parent.parent / ".venv-serving")).absolute()
NEEDED = (2, 35)
PATIENCE = 120


def why_not() -> str:
    """Why no server can be started here; empty where one can."""
    if (FOLDER / "why-not").is_file():
        return (FOLDER / "why-not").read_text().strip()
    if not (FOLDER / "installed").is_file():
        return f"no environment for Triton in {FOLDER}: make test-serving"
    name, version = platform.libc_ver()
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < NEEDED:
        return f"the server needs glibc {'.'.join(map(str, NEEDED))}, here is {name} {version}"
    library = shared_library()
    return "" if library.is_file() else f"the server needs Python's shared library, there is no {library}"


def python(*arguments: object) -> str:
    """What a command of the environment's Python prints."""
    command = [str(FOLDER / "bin" / "python"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def shared_library() -> Path:
    """Python as a library, which the server's Python backend is linked to."""
    code = "import sysconfig as s; print(s.get_config_var('LIBDIR'), s.get_config_var('INSTSONAME'), sep='/')"
    return Path(python("-c", code))


class Server:
    """The server of nvidia-pytriton, with the stand-in for the backend of ONNX Runtime.

    Args:
        models: The model repository.
        log: File for what the server prints.
    """

    def __init__(self, models: Path, log: Path) -> None:
        self.models = models
        self.log = log
        self.http, self.grpc = _free_ports(2)

    def __enter__(self) -> Server:
        code = "import sysconfig as s; print(s.get_python_version(), s.get_paths()['purelib'])"
        version, packages = python("-c", code).split(maxsplit=1)
        triton = Path(packages) / "pytriton" / "tritonserver"
        stub = "triton_python_backend_stub"
        _install(triton / "python_backend_stubs" / version / stub, triton / "backends" / "python" / stub)
        _install(HERE / "standin_backend.py", triton / "backends" / "onnxruntime" / "model.py")
        environment = {
            **os.environ,
            "PATH": f"{FOLDER / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "LD_LIBRARY_PATH": str(shared_library().parent),
        }
        command = [
            str(triton / "bin" / "tritonserver"),
            f"--model-repository={self.models}",
            f"--backend-directory={triton / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name=serving{os.getpid()}",
            "--model-control-mode=explicit",
            "--load-model=*",
            "--http-address=127.0.0.1",
            f"--http-port={self.http}",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={self.grpc}",
            "--allow-metrics=false",
        ]
        with self.log.open("w") as file:
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path: str, post: bool = False) -> object:
        """What the server says of itself.

        Args:
            path: Below `/v2/`.
            post: Ask it to do something.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/v2/{path}", data=b"" if post else None, method="POST" if post else "GET"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def ask(self, requests: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
        """Send requests, as `ask.py` describes them.

        Args:
            requests: Arrays by case, model, version and input.
            folder: Where arrays are left for the client.
        """
        folder.mkdir()
        np.savez(folder / "requests.npz", **requests)
        urls = [f"127.0.0.1:{self.http}", f"127.0.0.1:{self.grpc}"]
        python(HERE / "ask.py", *urls, folder / "requests.npz", folder / "answers.npz")
        with np.load(folder / "answers.npz") as answers:
            return dict(answers)

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.get("health/ready")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        raise RuntimeError("the server does not start\n" + self.log.read_text()[-5000:])


def _install(source: Path, target: Path) -> None:
    """Put a file in the place of one that another server may be executing."""
    target.parent.mkdir(exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copy(source, temporary)
    os.replace(temporary, target)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
