"""`train inspect`: what data files, a configuration, a run or a bundle contain, and what is wrong with the data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salt_like.cli import arguments as command_line
from salt_like.cli import table
from salt_like.errors import UserError, nearest

DATA_SUFFIXES = (".h5", ".hdf5", ".hdf")
CLEAN, FAILED = 0, 1


def parser() -> command_line.Parser:
    """The options of `train inspect`."""
    made = command_line.Parser(
        "inspect",
        "Shows what data files, a configuration, a run or a bundle contain, and checks data files.",
        epilog="With a configuration, keys can be set as in `train fit`, such as --data.train=train.h5. "
        "With data files the exit code is 1 when a check finds an error.",
    )
    made.add_argument(
        "what",
        nargs="+",
        help="FILE.h5, CONFIG.yaml, the name of a shipped configuration, a run folder or a bundle; or several runs "
        "side by side; or several samples that are compared, each as FILE.h5, 'GLOB*.h5' in quotes, A.h5,B.h5 or "
        "NAME=FILES",
    )
    checks = made.add_argument_group("checks of data files")
    checks.add_argument("--json", metavar="OUT.json", type=Path, help="write everything that was found")
    checks.add_argument(
        "--max-ks", metavar="D", type=_share, help="allowed Kolmogorov-Smirnov distance beyond chance (0.1)"
    )
    checks.add_argument(
        "--max-auc", metavar="A", type=_share, help="allowed AUC of a classifier between two samples (0.55)"
    )
    checks.add_argument(
        "--max-share", metavar="S", type=_share, help="share of one value that makes it a default (0.05)"
    )
    checks.add_argument(
        "--ignore", metavar="FIELD,…", type=_names, help="fields that are not checked: field or stream.field, wildcards"
    )
    checks.add_argument("--event", metavar="FIELD,…", type=_names, help="what identifies an event (eventNumber)")
    checks.add_argument("--weight", metavar="FIELD", help="weight of each jet in comparisons")
    checks.add_argument("--workers", metavar="N", type=_positive, help="stretches of rows with their own classes (4)")
    checks.add_argument("--jets", metavar="N", type=_positive, help="jets that distributions are made of (50000)")
    checks.add_argument("--check-seed", metavar="N", type=int, help="of the classifier (0)")
    return made


def main(arguments: list[str]) -> int:
    """Shows it.

    Args:
        arguments: What follows `train inspect`.

    Returns:
        The exit code: 1 when a check of data files found an error.

    Raises:
        UserError: It cannot be read.
    """
    made = parser()
    options, rest = made.parse_known_args(arguments)
    given: list[str] = options.what
    if all(map(is_data, given)):
        given += [one for one in rest if not one.startswith("-")]
        rest = [one for one in rest if one.startswith("-")]
        if rest:
            name = rest[0].split("=")[0]
            raise UserError(f"{name} has no meaning here{nearest(name, made.options())}: only a configuration has keys")
        return _data(given, options)
    _refuse_options(options, made)
    if len(given) > 1 and all(Path(one).is_dir() for one in given):
        from salt_like.cli import inspect_runs

        _refuse_keys(command_line.overrides(rest, ["--config"], "inspect"))
        table.show(inspect_runs.report([Path(one) for one in given]))
        return CLEAN
    if len(given) > 1:
        odd = next(one for one in given if not is_data(one))
        raise UserError(
            f"only data files and runs can be compared, and '{odd}' is neither ({', '.join(DATA_SUFFIXES)}, a folder)"
        )
    overrides = command_line.overrides(rest, ["--config"], "inspect")
    if Path(given[0]).is_dir():
        _refuse_keys(overrides)
        from salt_like.bundle import is_bundle
        from salt_like.cli import inspect_bundle, inspect_run

        inspected = inspect_bundle if is_bundle(Path(given[0])) else inspect_run
        table.show(inspected.report(Path(given[0])))
        return CLEAN
    from salt_like.cli import inspect_config

    table.show(inspect_config.report(given[0], overrides))
    return CLEAN


def _refuse_keys(overrides: Sequence[tuple[str, Any]]) -> None:
    if overrides:
        raise UserError(f"--{overrides[0][0]} has no meaning here: only a configuration has keys")


def is_data(what: str) -> bool:
    """True for data files: a path, a glob, several with commas, or any of these with a name in front."""
    return what.endswith(DATA_SUFFIXES) and not Path(what).is_dir()


def _data(given: list[str], options: argparse.Namespace) -> int:
    from salt_like.checks.finding import Options
    from salt_like.cli import inspect_file, inspect_samples, progress

    chosen = {
        "max_ks": options.max_ks,
        "max_auc": options.max_auc,
        "max_share": options.max_share,
        "ignore": options.ignore,
        "event": options.event,
        "weight": options.weight,
        "workers": options.workers,
        "jets": options.jets,
        "seed": options.check_seed,
    }
    checks = Options(**{name: value for name, value in chosen.items() if value is not None})
    with progress.shown():
        parts, failed = inspect_file.inspect(inspect_samples.samples(given), checks, options.json)
    table.show(parts)
    return FAILED if failed else CLEAN


def _refuse_options(options: argparse.Namespace, made: command_line.Parser) -> None:
    for name, value in vars(options).items():
        if name != "what" and value is not None:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option} has no meaning here: only data files are checked\nsee: {made.prog} --help")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value
