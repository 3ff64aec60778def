"""Which part may import which."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import salt_like

PACKAGE = Path(salt_like.__file__).parent
# from left to right: a part may import what stands in its own layer or to its left
LAYERS = [
    {"version", "errors", "atomic", "reweighting", "conditioning", "provenance"},
    {"spec", "batch"},
    {"bundle", "blocks", "grouping", "assignment"},
    {"compiled"},
    {"rows"},
    {"sets"},
    {"data", "nn"},
    {"tokenizers", "encoders", "tasks"},
    {"tagger"},
    {"trees", "ensemble"},
    {"training", "callbacks", "evaluation", "checks"},
    {"figures", "tracking"},
    {"simulation"},
    {"loading"},
    {"export"},
    {"report"},
    {"cli"},
]
# lies in every bundle and imports nothing of the package, so that every part may import it
STANDALONE = "salt_like.export.verify"
LIBRARY = {
    "reweighting",
    "conditioning",
    "spec",
    "batch",
    "blocks",
    "grouping",
    "assignment",
    "compiled",
    "rows",
    "sets",
    "nn",
    "tokenizers",
    "encoders",
    "tasks",
    "tagger",
    "errors",
}
LIBRARY_MAY_IMPORT = {
    "torch",
    "torch_geometric",
    "torchmetrics",
    "numpy",
    "scipy",
    "salt_like",
} | sys.stdlib_module_names


def layer(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sources() -> list[Path]:
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent != PACKAGE or path.stem not in {"__init__", "__main__"}
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_the_left(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imported(path):
        pieces = name.split(".")
        if pieces[0] == "salt_like" and len(pieces) > 1 and not f"{name}.".startswith(f"{STANDALONE}."):
            assert layer(pieces[1]) <= layer(part), f"{part} imports {name}"
        if part in LIBRARY:
            assert pieces[0] in LIBRARY_MAY_IMPORT, f"{part} imports {name}"


def test_the_file_that_lies_in_every_bundle_stands_alone():
    path = PACKAGE.parent / f"{STANDALONE.replace('.', '/')}.py"
    assert not [name for name in imported(path) if name.split(".")[0] == "salt_like"]


def test_importing_the_package_imports_no_torch():
    code = "import sys, salt_like, salt_like.cli.main; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_predicts_with_a_bundle_imports_no_torch():
    modules = ["cli.predict", "cli.inspect_bundle", "loading", "loading.deployed", "loading.opening", "loading.session"]
    imports = "; ".join(f"import salt_like.{name}" for name in modules)
    unwanted = {"torch", "lightning", "torchmetrics", "torch_geometric", "onnx", "safetensors"}
    code = f"import sys; {imports}; sys.exit(bool({unwanted!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def project_text() -> str:
    return (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")


def declared(section: str) -> set[str]:
    """Modules of the packages that a list of pyproject.toml names."""
    found = re.search(rf"^{section} = \[(.*?)^\]", project_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return {name.replace("-", "_").lower() for name in re.findall(r'"([A-Za-z0-9_-]+)', found[1])}


def test_everything_that_is_imported_is_declared():
    known = declared("dependencies") | {"salt_like", "yaml", *sys.stdlib_module_names}  # yaml is pyyaml
    engines, boosting = PACKAGE / "simulation/engines.py", PACKAGE / "trees/boosting.py"
    optional = {engines: declared("simulate"), boosting: declared("trees")}
    for path in PACKAGE.rglob("*.py"):
        for name in imported(path):
            assert name.split(".")[0].lower() in known | optional.get(path, set()), f"{path.name} imports {name}"


def test_the_engines_of_the_simulation_are_imported_in_one_file_and_only_when_used():
    engines = declared("simulate")
    assert engines == {"pythia8mc", "fastjet", "awkward"}
    assert not engines & declared("dependencies")
    assert not [line for line in re.findall(r"^.*salt-like\[.*$", project_text(), re.MULTILINE) if "simulate" in line]
    tree = ast.parse((PACKAGE / "simulation/engines.py").read_text(encoding="utf-8"))
    at_import = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert not engines & at_import
    code = (
        "import sys, salt_like.cli.simulate, salt_like.simulation.production\n"
        f"sys.exit(bool({engines | {'torch', 'lightning'}!r} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_packages_of_boosted_trees_are_imported_in_one_file_and_only_when_used():
    assert declared("trees") == {"xgboost", "xgboost_cpu", "onnxmltools"}
    code = "import sys, salt_like.cli.baseline, salt_like.trees.boosting, salt_like.training.checkpoint\n"
    code += "sys.exit(bool({'xgboost', 'onnxmltools'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_seeds_nothing_and_one_file_runs_git():
    modules = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in sources()]
    modules.remove("salt_like.compiled")  # imported by salt_like.rows, where torch is new enough for it
    code = (
        "import importlib, random, jsonargparse, lightning, numpy, torch, torch_geometric, torchmetrics\n"
        "def state(): return torch.get_rng_state().tolist(), str(numpy.random.get_state()), random.getstate()\n"
        "torch.seed(); numpy.random.seed(None); random.seed(); before = state()\n"
        f"[importlib.import_module(name) for name in {modules!r}]\n"
        "assert state() == before"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    starting = [path for path in PACKAGE.rglob("*.py") if "subprocess" in imported(path)]
    assert starting == [PACKAGE / "provenance/code.py"]
