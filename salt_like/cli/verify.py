"""`train verify`: is a bundle what was exported, does it say what its run says, and where do they part?"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import table
from salt_like.cli.predict import add_calibration, open_tagger, positive
from salt_like.cli.progress import stages
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.export.interface import Interface
    from salt_like.export.verify import Golden
    from salt_like.loading.tagger import LoadedTagger

Report = Callable[[str], None]

_EPILOG = """\
Runs the installed copy of the verify.py that lies in every bundle, and nothing that lies in this one. Exit code 1: the
bundle is not what was exported, or this runtime, or the run, says something else."""
_DAMAGED = "not done: the bundle cannot be computed with, see above"
_JETS = 4  # with which graphs are compared node by node


def parser() -> command_line.Parser:
    """The options of `train verify`."""
    made = command_line.Parser(
        "verify", "Checks the files of a bundle, and replays its golden jets by name.", epilog=_EPILOG
    )
    made.add_argument("bundle", metavar="BUNDLE", help="folder that `train export` made")
    made.add_argument("--json", action="store_true", help="print the result for programs")
    made.add_argument("--against", metavar="RUN", help="compare with the trained tagger of a run too; needs torch")
    made.add_argument(
        "--bisect",
        action="store_true",
        help="name the first node that parts from a fresh export of RUN, or of the bundle's own weights; needs torch",
    )
    made.add_argument("--ckpt", default="best", metavar="best|last|PATH", help="checkpoint of RUN")
    made.add_argument("--data", action="append", nargs="+", metavar="FILE", help="jets in place of RUN's test data")
    made.add_argument("--jets", type=positive, default=10_000, metavar="N", help="most of them to compare on (10000)")
    add_calibration(made)
    return made


def main(arguments: list[str]) -> int:
    """Verifies.

    Args:
        arguments: What follows `train verify`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments is wrong, there is no bundle, or the run does not fit it.
    """
    options = parser().strict(arguments)
    if options.data and not options.against:
        raise UserError("--data: jets to compare on are for --against RUN")
    from salt_like.export import verify

    folder = Path(options.bundle).expanduser()
    with stages(6 if options.against or options.bisect else 1) as report:
        report("golden jets")
        try:
            result = verify.verify(folder)
        except verify.UnreadableError as error:
            raise UserError(f"{error}\n`train export RUN` makes bundles") from error
        if options.against or options.bisect:
            _compare(result, folder, options, report)
    if options.json:
        print(json.dumps(verify.plain(result), indent=1))
    else:
        print(verify.text(result))
        _show(result)
    return 0 if result["passed"] and result.get("against", {}).get("passed", True) else 1


def _compare(result: dict[str, Any], folder: Path, options: Namespace, report: Report) -> None:
    """Adds ``against`` and ``bisect`` to the result."""
    from salt_like.export import verify

    if "outputs" not in result and not any(one["check"] == "interface" for one in result["failures"]):
        asked = [name for name, wanted in (("against", options.against), ("bisect", options.bisect)) if wanted]
        result.update({name: {"passed": False, "skipped": _DAMAGED} for name in asked})
        return
    from salt_like.export.against import interface_of_bundle, tagger_of_bundle

    manifest = json.loads((folder / verify.MANIFEST).read_text(encoding="utf-8"))
    golden = verify.read_golden(folder / verify.GOLDEN, manifest, verify.Findings())
    options.device = "cpu"
    if options.against:
        report("opening the run")
        tagger = open_tagger(Path(options.against).expanduser(), options)
    else:
        tagger = tagger_of_bundle(folder, manifest)
    interface = interface_of_bundle(manifest, tagger.tagger)
    if options.against:
        result["against"] = _against(result, folder, manifest, golden, tagger, interface, options, report)
    if options.bisect:
        report("exporting again")
        result["bisect"] = _bisect(result, folder, manifest, golden, tagger, interface)


def _against(
    result: Mapping[str, Any],
    folder: Path,
    manifest: Mapping[str, Any],
    golden: Golden,
    tagger: LoadedTagger,
    interface: Interface,
    options: Namespace,
    report: Report,
) -> dict[str, Any]:
    """Graph and trained tagger on golden jets and on test data."""
    from salt_like.cli.export import jets_of
    from salt_like.export.against import differing_facts, golden_columns
    from salt_like.export.parity import parity
    from salt_like.export.replay import Replay
    from salt_like.loading.session import open_session

    found: dict[str, Any] = {"run": str(options.against), "checkpoint": tagger.checkpoint.name}
    if "outputs" not in result:
        return {**found, "passed": False, "skipped": _DAMAGED}
    session, replay = open_session(folder / manifest["graph"]["file"]), Replay(tagger.tagger, interface)
    report("comparing on the golden jets")
    jets = {"golden jets": golden_columns(golden, interface)}
    notes = differing_facts(manifest, tagger)
    try:
        jets["test data"] = jets_of(tagger, options)
    except UserError as error:
        if options.data:
            raise
        first = str(error).splitlines()[0]
        notes.append(f"not compared on test data: {first}; give some with --data FILE")
    compared = {}
    for name, columns in jets.items():
        report(f"comparing on the {name}")
        compared[name] = parity(session, replay, columns, manifest["working_points"])
    passed = all(one["passed"] for one in compared.values())
    return {**found, "passed": passed, "notes": notes, "compared": compared}


def _bisect(
    result: Mapping[str, Any],
    folder: Path,
    manifest: Mapping[str, Any],
    golden: Golden,
    tagger: LoadedTagger,
    interface: Interface,
) -> dict[str, Any]:
    """The first node that parts from a fresh export."""
    from salt_like.export.against import exported_again
    from salt_like.export.parting import bisect, judge_runtime

    model = (folder / manifest["graph"]["file"]).read_bytes()
    feeds = _feeds(result, manifest, golden)
    found = bisect(model, exported_again(tagger.tagger, interface), feeds)
    found["reference"] = (
        "a fresh export of the run" if "against" in result else "a fresh export of the bundle's weights"
    )
    if not found["structure"] and found["first"] is None and not result["passed"]:
        found["runtime"] = judge_runtime(model, feeds)
    return found


def _feeds(result: Mapping[str, Any], manifest: Mapping[str, Any], golden: Golden) -> dict[str, Any]:
    """The jets that differ most, without slots that none of them needs."""
    from salt_like.export import verify

    outputs = sorted(result.get("outputs", {}).values(), key=lambda one: -one["worst"]["used"])
    rows = list(dict.fromkeys(one["worst"]["jet"] for one in outputs))[:_JETS] or [0]
    if manifest["profile"] != "batched":
        return verify.feeds(dict(manifest), golden, rows[:1], True)[0]
    feeds, _ = verify.feeds(dict(manifest), golden, rows, False)
    for one in manifest["inputs"]:
        if one["stream"] in golden.valid:
            used = golden.valid[one["stream"]][rows].any(0).nonzero()[0]
            feeds[one["name"]] = feeds[one["name"]][:, : int(used.max(initial=-1)) + 1]
    return feeds


def _show(result: Mapping[str, Any]) -> None:
    if "against" in result:
        _show_against(result["against"])
    if "bisect" in result:
        print(_bisected(result["bisect"]))


def _show_against(found: Mapping[str, Any]) -> None:
    if "skipped" in found:
        print(f"comparison with the run: {found['skipped']}")
        return
    compared = found["compared"]
    rows = []
    for name in next(iter(compared.values()))["outputs"]:
        ones = [one["outputs"][name] for one in compared.values()]
        cells = [f"{one['differ']} differ" if one["kind"] == "index" else f"{one['largest']:.2g}" for one in ones]
        rows.append([name, ones[0]["kind"], *cells, "ok" if all(one["passed"] for one in ones) else "FAILED"])
    headings = ["output", "kind", *(f"{name} ({one['jets']})" for name, one in compared.items()), ""]
    title = f"largest differences from {found['run']}, {found['checkpoint']}"
    table.show([table.Table(title, headings, rows, frozenset({0, 1, len(headings) - 1}))])
    for name, one in compared.items():
        moved = sum(cut["other_side"] for cut in one["working_points"])
        if moved:
            print(f"FAILED: {len(one['working_points'])} cuts are crossed {moved} times by {name}")
    for note in found["notes"]:
        print(f"note: {note}")
    print("passed: the run says the same" if found["passed"] else "FAILED: the run says something else")


def _bisected(found: Mapping[str, Any]) -> str:
    """The result of a bisection in words."""
    if "skipped" in found:
        return f"bisection: {found['skipped']}"
    lines = [f"bisection against {found['reference']}: {found['compared']} of {found['nodes']} nodes compared"]
    if found["structure"]:
        lines.append(f"the graphs are built otherwise, first at {found['structure']}")
    if found["first"]:
        lines.append(f"values part first at {found['first']['words']}")
        if found["beyond"] is None:
            lines.append("and nowhere by more than rounding")
        elif found["beyond"] != found["first"]:
            lines.append(f"by more than rounding first at {found['beyond']['words']}")
    elif found["compared"]:
        lines.append("no value differs")
    runtime = found.get("runtime")
    if runtime and runtime["beyond"]:
        lines.append(f"this runtime parts from ONNX's reference implementation at {runtime['beyond']['words']}")
    elif runtime and runtime["changed"]:
        lines.append(f"optimisations of this runtime change outputs: {', '.join(runtime['changed'])}")
    elif runtime:
        lines.append("the runtime computes the graph rightly: golden jets or manifest belong to another tagger")
    return "\n".join(lines)
