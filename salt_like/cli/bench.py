"""``train bench``: how fast a configuration, a run or a bundle is on this machine."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.bundle import is_bundle
from salt_like.cli import table
from salt_like.cli.arguments import Parser, overrides
from salt_like.cli.configuration import load
from salt_like.cli.predict import positive
from salt_like.cli.progress import shown
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.training.speed import Rate

HEADINGS = ("work", "jets/s", "16 % to 84 %", "MFLOP/jet", "share of matrix rate", "memory above start")
SECONDS = 5.0
BUNDLE_SECONDS = 60.0


def parser() -> Parser:
    """The options of `train bench`."""
    made = Parser(
        "bench",
        "Speed of a configuration or a run: loader, forward pass, training step, prediction. Of a bundle: microseconds "
        "per jet of its graph by number of constituents and batch size, memory and size; needs no torch.",
    )
    made.add_argument("what", help="a configuration (file or shipped name), the folder of a run, or a bundle")
    made.add_argument(
        "--seconds", type=seconds, help="time spent on each kind of work (5); on all of it for a bundle (60)"
    )
    made.add_argument("--batches", type=positive, default=8, help="different batches kept in memory")
    made.add_argument("--json", metavar="FILE", help="of a bundle: write all numbers there too")
    made.add_argument(
        "--out", metavar="FILE", help="of a bundle: the figure, .png, .pdf or .svg; by default beside --json"
    )
    made.add_argument("--write", action="store_true", help="put the numbers into the bundle and its model card")
    return made


def seconds(text: str) -> float:
    """A positive number of seconds."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise ArgumentTypeError(f"a positive number of seconds, not '{text}'")
    return found


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: What follows `train bench`.

    Returns:
        The exit code.

    Raises:
        UserError: The configuration or run cannot be used.
    """
    made = parser()
    known, rest = made.parse_known_args(arguments)
    if is_bundle(Path(known.what).expanduser()):
        from salt_like.cli import bench_bundle

        return bench_bundle.main(made.strict(arguments))
    for name in ("json", "out", "write"):
        if getattr(known, name):
            raise UserError(f"--{name} is for bundles only, and {known.what} is none\n`train export RUN` makes one")
    folder = Path(known.what)
    source = str(folder / "config.yaml") if folder.is_dir() else known.what
    configuration = load([source], overrides(rest, made.options(), "bench"))

    import torch

    from salt_like.cli.build import build
    from salt_like.training.speed import matrix_rate, measure

    with shown():
        parsed = build(configuration)
        parsed.data.setup("fit")
    peak = matrix_rate()
    rates = measure(parsed.model, parsed.data.train_dataloader(), known.batches, known.seconds or SECONDS)
    parameters = sum(parameter.numel() for parameter in parsed.model.tagger.parameters())
    title = f"{parsed.name}: {parameters:,} parameters, {torch.get_num_threads()} thread(s)"
    matrix = f"matrix product of 1024 x 1024 on this device: {peak / 1e9:.0f} GFLOP/s (float32)"
    table.show([table.Table(title, HEADINGS, [_row(rate, peak) for rate in rates]), matrix])
    return 0


def _row(rate: Rate, peak: float) -> list[str]:
    has_products = rate.flops_per_jet > 0
    return [
        rate.work,
        f"{rate.jets_per_second:,.0f}",
        f"{rate.low:,.0f} to {rate.high:,.0f}",
        f"{rate.flops_per_jet / 1e6:.2f}" if has_products else "",
        f"{rate.flops_per_second / peak:.0%}" if has_products else "",
        f"{rate.peak_memory / 2**20:,.0f} MB",
    ]
