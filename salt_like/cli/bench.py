"""``train bench``: how fast a configuration or a run is on this machine."""

from __future__ import annotations

from pathlib import Path

from salt_like.cli.arguments import Parser, overrides


def main(arguments: list[str]) -> int:
    """Run the command.

    Raises:
        UserError: The configuration or run cannot be used.
    """
    parser = Parser("bench", "speed of a configuration or a run: loader, forward pass, training step, prediction")
    parser.add_argument("what", help="a configuration (file or shipped name) or the folder of a run")
    parser.add_argument("--seconds", type=float, default=5.0, help="time spent on each kind of work")
    parser.add_argument("--batches", type=int, default=8, help="different batches kept in memory")
    known, rest = parser.parse_known_args(arguments)

    import torch
    from rich.console import Console
    from rich.table import Table

    from salt_like.cli.build import build
    from salt_like.cli.configuration import load
    from salt_like.training.speed import matrix_rate, measure

    folder = Path(known.what)
    source = str(folder / "config.yaml") if folder.is_dir() else known.what
    parsed = build(load([source], overrides(rest, parser.options(), "bench")))
    parsed.data.setup("fit")
    peak = matrix_rate()
    rates = measure(parsed.model, parsed.data.train_dataloader(), known.batches, known.seconds)
    parameters = sum(parameter.numel() for parameter in parsed.model.tagger.parameters())
    table = Table(title=f"{parsed.name}: {parameters:,} parameters, {torch.get_num_threads()} thread(s)")
    for column in ("work", "jets/s", "16 %-84 %", "MFLOP/jet", "share of matrix rate", "memory above start"):
        table.add_column(column, justify="left" if column == "work" else "right")
    for rate in rates:
        table.add_row(
            rate.work,
            f"{rate.jets_per_second:,.0f}",
            f"{rate.low:,.0f}-{rate.high:,.0f}",
            f"{rate.flops_per_jet / 1e6:.2f}" if rate.flops_per_jet else "",
            f"{rate.flops_per_second / peak:.0%}" if rate.flops_per_jet else "",
            f"{rate.peak_memory / 2**20:,.0f} MB",
        )
    console = Console()
    console.print(table)
    console.print(f"matrix product of 1024 x 1024 on this device: {peak / 1e9:.0f} GFLOP/s (float32)")
    return 0
