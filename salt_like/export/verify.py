"""Checks a deployment bundle: are the files those that were exported, and does the graph still say what it said?

    python verify.py [BUNDLE] [--json]        without BUNDLE: the folder in which this file lies

Needs Python 3.8 or newer, numpy, h5py and onnxruntime, and nothing of the project that made the bundle: it lies in
every bundle, in one file, and is to work for years. Everything is matched by name, nothing by position.

Exit codes: 0 the bundle is as it was made; 1 it is not, or this runtime computes something else; 2 it cannot be read,
or a package is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

try:
    import h5py
    import numpy as np
    import onnxruntime
except ImportError as missing:
    if __name__ != "__main__":
        raise
    sys.stderr.write(
        f"error: {str(missing).splitlines()[0]}\ninstall what is needed: python -m pip install numpy h5py onnxruntime\n"
        "(onnxruntime older than 1.19 needs 'numpy<2')\n"
    )
    raise SystemExit(2) from None

FORMAT, SCHEMA_VERSION = "salt-like bundle", 1
SUMS, MANIFEST, GOLDEN, METADATA = "SHA256SUMS", "manifest.json", "golden.h5", "salt_like"
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}  # names of the operators that ONNX itself defines
LARGEST = 1e300  # what counts as a finite number
SMALLEST = 1e-30  # probabilities below have logarithms that say nothing
ON_THE_CUT = 1e-5  # cuts are values of jets: what is so near may fall on either side
PAIRS = 200_000  # of constituents in a batch, which are what needs memory
TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
PROFILES = ("batched", "single", "athena")
KINDS = ("probability", "discriminant", "value", "sigma", "embedding", "index")
if TYPE_CHECKING:
    from typing import TypeAlias

Found: TypeAlias = "dict[str, Any]"  # as text, because Python 3.8 cannot write it otherwise

# What stands in a manifest: "text", "number" (finite), "whole" (at least 0), "any", also with "?" for null; a tuple of
# texts for one of them; a list for any number of the same; a dict for keys, of which those with "?" may be missing, and
# "*" stands for all.
VARIABLE = {
    "name": "text",
    "unit": "text",
    "smallest": "number?",
    "largest": "number?",
    "not_measured": "any",
}
INPUT = {
    "name": "text",
    "stream": "text",
    "dtype": ("float32", "bool"),
    "shape": ["axis"],
    "mask?": "text?",
    "variables?": [VARIABLE],
    "selection?": "text?",
    "order_by?": "text?",
    "truncated_to?": "whole?",
    "most_in_training?": "whole",
}
OUTPUT = {
    "name": "text",
    "stream": "text",
    "dtype": ("float32", "int32", "int8"),
    "shape": ["axis"],
    "kind": KINDS,
    "unit": "text",
    "class": "text",
    "classes": ["text"],
    "terms?": [["any"]],
    "column": "text?",
    "meaning": "text",
    "tolerance": {"absolute": "number", "relative": "number", "logarithm?": "number"},
}
MANIFEST_SHAPE: dict[str, Any] = {
    "package_version": "text",
    "model": "text",
    "profile": PROFILES,
    "graph": {
        "file": "text",
        "opset": "whole",
        "ir_version": "whole",
        "operators": {"*": "whole"},
        "oldest_runtime": "text",
    },
    "inputs": [INPUT],
    "outputs": [OUTPUT],
    "tasks": {
        "*": {
            "stream": "text",
            "outputs": ["text"],
            "labels": ["text"],
            "temperature": "number",
            "class_fractions": {"*": "number"},
            "assumed?": ("training", "class weights", "given"),
            "objects?": {"array": "text", "truth": "text", "labels": ["text"]},
        }
    },
    "discriminants": {"*": "any"},
    "working_points": [
        {
            "sample": "text",
            "discriminants": {"*": {"fixed": [{"efficiency": "number", "cuts": ["number"]}]}},
        }
    ],
    "golden": {"jets": "whole", "edge_cases": "whole"},
    "provenance": {"run": "text", "checkpoint": "text", "weights?": "text"},
}


class UnreadableError(Exception):
    """There is no bundle, or nobody may read it."""


class StopError(Exception):
    """Nothing further can be checked."""


class ManifestError(ValueError):
    """A manifest that is none; what is wrong with it, as the end of a sentence that begins with its name."""


class Findings:
    """What was found, in order."""

    def __init__(self) -> None:
        self.failures: list[dict[str, str]] = []
        self.warnings: list[dict[str, str]] = []
        self.facts: Found = {}

    def fail(self, check: str, about: str, message: str) -> None:
        """Something is wrong with a file or an output."""
        self.failures.append({"check": check, "about": about, "message": message})

    def warn(self, check: str, about: str, message: str) -> None:
        """Something is unusual."""
        self.warnings.append({"check": check, "about": about, "message": message})

    def stop_if(self, check: str) -> None:
        """Go no further if one of the checks of a kind failed."""
        if any(one["check"] == check for one in self.failures):
            raise StopError


def verify(folder: Path) -> Found:
    """Check a bundle.

    Args:
        folder: The bundle.

    Returns:
        For JSON: ``passed``, ``failures`` and ``warnings`` (each with ``check``, ``about`` and ``message``),
        ``outputs`` with the worst difference of each, ``working_points``, and facts about bundle and runtime.

    Raises:
        UnreadableError: There is no bundle, or it may not be read.
    """
    if not folder.is_dir():
        raise UnreadableError(f"no such folder: {folder}")
    if not (folder / MANIFEST).exists() and not (folder / SUMS).exists():
        raise UnreadableError(f"not a bundle: {folder}\nthere is neither {MANIFEST} nor {SUMS} in it")
    found = Findings()
    try:
        _check(folder, found)
    except StopError:
        pass
    except OSError as error:
        raise UnreadableError(f"cannot read {error.filename or folder}\nfound: {error.strerror or error}") from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        # parts that fit their hashes and not each other, in a way that nobody thought of: no bundle that works
        found.fail("bundle", folder.name, f"cannot be checked to the end: {type(error).__name__}: {_first_line(error)}")
    return {
        "format": "salt-like verification",
        "bundle": str(folder),
        "passed": not found.failures,
        "runtime": onnxruntime.__version__,
        "numpy": np.__version__,
        "failures": found.failures,
        "warnings": found.warnings,
        **found.facts,
    }


def _check(folder: Path, found: Findings) -> None:
    trusted = check_files(folder, found)
    needed = {MANIFEST, GOLDEN}
    if not needed <= trusted:
        raise StopError  # a damaged file is not opened: it could be anything
    manifest = read_manifest(folder / MANIFEST, found)
    found.facts.update({key: manifest[key] for key in ("model", "profile")})
    name = manifest["graph"]["file"]
    if name not in trusted:
        if name == Path(name).name:
            _must_be_named(folder, name, found)
        else:
            found.fail("manifest", MANIFEST, f"names a graph outside of the bundle: {name}")
        raise StopError
    check_graph((folder / name).read_bytes(), manifest, found)
    check_runtime(manifest, found)
    golden = read_golden(folder / GOLDEN, manifest, found)
    found.facts["jets"] = len(golden.cases)
    session = _session(folder / name, found)
    known = check_interface(session, manifest, found)
    replay(session, [one for one in manifest["outputs"] if one["name"] in known], manifest, golden, found)


# ---------------------------------------------------------------------------------------------------------- files


def check_files(folder: Path, found: Findings) -> set[str]:
    """Compare all files with the list of hashes.

    Returns:
        Names of the files that are what they were.
    """
    if not (folder / SUMS).is_file():
        found.fail("files", SUMS, "is missing: nothing tells what the files should be")
        raise StopError
    wanted, wrong = read_sums((folder / SUMS).read_bytes())
    for number in wrong:
        found.fail("files", SUMS, f"line {number} is no hash of a file in the bundle")
    trusted = set()
    for name in wanted:
        if not (folder / name).is_file():
            found.fail("files", name, "is missing")
        elif hash_of(folder / name) != wanted[name]:
            found.fail("files", name, "was changed: its hash is not the one in " + SUMS)
        else:
            trusted.add(name)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != SUMS and name not in wanted:
            found.warn("files", name, "is no part of the bundle")
    for name in (MANIFEST, GOLDEN):
        if name not in wanted:
            _must_be_named(folder, name, found)
    found.facts["files"] = {"listed": len(wanted), "unchanged": len(trusted)}
    return trusted


def _must_be_named(folder: Path, name: str, found: Findings) -> None:
    if not any(one["about"] == name for one in found.failures):
        found.fail("files", name, f"is not in {SUMS}" if (folder / name).exists() else "is missing")


def read_sums(content: bytes) -> tuple[dict[str, str], dict[int, str]]:
    """Read the list of hashes of a bundle.

    Returns:
        Hash by name of a file, and lines that are none, or of files elsewhere, by their number from 1.
    """
    sums, wrong = {}, {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        match = re.match(r"^([0-9a-fA-F]{64}) [ *](.+)$", line)
        path = Path(match.group(2)) if match else Path(SUMS)
        if match is None or path.is_absolute() or ".." in path.parts or path == Path(SUMS):
            wrong[number] = line
        else:
            sums[match.group(2)] = match.group(1).lower()
    return sums, wrong


def hash_of(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(path: Path, found: Findings) -> Found:
    """The manifest, of a version that this file knows, with all keys that are needed here."""
    try:
        return parse_manifest(path.read_bytes())
    except ManifestError as error:
        found.fail("manifest", MANIFEST, str(error))
        raise StopError from error


def parse_manifest(data: bytes) -> Found:
    """The content of a manifest.

    Raises:
        ManifestError: It is none, of a version that this file does not know, or lacks something.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"is no JSON: {_first_line(error)}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ManifestError(f"is not that of a bundle: its format is not '{FORMAT}'")
    version = content.get("schema_version")
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        known = f"has schema version {_shown(version)}, known here are those up to {SCHEMA_VERSION}"
        raise ManifestError(f"{known}: use the verify.py in the bundle, or a newer package")
    wrong = _unlike(content, MANIFEST_SHAPE, "") or _contradiction(content)
    if wrong:
        raise ManifestError(wrong)
    return dict(content)


