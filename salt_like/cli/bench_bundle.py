"""`train bench` of a bundle: time per jet of its graph, memory and size."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_like.bundle import refuse_inside
from salt_like.cli import table
from salt_like.cli.bench import BUNDLE_SECONDS
from salt_like.cli.differences import figure_path
from salt_like.cli.progress import progress
from salt_like.export.latency import measure
from salt_like.export.latency_written import MIB, cell, write_latency


def main(options: Namespace) -> int:
    """Measures, shows and writes.

    Args:
        options: The arguments.

    Returns:
        The exit code.

    Raises:
        UserError: The bundle is damaged, or something in the arguments is wrong.
    """
    folder = Path(options.what).expanduser()
    figure = figure_path(options)
    for place in (options.json, figure):
        if place:
            refuse_inside(Path(place).absolute())
    with progress("timing") as report:
        found = measure(folder, options.seconds or BUNDLE_SECONDS, report)
    table.show(_parts(found))
    if options.json:
        from salt_like.atomic import write_atomically

        with write_atomically(Path(options.json)) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"numbers: {options.json}")
    if figure:
        from salt_like.figures.latency import latency
        from salt_like.figures.style import save

        save(latency(found), figure)
        print(f"figure: {figure}")
    if options.write:
        write_latency(folder, found)
        print(f"written into the model card: {folder / 'README.md'}")
    return 0


def _parts(found: Mapping[str, Any]) -> list[table.Table | str]:
    """What is printed."""
    machine, sizes = found["machine"], found["bytes"]
    parts: list[table.Table | str] = [
        f"{found['model']}, profile {found['profile']}: graph {sizes['graph'] / MIB:.1f} MB, bundle "
        f"{sizes['bundle'] / MIB:.1f} MB, opened in {found['loading_seconds']:.2f} s\n"
        f"onnxruntime {machine['onnxruntime']}, {machine['processor']}, {machine['cores']} cores"
    ]
    for threads in sorted({one["threads"] for one in found["points"]}):
        own = {(one["batch"], one["constituents"]): one for one in found["points"] if one["threads"] == threads}
        batches, constituents = (sorted({key[place] for key in own}) for place in (0, 1))
        headings = ["constituents", *(f"{batch} jet{'s' if batch > 1 else ''} at a time" for batch in batches)]
        rows = [[str(some), *(cell(own.get((batch, some))) for batch in batches)] for some in constituents]
        title = f"microseconds per jet (16 % to 84 %), {threads} thread{'s' if threads > 1 else ''}"
        parts.append(table.Table(title, headings, rows, frozenset()))
    if found["memory"]:
        rows = [[str(one["batch"]), f"{one['bytes'] / MIB:,.0f} MB"] for one in found["memory"]]
        most = found["memory"][0]["constituents"]
        parts.append(table.Table(f"memory beyond imports and inputs, {most} constituents", ["jets", "peak"], rows))
    parts += [
        f"left out: {one['batch']} jets of {one['constituents']} constituents, {one['threads']} thread"
        f"{'s' if one['threads'] > 1 else ''}: {one['why']}"
        for one in found["left_out"]
    ]
    return parts
