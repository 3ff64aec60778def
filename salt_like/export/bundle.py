"""The folder of a deployed tagger: written completely or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file

from salt_like.bundle import SUMS, refuse_inside, sums_text
from salt_like.data.columns import Columns
from salt_like.errors import UserError
from salt_like.export import card, verify
from salt_like.export.golden import Golden, make_golden
from salt_like.export.golden_text import golden_text
from salt_like.export.graph import Graph
from salt_like.export.interface import Interface
from salt_like.export.manifest import Facts, manifest, metadata
from salt_like.export.onnx_file import operators, to_onnx
from salt_like.export.parity import parity
from salt_like.export.replay import Replay
from salt_like.export.session import open_session
from salt_like.loading.tagger import LoadedTagger

VERIFIER = Path(verify.__file__)
CPP = [Path(__file__).parent / "cpp" / name for name in ("tagger_session.hpp", "check.cpp", "CMakeLists.txt")]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Sources:
    """What a bundle is made of besides the tagger and its interface.

    Args:
        jets: Test data of the run: golden jets are drawn from it, and graph and tagger compared on it.
        working_points: Cuts of the run, as `train test` stored them.
        metrics: Metrics of the run by sample, as `train test` stored them.
        provenance: Where the tagger comes from.
    """

    jets: Columns
    working_points: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Any]


def write_bundle(
    folder: Path,
    tagger: LoadedTagger,
    interface: Interface,
    sources: Sources,
    report: Report = lambda _: None,
    finish: Callable[[Path], None] = lambda _: None,
) -> dict[str, Any]:
    """Export a tagger, compare the graph with it, and write the folder.

    Args:
        folder: The bundle, which must not exist.
        tagger: The tagger, on the CPU.
        interface: What goes in and comes out.
        sources: All else.
        report: Called with what is being done.
        finish: Called with the folder when it is complete and has passed its verification, before it has its name.

    Returns:
        What the comparison found.

    Raises:
        UserError: The folder exists or cannot be written, the model cannot be exported, or graph and tagger do not
            agree.
    """
    with _folder(folder) as made:  # before all that takes long
        report("golden jets")
        golden = make_golden(tagger.tagger, interface, sources.jets)
        _refuse_nan(golden, interface)
        report("exporting the graph")
        graph = Graph(tagger.tagger, interface).eval()
        facts = _facts(golden, sources)
        # operators are known only after the export, and are no part of what the graph says of itself
        model = to_onnx(graph, metadata(interface, manifest(tagger, interface, facts)))
        described = manifest(tagger, interface, _facts(golden, sources, operators(model)))
        report("comparing with the trained tagger")
        session = open_session(model)
        compared = parity(session, Replay(tagger.tagger, interface), sources.jets, sources.working_points)
        if not compared["passed"]:
            raise UserError(_disagreement(compared))
        report("writing")
        (made / "model.onnx").write_bytes(model)
        _json(made / "manifest.json", described)
        _json(made / "parity.json", compared)
        golden.write(made / "golden.h5")
        (made / "golden.txt").write_text(golden_text(golden, described), encoding="utf-8")
        _sources_of_truth(made, tagger)
        for source in (VERIFIER, *CPP):
            shutil.copyfile(source, made / source.name)
        for path in made.iterdir():
            path.chmod(0o644)  # the writer of the weights lets nobody else read them
        (made / "README.md").write_text(card.text(described, compared, sources.metrics), encoding="utf-8")
        write_sums(made)
        report("replaying the golden jets")
        _prove(made)
        finish(made)
    return compared


def _prove(folder: Path) -> None:
    """The bundle passes its own verification, before it gets its name."""
    result = verify.verify(folder)
    if not result["passed"]:
        said = [f"{one['about']}: {one['message']}".splitlines()[0] for one in result["failures"]]
        raise UserError("\n".join(["the bundle does not pass its own verification, nothing is written", *said[:4]]))


def refuse_existing(folder: Path) -> None:
    """Refuse to write over something, or into a bundle, which would no longer be what its hashes say.

    Raises:
        UserError: There is something, or it would be inside of a bundle.
    """
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists already, and is not overwritten\ngive another folder to --out")
    refuse_inside(folder)


def write_sums(folder: Path) -> None:
    """Write the hashes of all files of a bundle, as `sha256sum -c` reads them."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != SUMS]
    sums = {path.relative_to(folder).as_posix(): verify.hash_of(path) for path in files}
    (folder / SUMS).write_text(sums_text(sums), encoding="utf-8")


def _facts(golden: Golden, sources: Sources, found: Mapping[str, int] | None = None) -> Facts:
    drawn = sum(case == "data" for case in golden.cases)
    counted = {"jets": len(golden.cases), "edge_cases": len(golden.cases) - drawn, "left_out": golden.left_out}
    return Facts(found or {}, counted, sources.working_points, sources.provenance)


def _sources_of_truth(folder: Path, tagger: LoadedTagger) -> None:
    """What a future exporter needs: weights, configuration of the model, description of the data."""
    state = {name: value.detach().clone().contiguous() for name, value in tagger.tagger.state_dict().items()}
    save_file(state, folder / "weights.safetensors", {"model": tagger.name})
    config = {"name": tagger.name, "model": tagger.config, "inputs": tagger.data.get("inputs")}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    _json(folder / "spec.json", tagger.spec.to_dict())


def _refuse_nan(golden: Golden, interface: Interface) -> None:
    for one in interface.outputs:
        values = golden.single[one.name]
        valid = golden.valid.get(one.stream)
        limit = next((i.truncated_to for i in interface.inputs if i.stream == one.stream and not i.is_mask), None)
        if valid is not None:
            seen = valid if limit is None else valid & (valid.cumsum(1) <= limit)
            values = values[seen]
        if one.kind != "index" and not _finite(values):
            raise UserError(
                f"the tagger's output '{one.name}' is no finite number for one of the golden jets\n"
                "a tagger that can say NaN is not exported: look at its training"
            )


def _finite(values: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(values).all())


def _disagreement(compared: Mapping[str, Any]) -> str:
    wrong = [name for name, one in compared["outputs"].items() if not one["passed"]]
    moved = [one for one in compared["working_points"] if one["other_side"]]
    lines = [
        f"the exported graph does not agree with the trained tagger on {compared['jets']} jets, nothing is written"
    ]
    if wrong:
        worst = compared["outputs"][wrong[0]]
        how = f"differs by {worst['largest']:.2g}" if "largest" in worst else f"{worst['differ_though_decided']} differ"
        lines.append(f"outputs: {', '.join(wrong[:5])} ({wrong[0]}: {how})")
    if moved:
        one = moved[0]
        lines.append(
            f"{one['other_side']} jets change side at the cut of {one['discriminant']} {one['efficiency']:.0%}"
        )
    return "\n".join(lines)


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the name when the block ends well; nothing is left behind when it does not."""
    refuse_existing(folder)
    missing = [one for one in folder.parents if not one.exists()]
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    except OSError as error:
        _remove_empty(missing)
        raise UserError(
            f"{folder} cannot be written: {error.strerror}\nfound at: {error.filename}\ngive another folder to --out"
        ) from error
    try:
        yield temporary
        refuse_existing(folder)  # someone may have been faster
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(missing)
        raise


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that were made for nothing, from the innermost on."""
    with contextlib.suppress(OSError):
        for one in folders:
            one.rmdir()