def _unlike(value: Any, wanted: Any, where: str) -> str:
    """What is wrong with a part of a manifest, in words; nothing if it is as wanted."""
    if isinstance(wanted, dict):
        return _unlike_keys(value, wanted, where)
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return f"has {_shown(value)} as '{where}', not a list"
        return next(
            (
                wrong
                for place, one in enumerate(value)
                for wrong in [_unlike(one, wanted[0], f"{where}[{place}]")]
                if wrong
            ),
            "",
        )
    if isinstance(wanted, tuple):
        return "" if value in wanted else f"has {_shown(value)} as '{where}', known are: {', '.join(wanted)}"
    if value is None and wanted.endswith("?"):
        return ""
    kind = wanted.rstrip("?")
    is_whole = type(value) is int and 0 <= value < 1 << 63
    fits = {
        "any": True,
        "text": isinstance(value, str),
        "whole": is_whole,
        "axis": is_whole or isinstance(value, str),
        "number": type(value) in (int, float) and abs(value) < LARGEST,
    }[kind]
    words = {"text": "a text", "whole": "a whole number", "axis": "a number or name", "number": "a finite number"}
    return "" if fits else f"has {_shown(value)} as '{where}', not {words[kind]}"


def _unlike_keys(value: Any, wanted: Found, where: str) -> str:
    if not isinstance(value, dict):
        return f"has {_shown(value)} as '{where}', not keys and values"
    pairs = [(key, wanted["*"]) for key in value] if "*" in wanted else [(key, wanted[key]) for key in wanted]
    for key, inner in pairs:
        name = key if "*" in wanted else key.rstrip("?")
        path = f"{where}.{name}" if where else name
        if name in value:
            wrong = _unlike(value[name], inner, path)
            if wrong:
                return wrong
        elif not key.endswith("?"):
            return f"lacks '{path}'"
    return ""


