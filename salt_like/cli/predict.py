"""`train predict`: predictions of a run on any file."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.cli import arguments as command_line
from salt_like.cli.progress import progress
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.loading import Options


def parser() -> command_line.Parser:
    """The options of `train predict`."""
    made = command_line.Parser("predict", "Writes the predictions of a run on any file; no labels are needed.")
    made.add_argument("run", metavar="RUN", help="folder of the run, or a checkpoint")
    made.add_argument("--data", action="append", nargs="+", metavar="FILE", required=True, help="files or globs")
    made.add_argument("--out", metavar="FILE", required=True, help="the prediction file")
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
    from salt_like.callbacks.predictions import refuse_existing
    from salt_like.data.files import find
    from salt_like.data.sample import Sample
    from salt_like.loading import SamplePredictor, load

    refuse_existing(out, options.force)
    files = find([path for group in options.data for path in group], "--data")
    if out in files:
        raise UserError(f"--out is one of the files to predict: {out}")
    tagger = load(options.run, options.ckpt, options.device)
    sample = Sample(out.stem, files, tagger.spec, labels=False)
    predictor = SamplePredictor(tagger, sample, writing(options, None, options.force))
    with progress("predicting") as report:
        jets = predictor.write(out, report)
    print(f"predicted {jets} of {sample.rows} jets with {tagger.checkpoint}")
    print(f"predictions: {out}")
    return 0


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
