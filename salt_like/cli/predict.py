"""`train predict`: predictions of a run on any file."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.cli import arguments as command_line
from salt_like.cli import hypothesis
from salt_like.cli.progress import progress
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.loading import Options, ReadyTagger
    from salt_like.loading.deployed import DeployedTagger
    from salt_like.loading.tagger import LoadedTagger

_EXAMPLE = "jets_classification={bjets: 0.1, cjets: 0.2, ujets: 0.7}"


def parser() -> command_line.Parser:
    """The options of `train predict`."""
    made = command_line.Parser("predict", "Writes the predictions of a run on any file; no labels are needed.")
    made.add_argument("run", metavar="RUN", help="folder of the run, a checkpoint, or a bundle, which needs no torch")
    made.add_argument("--data", action="append", nargs="+", metavar="FILE", required=True, help="files or globs")
    made.add_argument("--out", metavar="FILE", required=True, help="the prediction file")
    made.add_argument("--threads", type=positive, metavar="N", help="cores to use; by default all")
    add_common(made)
    return made


def add_common(made: command_line.Parser) -> None:
    """Options that `train test` has too."""
    made.add_argument("--ckpt", default="best", metavar="best|last|PATH", help="checkpoint of the run")
    made.add_argument("--force", action="store_true", help="replace existing files")
    made.add_argument(
        "--extra",
        action="append",
        default=[],
        metavar="STREAM=FIELD,…",
        help="further fields of the source to copy, such as jets=pt,eta",
    )
    made.add_argument("--precision", choices=["float32", "float16"], default="float32", help="type of probabilities")
    made.add_argument("--salt_mask", action="store_true", help="add Salt's `mask` (True = padding) to constituents")
    made.add_argument("--batch_size", type=positive, default=1000, metavar="JETS", help="jets computed together")
    made.add_argument("--device", metavar="cpu|cuda", help="where to compute; by default a GPU where there is one")
    made.add_argument(
        "--parameter",
        metavar="FIELD=VALUE",
        help="value of the parameter of a parameterised network for all jets; by default drawn as in training",
    )
    add_calibration(made)


def add_calibration(made: command_line.Parser) -> None:
    """Options about temperatures and class fractions."""
    made.add_argument(
        "--calibration",
        choices=["run", "none"],
        default="run",
        help="use the temperatures that `train calibrate` stored with the run, or none",
    )
    made.add_argument(
        "--prior",
        action="append",
        default=[],
        metavar="TASK={CLASS: FRACTION, …}",
        help="class fractions for which probabilities are given, in place of those of the training",
    )


def open_tagger(run: str | Path, options: Namespace) -> LoadedTagger:
    """The tagger that the arguments name, with temperatures and class fractions, which it says."""
    from salt_like.loading import load_run

    tagger = load_run(
        run, options.ckpt, options.device, calibrated=options.calibration == "run", prior=_fractions(options.prior)
    )
    _say_adjusted(tagger)
    return tagger


def _open_bundle(bundle: Path, options: Namespace) -> DeployedTagger:
    """The tagger of a bundle, without torch."""
    from salt_like.loading.deployed import DeployedTagger
    from salt_like.loading.opening import refuse_choices

    made = {
        "ckpt": options.ckpt != "best",
        "device": options.device not in (None, "cpu"),
        "calibration": options.calibration != "run",
        "prior": bool(options.prior),
    }
    refuse_choices(bundle, {f"--{name}": one for name, one in made.items()})
    tagger = DeployedTagger(bundle, options.threads or 0)
    _say_adjusted(tagger)
    return tagger


def _say_adjusted(tagger: ReadyTagger) -> None:
    """Say which probabilities have a temperature or class fractions that were given."""
    for task in tagger.tasks:
        parts = [f"temperature {task.temperature:.4g}"] if task.temperature != 1 else []
        parts += ["class fractions as given"] if task.given else []
        if parts:
            print(f"probabilities of {task.name}: {', '.join(parts)}", file=sys.stderr)


def _fractions(given: list[str]) -> dict[str, dict[str, float]]:
    """What ``--prior`` says, by task and class."""
    from salt_like.cli import yaml_file

    found = {}
    for text in given:
        name, equals, fractions = text.partition("=")
        read = yaml_file.parse(fractions, f"--prior {name}") if equals else None
        if not isinstance(read, dict) or not read:
            raise UserError(f"--prior {text}: write TASK={{CLASS: FRACTION, …}}, such as '{_EXAMPLE}'")
        if name in found:
            raise UserError(f"--prior: fractions for task '{name}' are given twice")
        found[name] = {str(key): value for key, value in read.items()}
    return found


def positive(text: str) -> int:
    """A number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"a whole number of at least 1, not '{text}'")
    return int(text)


def main(arguments: list[str]) -> int:
    """Predicts.

    Args:
        arguments: What follows `train predict`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments or the data is wrong.
    """
    options = parser().strict(arguments)
    out = Path(options.out).absolute()
    from salt_like.bundle import is_bundle, refuse_inside
    from salt_like.callbacks.predictions import refuse_existing
    from salt_like.data.files import find
    from salt_like.data.sample import Sample
    from salt_like.loading import SamplePredictor

    refuse_inside(out)
    refuse_existing(out, options.force)
    files = find([path for group in options.data for path in group], "--data")
    if out in files:
        raise UserError(f"--out is one of the files to predict: {out}")
    path = Path(options.run).expanduser()
    tagger: ReadyTagger
    if is_bundle(path):
        tagger = _open_bundle(path, options)
    else:
        tagger = open_tagger(path, options)
        _use_threads(options.threads)
    parameters = hypothesis.values(options.parameter, tagger.spec)
    if len(parameters) > 1:
        raise UserError(f"--parameter {options.parameter}: one value for a prediction file; `train test` takes several")
    sample = Sample(out.stem, files, tagger.spec, labels=False, parameter=parameters[0])
    predictor = SamplePredictor(tagger, sample, writing(options, None, options.force))
    with progress("predicting") as report:
        jets = predictor.write(out, report)
    if predictor.note:
        print(f"warning: {predictor.note}", file=sys.stderr)
    print(f"predicted {jets} of {sample.rows} jets with {tagger.checkpoint}")
    print(f"predictions: {out}")
    return 0


def _use_threads(number: int | None) -> None:
    """How many cores torch takes in this process."""
    import torch

    if number is not None:
        torch.set_num_threads(number)


def writing(options: Namespace, weight: str | None, overwrite: bool) -> Options:
    """What the arguments say about the content of a prediction file."""
    from salt_like.loading import Options

    extra: dict[str, list[str]] = {}
    for one in options.extra:
        stream, equals, names = one.partition("=")
        if not equals or not stream or not names.strip(","):
            raise UserError(f"--extra {one}: write STREAM=FIELD,FIELD, such as --extra jets=pt,eta")
        extra.setdefault(stream, []).extend(name.strip() for name in names.split(",") if name.strip())
    return Options(extra, options.precision, options.salt_mask, weight, overwrite, options.batch_size)