def _contradiction(content: Found) -> str:
    """What cannot be in a manifest although each value alone could."""
    for key in ("inputs", "outputs"):
        names = [one["name"] for one in content[key]]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not names:
            return f"names '{twice[0]}' twice among its {key}" if twice else f"has no {key}"
    for one in content["inputs"]:
        if one["dtype"] == "float32" and one["shape"][-1:] != [len(one.get("variables", ()))]:
            return f"has another number of variables of the input '{one['name']}' than its shape {one['shape']}"
    for one in content["outputs"]:
        if (one["kind"] == "index") != (one["dtype"] != "float32"):
            return f"has the type {one['dtype']} for the output '{one['name']}' of kind {one['kind']}"
        if one["kind"] == "embedding" and not isinstance((one["shape"] or [""])[-1], int):
            return f"does not say how long the vector '{one['name']}' is"
    for one in content["working_points"]:
        for field, cuts in one["discriminants"].items():
            if not all(point["cuts"] for point in cuts["fixed"]):
                return f"has a working point of {field} without a cut"
    return ""


def _shown(value: Any) -> str:
    """A value in few words."""
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:50]}…"


# ---------------------------------------------------------------------------------------------------------- graph


class Model(NamedTuple):
    """What is read from the graph without any package for ONNX.

    Args:
        ir_version: Version of the format.
        opsets: Domain of operators → version.
        operators: How often each operator stands in the graph, in graphs within it and in functions.
        domains: Domains of the operators that are used.
        metadata: Keys and values.
        external: Weights that lie in other files.
        functions: Number of operators that the file defines itself.
    """

    ir_version: int
    opsets: dict[str, int]
    operators: dict[str, int]
    domains: set[str]
    metadata: dict[str, str]
    external: list[str]
    functions: int


def read_model(data: bytes) -> Model:
    """Read an ONNX file: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the numbers of the fields.

    Raises:
        ValueError: It is none.
    """
    made = Model(0, {}, {}, set(), {}, [], 0)
    try:
        for field, value in _fields(memoryview(data)):
            if field == 1:
                made = made._replace(ir_version=int(value))
            elif field == 7:
                _read_graph(value, made)
            elif field == 8:
                one = dict(_fields(value))
                made.opsets[_text(one.get(1, b""))] = int(one.get(2, 0))
            elif field == 14:
                one = dict(_fields(value))
                made.metadata[_text(one.get(1, b""))] = _text(one.get(2, b""))
            elif field == 25:
                made = made._replace(functions=made.functions + 1)
                for part, node in _fields(value):
                    if part == 7:
                        _read_node(node, made)
    except (IndexError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a protocol buffer: {error}") from error
    if not made.operators:
        raise ValueError("no operators in it")
    return made


def _read_graph(data: Any, made: Model) -> None:
    for field, value in _fields(data):
        if field == 5:
            _read_tensor(value, made)
        elif field == 15:  # sparse: tensors of values and of indices
            _read_tensors((1, 2), value, made)
        elif field == 1:
            _read_node(value, made)


def _read_node(data: Any, made: Model) -> None:
    domain = operator = ""
    for part, content in _fields(data):
        if part == 4:
            operator = _text(content)
        elif part == 7:
            domain = _text(content)
        elif part == 5:  # an attribute: its tensors are fields 5 and 10, its graphs 6 and 11
            _read_tensors((5, 10), content, made)
            for inner, graph in _fields(content):
                if inner in (6, 11):
                    _read_graph(graph, made)
    made.operators[operator] = made.operators.get(operator, 0) + 1
    made.domains.add(domain)


def _read_tensors(fields: Sequence[int], data: Any, made: Model) -> None:
    for field, value in _fields(data):
        if field in fields:
            _read_tensor(value, made)


def _read_tensor(data: Any, made: Model) -> None:
    name, external = "", False
    for field, value in _fields(data):
        if field == 8:
            name = _text(value)
        elif field == 13 or (field == 14 and value == 1):
            external = True
    if external:
        made.external.append(name)


def _fields(data: Any) -> Iterator[tuple[int, Any]]:
    """Numbers and values of the fields of a protocol buffer: integers, or bytes that may be another one."""
    place = 0
    while place < len(data):
        key, place = _integer(data, place)
        field, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _integer(data, place)
            yield field, value
            continue
        if kind == 2:
            size, place = _integer(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"not a protocol buffer: a field of kind {kind}")
        if place + size > len(data):
            raise ValueError("the file is cut off")
        yield field, data[place : place + size]
        place += size


def _integer(data: Any, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("not a protocol buffer: a number without end")


def _text(value: Any) -> str:
    return bytes(value).decode("utf-8")


def check_graph(data: bytes, manifest: Found, found: Findings) -> None:
    """Compare what the graph consists of and says of itself with the manifest."""
    said, name = manifest["graph"], manifest["graph"]["file"]
    try:
        model = read_model(data)
    except ValueError as error:
        found.fail("graph", name, f"is no ONNX file: {error}")
        raise StopError from error
    foreign = sorted((model.domains | set(model.opsets)) - DOMAINS)
    if foreign or model.functions:
        found.fail("graph", name, f"has operators that are not ONNX's own: {', '.join(foreign) or 'functions'}")
    if model.external:
        found.fail("graph", name, f"has weights in other files: {', '.join(model.external[:3])}")
    found.stop_if("graph")  # a runtime would look for libraries and files
    opset = max([model.opsets.get(domain, 0) for domain in DOMAINS])
    for what, value, expected in (
        ("opset", opset, said["opset"]),
        ("IR version", model.ir_version, said["ir_version"]),
    ):
        if value != expected:
            found.fail("graph", name, f"{what} {value}, the manifest says {expected}")
    for operator in sorted(set(model.operators) | set(said["operators"])):
        has, expected = model.operators.get(operator, 0), said["operators"].get(operator, 0)
        if has != expected:
            found.fail("graph", name, f"operator {operator} stands {has} times in it, the manifest says {expected}")
    _check_metadata(model.metadata, manifest, found)


def _check_metadata(metadata: dict[str, str], manifest: Found, found: Findings) -> None:
    try:
        own = json.loads(metadata[METADATA])
        keys = ("format", "schema_version", "model", "profile", "inputs", "outputs")
        differ = [key for key in keys if own.get(key) != manifest.get(key)]
    except (KeyError, ValueError, AttributeError):
        differ = ["everything"]
    if differ:
        message = f"its metadata '{METADATA}' is not what the manifest says: {', '.join(differ)}"
        found.fail("metadata", manifest["graph"]["file"], message)
    if manifest["profile"] == "athena":
        try:
            names = json.loads(metadata["gnn_config"])["output_names"]
        except (KeyError, ValueError, TypeError):
            names = None
        if names != [one["name"] for one in manifest["outputs"]]:
            message = "its metadata 'gnn_config' does not name the outputs of the manifest"
            found.fail("metadata", manifest["graph"]["file"], message)


def check_runtime(manifest: Found, found: Findings) -> None:
    """Refuse a runtime that the bundle was never meant for, before it loads anything."""
    oldest = manifest["graph"]["oldest_runtime"]
    if _version(onnxruntime.__version__) < _version(oldest):
        message = f"{onnxruntime.__version__} is too old, needed is {oldest}: python -m pip install -U onnxruntime"
        found.fail("runtime", "onnxruntime", message)
        raise StopError


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


# ------------------------------------------------------------------------------------------------------ golden jets


class Golden(NamedTuple):
    """Golden jets: what is special about each, inputs and masks by stream, outputs by name."""

    cases: list[str]
    inputs: dict[str, Any]
    valid: dict[str, Any]
    single: dict[str, Any]
    double: dict[str, Any]


def read_golden(path: Path, manifest: Found, found: Findings) -> Golden:
    """The golden jets, whole and without NaN where there is something."""
    try:
        with h5py.File(str(path), "r", locking=False) as file:
            cases = [one.decode("utf-8") if isinstance(one, bytes) else str(one) for one in file["case"][:]]
            names = ("inputs", "valid", "float32", "float64")
            groups = [{name: file[group][name][()] for name in file[group]} for group in names]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        found.fail("golden", GOLDEN, f"cannot be read: {error}")
        raise StopError from error
    golden = Golden(cases, *groups)
    number = manifest.get("golden", {}).get("jets", len(cases))
    if not cases or number != len(cases):
        found.fail("golden", GOLDEN, f"holds {len(cases)} jets, the manifest says {number}")
    for one in manifest["inputs"]:
        stream, number = one["stream"], len(cases)
        slots = [golden.valid[stream].shape[1]] if getattr(golden.valid.get(stream), "ndim", 0) == 2 else []
        if one["dtype"] == "bool":
            _check_array(GOLDEN, f"valid/{stream}", golden.valid.get(stream), "bool", [number, None], found)
        else:
            shape = [number, *slots, one["shape"][-1]]
            _check_array(GOLDEN, f"inputs/{stream}", golden.inputs.get(stream), "float32", shape, found)
    for stream in golden.valid:  # which graphs without masks have as well
        _check_array(GOLDEN, f"valid/{stream}", golden.valid[stream], "bool", [len(cases), None], found)
    for name in sorted((set(golden.single) | set(golden.double)) - {one["name"] for one in manifest["outputs"]}):
        found.fail("golden", name, f"stands in {GOLDEN}, and the manifest has no such output")
    found.stop_if("golden")
    for one in manifest["outputs"]:
        valid = golden.valid.get(one["stream"])
        shape = [len(cases), *(() if valid is None else valid.shape[1:]), *(n for n in one["shape"] if type(n) is int)]
        for precision, group in (("float32", golden.single), ("float64", golden.double)):
            dtype = precision if one["dtype"] == "float32" else one["dtype"]
            if _check_array(one["name"], precision, group.get(one["name"]), dtype, shape, found):
                _check_values(one, precision, group[one["name"]], manifest, golden, found)
            else:
                group.pop(one["name"], None)  # nothing can be compared with it
    return golden


def _check_array(about: str, what: str, values: Any, dtype: str, shape: list[Any], found: Findings) -> bool:
    """Whether an array is there, of this type and shape: of another type it would round what is compared with it."""
    if values is None:
        found.fail("golden", about, f"{what} is missing in {GOLDEN}")
    elif not isinstance(values, np.ndarray) or str(values.dtype) != dtype:
        found.fail("golden", about, f"{what} is {getattr(values, 'dtype', values)} in {GOLDEN}, not {dtype}")
    elif values.ndim != len(shape) or any(shape[axis] not in (None, values.shape[axis]) for axis in range(values.ndim)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        found.fail("golden", about, f"{what} has the shape {values.shape} in {GOLDEN}, not ({wanted})")
    else:
        return True
    return False


def _check_values(one: Found, precision: str, values: Any, manifest: Found, golden: Golden, found: Findings) -> None:
    """A golden output says something where there is something, and nothing where there is nothing."""
    nothing = values == -2 if one["kind"] == "index" else np.isnan(values)
    wrong = nothing if one["kind"] == "index" else ~np.isfinite(values)
    valid = golden.valid.get(one["stream"])
    if valid is not None:
        limit = next((i.get("truncated_to") for i in manifest["inputs"] if i["stream"] == one["stream"]), None)
        seen = valid if limit is None else valid & (np.cumsum(valid, 1) <= limit)
        wrong = np.where(seen.reshape(seen.shape + (1,) * (values.ndim - 2)), wrong, ~nothing)
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))
    if len(rows):
        message = f"{precision} is NaN, infinite or out of place in {GOLDEN} for {_jets(golden, rows)}"
        found.fail("golden", one["name"], message)


def _jets(golden: Golden, rows: Any) -> str:
    some = ", ".join(f"{row} ({golden.cases[row]})" for row in rows[:3])
    return f"jet {some}" if len(rows) == 1 else f"{len(rows)} jets: {some}{', …' if len(rows) > 3 else ''}"


# ----------------------------------------------------------------------------------------------------------- replay


def _session(path: Path, found: Findings) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no common base
        found.fail("graph", path.name, f"onnxruntime {onnxruntime.__version__} cannot load it: {_first_line(error)}")
        raise StopError from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def check_interface(session: Any, manifest: Found, found: Findings) -> set[str]:
    """Compare names, types and shapes of the session with the manifest.

    Returns:
        Names of the outputs that are right.
    """
    known = set()
    for what, has, wanted in (
        ("input", session.get_inputs(), manifest["inputs"]),
        ("output", session.get_outputs(), manifest["outputs"]),
    ):
        by_name = {one.name: one for one in has}
        for name in sorted(set(by_name) - {one["name"] for one in wanted}):
            found.fail("interface", name, f"the graph has this {what}, the manifest has not")
        for one in wanted:
            name = one["name"]
            if name not in by_name:
                found.fail("interface", name, f"the graph has no such {what}; it has: {', '.join(sorted(by_name))}")
                continue
            dtype = TYPES.get(by_name[name].type, by_name[name].type)
            shape, expected = list(by_name[name].shape), one["shape"]
            fixed = [size for size in range(len(expected)) if isinstance(expected[size], int)]
            if dtype != one["dtype"]:
                found.fail("interface", name, f"the graph has the type {dtype}, the manifest says {one['dtype']}")
            elif len(shape) != len(expected) or any(shape[axis] != expected[axis] for axis in fixed):
                found.fail("interface", name, f"the graph has the shape {shape}, the manifest says {expected}")
            elif what == "output":
                known.add(name)
    if any(one["name"] == wrong["about"] for one in manifest["inputs"] for wrong in found.failures):
        raise StopError  # nothing can be computed
    return known


def replay(session: Any, outputs: Sequence[Found], manifest: Found, golden: Golden, found: Findings) -> None:
    """Compute the golden jets one by one, and together where the graph takes many, and compare by name."""
    outputs = [one for one in outputs if one["name"] in golden.single and one["name"] in golden.double]
    together = manifest["profile"] == "batched"
    routes = {"one by one": [[row] for row in range(len(golden.cases))]}
    if together:
        rows, longest = list(range(len(golden.cases))), max([one.shape[1] for one in golden.valid.values()] or [0])
        size = max(1, min(64, PAIRS // (longest + 1) ** 2))
        routes["batched"] = [rows[start : start + size] for start in range(0, len(rows), size)]
    results: dict[str, dict[str, Any]] = {}
    for route in routes:
        results[route] = {one["name"]: np.full_like(golden.single[one["name"]], absent(one)) for one in outputs}
        for some in routes[route]:
            try:
                _run(session, manifest, outputs, golden, some, route == "one by one", results[route])
            except Exception as error:  # as above; and arrays of another shape than expected
                message = f"cannot be computed for {_jets(golden, some)}, {route}: {_first_line(error)}"
                about = error.args[1] if isinstance(error, _ShapeError) else manifest["graph"]["file"]
                found.fail("replay", about, message)
                raise StopError from error
    found.facts["outputs"] = {one["name"]: _compared(one, results, golden, found) for one in outputs}
    found.facts["working_points"] = _working_points(manifest, results, golden, found)


class _ShapeError(ValueError):
    """An output has another shape than the golden one; its name is the second argument."""


def absent(one: Found) -> float:
    """What an output of constituents says where there is none."""
    return -2 if one["kind"] == "index" else float("nan")


def feeds(manifest: Found, golden: Any, rows: Any, alone: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the graph is given for some jets.

    Args:
        manifest: The manifest.
        golden: The golden jets, or others with ``inputs`` and ``valid`` like theirs.
        rows: Numbers of them, or a slice; one if they are fed alone.
        alone: Without any slot that holds no constituent, which is the only way in for graphs without masks.

    Returns:
        Input → array, and stream → slots that are given.
    """
    given, slots = {}, {}
    for stream in golden.valid:
        valid = golden.valid[stream][rows]
        slots[stream] = np.flatnonzero(valid[0]) if alone else np.arange(valid.shape[1])
    for one in manifest["inputs"]:
        is_mask = one["dtype"] == "bool"
        values = (golden.valid if is_mask else golden.inputs)[one["stream"]][rows]
        if one["stream"] in slots:
            values = values[:, slots[one["stream"]]]
            values = values if manifest["profile"] == "batched" else values[0]
        given[one["name"]] = np.ascontiguousarray(values)
    return given, slots


def _run(
    session: Any,
    manifest: Found,
    outputs: Sequence[Found],
    golden: Golden,
    rows: Sequence[int],
    alone: bool,
    results: dict[str, Any],
) -> None:
    given, slots = feeds(manifest, golden, rows, alone)
    names = [one["name"] for one in outputs]
    said = session.run(names, given)
    for place, one in enumerate(outputs):
        values = said[place] if manifest["profile"] == "batched" else np.asarray(said[place])[None]
        target = results[one["name"]]
        part = target[rows][:, slots[one["stream"]]] if one["stream"] in slots else target[rows]
        if values.shape != part.shape:
            raise _ShapeError(f"its shape is {values.shape}, not {part.shape}", one["name"])
        if one["stream"] in slots:
            target[np.ix_(rows, slots[one["stream"]])] = values
        else:
            target[rows] = values


def _compared(one: Found, results: dict[str, dict[str, Any]], golden: Golden, found: Findings) -> Found:
    name = one["name"]
    expected, double = golden.single[name], golden.double[name]
    routes = {route: difference(one, expected, results[route][name]) for route in results}
    worst = max(routes, key=lambda route: float(routes[route]["used"]))
    for route in routes:
        if not routes[route]["passed"]:
            found.fail("replay", name, f"{describe(routes[route])} ({route}, jet {_jet(golden, routes[route]['jet'])})")
    if len(routes) > 1:
        apart = difference(one, results["one by one"][name], results["batched"][name])
        if not apart["passed"]:
            where = f"one by one against batched, jet {_jet(golden, apart['jet'])}"
            found.fail("replay", name, f"{describe(apart)} ({where})")
        routes["one by one against batched"] = apart
    if one["kind"] == "index":
        from_double = float((results[worst][name] != double).sum())
    else:
        change = np.abs(results[worst][name].astype(np.float64) - double)
        from_double = float(np.max(change[np.isfinite(change)], initial=0.0))
    return {
        "kind": one["kind"],
        "tolerance": one["tolerance"],
        "passed": all(routes[route]["passed"] for route in routes),
        "worst": {**routes[worst], "route": worst, "case": golden.cases[routes[worst]["jet"]]},
        "routes": routes,
        "from_float64": from_double,
    }


def _jet(golden: Golden, row: int) -> str:
    return f"{row}: {golden.cases[row]}"


def difference(one: Found, expected: Any, values: Any) -> Found:
    """The worst difference of an output from what is expected, against its tolerance.

    Args:
        one: The output in the manifest.
        expected: ``(n, ...)``.
        values: The same shape.

    Returns:
        ``difference`` and what is ``allowed`` there, the largest difference of ``logarithm`` where there is a
        tolerance for it, ``used`` of the tolerance, the ``jet``, how many ``places`` say something where nothing is
        expected or the other way round, and whether it ``passed``. For indices ``difference`` is the number of those
        that are not equal.
    """
    size = len(expected)
    if one["kind"] == "index":
        differ = (expected != values).reshape(size, -1)
        number = int(differ.sum())
        places = int(((expected == -2) != (values == -2)).sum())
        jet = int(np.argmax(differ.any(1)))
        return _row(number, 0.0, None, float(number), jet, places, number == 0)
    x, y = (array.reshape(size, -1) for array in (expected, values))
    found = apart(one["tolerance"], x, y)
    if not found.used.size:  # no slot for any constituent
        return _row(0.0, 0.0, None, 0.0, 0, 0, True)
    at = np.unravel_index(int(np.argmax(found.used)), found.used.shape)
    log = None if found.logarithm is None else float(found.logarithm.max())
    misplaced = int((np.isnan(x) != np.isnan(y)).sum())
    worst = float(found.used[at])
    return _row(float(found.change[at]), float(found.allowed[at]), log, worst, int(at[0]), misplaced, worst <= 1)


class Apart(NamedTuple):
    """How far values are from others, value by value.

    Args:
        change: The difference; 0 where both are NaN or the same infinity, infinite where only one of them is a number.
        allowed: What is allowed of it.
        logarithm: Difference of the logarithms, where there is a tolerance for it; 0 for what is as good as zero.
        used: How many tolerances all of it is; within them up to 1.
    """

    change: Any
    allowed: Any
    logarithm: Any
    used: Any


def apart(tolerance: Found, expected: Any, values: Any) -> Apart:
    """Differences against ``absolute`` + ``relative`` · |expected|, and those of the ``logarithm`` where that is given.

    Args:
        tolerance: The tolerance.
        expected: Real numbers.
        values: The same shape.
    """
    x, y = np.asarray(expected, np.float64), np.asarray(values, np.float64)
    with np.errstate(all="ignore"):
        equal = (x == y) | (np.isnan(x) & np.isnan(y))
        change = np.where(equal, 0.0, np.abs(y - x))
        change = np.where(np.isnan(change), np.inf, change)
        allowed = np.broadcast_to(tolerance["absolute"] + tolerance["relative"] * np.nan_to_num(np.abs(x)), x.shape)
        used = np.where(change == 0, 0.0, change / allowed)
        if "logarithm" not in tolerance:
            return Apart(change, allowed, None, used)
        logs = np.where((x > SMALLEST) & ~equal, np.abs(np.log(np.maximum(y, 0.0)) - np.log(x)), 0.0)
        logs = np.where(np.isnan(logs), np.inf, logs)
        return Apart(change, allowed, logs, np.maximum(used, np.where(logs == 0, 0.0, logs / tolerance["logarithm"])))


def _row(change: float, allowed: float, log: Any, used: float, jet: int, places: int, passed: bool) -> Found:
    return {
        "difference": change,
        "allowed": allowed,
        **({} if log is None else {"logarithm": log}),
        "used": used,
        "jet": jet,
        "places": places,
        "passed": bool(passed),
    }


def describe(one: Found) -> str:
    """A difference in words."""
    if one["places"]:
        return f"has NaN (indices: -2) where something is expected, or the other way round, in {one['places']} places"
    if isinstance(one["difference"], int):
        return f"{one['difference']} indices differ"
    if one["difference"] <= one["allowed"]:
        return f"the logarithm differs by {one['logarithm']:.2g}"
    return f"differs by {one['difference']:.2g}, allowed is {one['allowed']:.2g}"


def crossing(cut: float, expected: Any, values: Any) -> tuple[Any, Any]:
    """Jets that values put on another side of a cut, and jets that are so near to it that nobody can tell."""
    near = np.abs(expected - cut) <= ON_THE_CUT * (1 + abs(cut))
    return ((values >= cut) != (expected >= cut)) & ~near, near


def _working_points(
    manifest: Found, results: dict[str, dict[str, Any]], golden: Golden, found: Findings
) -> list[Found]:
    """Golden jets on another side of a fixed cut; jets that lie on the cut itself are counted, not judged."""
    names = {one.get("column"): one["name"] for one in manifest["outputs"] if one["kind"] == "discriminant"}
    sides = []
    for stored in manifest.get("working_points", []):
        for field in sorted(stored["discriminants"]):
            name = names.get(f"{manifest['model']}_{field}")
            if name is None or any(name not in results[route] for route in results):
                continue
            for point in stored["discriminants"][field]["fixed"]:
                cut = float(point["cuts"][0])
                expected = golden.single[name].astype(np.float64)
                moved = np.zeros(len(expected), bool)
                for route in results:
                    crossed, near = crossing(cut, expected, results[route][name])
                    moved |= crossed
                one = {"discriminant": name, "sample": stored["sample"], "efficiency": point["efficiency"], "cut": cut}
                sides.append({**one, "other_side": int(moved.sum()), "on_the_cut": int(near.sum())})
                if moved.any():
                    where = f"the cut {cut:.6g} of efficiency {point['efficiency']:.0%}"
                    message = f"another side of {where}: {_jets(golden, np.flatnonzero(moved))}"
                    found.fail("working points", name, message)
    return sides


# ----------------------------------------------------------------------------------------------------------- report


def text(result: Found) -> str:
    """The result for people."""
    lines = [f"bundle: {result['bundle']}"]
    if "model" in result:
        lines.append(f"model: {result['model']}, profile {result['profile']}")
    lines.append(f"runtime: onnxruntime {result['runtime']}, numpy {result['numpy']}")
    if "files" in result:
        lines.append(f"files: {result['files']['unchanged']} of {result['files']['listed']} are what was exported")
    if result.get("outputs"):
        batched = result["profile"] == "batched"
        lines += [f"golden jets: {result['jets']}, one by one{' and batched' if batched else ''}", ""]
        lines += [*_table(result["outputs"]), ""]
    points = result.get("working_points")
    if points:
        moved, on = sum(one["other_side"] for one in points), sum(one["on_the_cut"] for one in points)
        lines.append(f"working points: {len(points)} cuts, crossed {moved} times; {on} jets are exactly on one")
    lines += [f"warning: {one['about']} {one['message']}" for one in result["warnings"]]
    lines += [f"FAILED ({one['check']}): {one['about']}: {one['message']}" for one in result["failures"]]
    if result["passed"]:
        lines.append("passed: the bundle is what was exported, and this runtime says what the trained tagger said")
    else:
        lines.append(f"FAILED: {len(result['failures'])} findings; do not use this bundle with this runtime")
    return "\n".join(lines)


def _table(outputs: dict[str, Found]) -> list[str]:
    rows = [("output", "difference", "allowed", "of ln", "apart", "from float64", "worst jet", "")]
    for name in outputs:
        one = outputs[name]
        worst, apart = one["worst"], one["routes"].get("one by one against batched")
        rows.append(
            (
                name,
                _short(worst["difference"]),
                _short(worst["allowed"]),
                _short(worst["logarithm"]) if "logarithm" in worst else "",
                _short(apart["difference"]) if apart else "",
                _short(one["from_float64"]),
                f"{worst['jet']}: {worst['case']}" if worst["used"] else "",
                "ok" if one["passed"] else "FAILED",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    left = {0, len(rows[0]) - 2, len(rows[0]) - 1}
    return [
        "  "
        + "  ".join(
            row[column].ljust(widths[column]) if column in left else row[column].rjust(widths[column])
            for column in range(len(row))
        ).rstrip()
        for row in rows
    ]


def _short(value: float) -> str:
    return f"{value:.2g}" if value else "0"


def plain(value: Any) -> Any:
    """For JSON, which has no infinity."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def main(arguments: Any = None) -> int:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(prog="verify.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", help="folder; by default the one of this file")
    parser.add_argument("--json", action="store_true", help="print the result for programs")
    options = parser.parse_args(arguments)
    folder = Path(options.bundle) if options.bundle else Path(__file__).resolve().parent
    try:
        result = verify(folder)
    except UnreadableError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write((json.dumps(plain(result), indent=1) if options.json else text(result)) + "\n")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
