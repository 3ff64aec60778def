"""`train fit`: from a configuration to a run folder."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import configuration as configurations
from salt_like.cli import paths, reweighted, run_folder, shipped
from salt_like.cli.progress import shown
from salt_like.cli.resume import Resumed
from salt_like.cli.table import show
from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from lightning import Trainer

    from salt_like.cli.build import Parsed
    from salt_like.training.module import Model
    from salt_like.training.run import Run

_EPILOG = """\
Any key of the configuration can be set as --key=value, such as --data.train=train.h5, --model.encoder.layers=6,
--model.tasks.track_origin.weight=0.5 or --trainer.max_epochs=10; `null` removes an entry. `--print_config` shows every
key with its value. Later configurations and options win over earlier ones."""


def parser() -> command_line.Parser:
    """The options of `train fit`."""
    made = command_line.Parser(
        "fit",
        "Trains a tagger and writes a run folder.",
        epilog=f"{_EPILOG} Shipped configurations: {', '.join(shipped.names())}.",
    )
    made.add_argument(
        "--config", "-c", action="append", default=[], metavar="FILE", help="a YAML file or a shipped configuration"
    )
    made.add_argument("--run", metavar="DIR", help="folder of the run; by default runs/<name>/<time>")
    made.add_argument("--resume", metavar="RUN", help="continue this run from its last checkpoint; needs nothing else")
    made.add_argument("--print_config", action="store_true", help="print the resolved configuration and stop")
    return made


def main(arguments: list[str]) -> int:
    """Trains.

    Args:
        arguments: What follows `train fit`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the configuration or the data is wrong.
    """
    options, rest = parser().parse_known_args(arguments)
    overrides = command_line.overrides(rest, parser().options(), "fit")
    configuration = _configuration(options, overrides)
    paths.check(configuration.content, configuration.folders)
    from salt_like.cli import build
    from salt_like.training.run import Run

    if options.print_config:
        _, resolved = build.resolve(configuration, *build.classes())
        print(run_folder.dump(resolved), end="")
        return 0
    name = str(configuration.content.get("name", build.DEFAULT_NAME))
    resumed = None
    with ExitStack() as stack, shown():
        if options.resume:
            folder = Path(options.resume).absolute()
            stack.enter_context(run_folder.held(folder))
            resumed = Resumed(Run(folder).checkpoint("last"))
        else:
            run_folder.choose(name, options.run)  # refused before the data are read
        wiring, resolved = build.resolve(configuration, *build.classes())
        if resumed is not None:
            resumed.check(resolved)
        parsed = build.instantiate(wiring, resolved, resumed.spec if resumed else None)
        _check_length(parsed.trainer)
        _check_optimizer(parsed.model)
        _check_weights(parsed)
        with run_folder.continued(folder) if resumed else run_folder.taken(name, options.run) as folder:
            trainer = _trainer(parsed, Run(folder), shlex.join(["train", "fit", *arguments]))
            if parsed.data.spec.reweighting is not None and trainer.is_global_zero:
                show([reweighted.summary(parsed.data.spec.reweighting)])
            run_folder.write(folder, parsed.config, parsed.data.spec.to_dict())
            _train(trainer, parsed, resumed.path if resumed else None, folder)
    if trainer.is_global_zero:
        if resumed and resumed.epochs == trainer.max_epochs:
            print(f"the run had done its {resumed.epochs} epochs; for more: --trainer.max_epochs", file=sys.stderr)
        print(f"run: {folder}")
    return 0


def _configuration(options: Any, overrides: list[tuple[str, Any]]) -> configurations.Configuration:
    if options.resume is None:
        if not options.config and not overrides:
            raise UserError("nothing to train: give a configuration, such as --config gn2-small\nsee: train fit --help")
        return configurations.load(options.config, overrides)
    if options.config or options.run:
        raise UserError("--resume takes configuration and folder from the run: leave out --config and --run")
    from salt_like.training.run import open_run

    run = open_run(Path(options.resume))
    run.checkpoint("last")
    return configurations.load([str(run.config)], overrides)


def _trainer(parsed: Parsed, run: Run, command: str) -> Trainer:
    from lightning import Trainer
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.callbacks import ProgressBar

    from salt_like.callbacks.alive import SignsOfLife
    from salt_like.training import assemble, checkpoint

    spec = parsed.data.spec
    contents = checkpoint.contents(parsed.name, spec, parsed.config["model"], parsed.config["data"])
    facts = {
        "command": command,
        "name": parsed.name,
        "seed": parsed.seed,
        "files": {key: parsed.config["data"].get(key) for key in ("train", "val", "test")},
    }
    monitor = f"val/{parsed.model.main_task}/loss"
    best = parsed.config["keep_best"]
    usual = assemble.callbacks(run, monitor, contents, facts, best, interactive=sys.stderr.isatty())
    configured = {key: value for key, value in parsed.trainer.items() if value is not None}
    if not parsed.data.validates:
        configured["limit_val_batches"] = 0  # Lightning would warn about a list without loaders
        print("no validation files (data.val): no best checkpoint, `test` takes the last one", file=sys.stderr)
    own = _as_list(configured.pop("callbacks", []))
    signs = SignsOfLife(run.folder / run_folder.LOCK)
    if configured.get("enable_progress_bar") is False or any(isinstance(one, ProgressBar) for one in own):
        usual = [one for one in usual if not isinstance(one, ProgressBar)]
    defaults = assemble.trainer_defaults()
    plugins = [*defaults.pop("plugins", []), *_as_list(configured.pop("plugins", []))]
    try:
        return Trainer(**{**defaults, **configured}, callbacks=[*usual, signs, *own], plugins=plugins)
    except (ValueError, MisconfigurationException) as error:
        raise UserError(f"trainer: {str(error).strip()}") from error


def _check_length(trainer: dict[str, Any]) -> None:
    """Refuse a training without steps, of which no checkpoint would come."""
    for key in ("max_epochs", "max_steps", "limit_train_batches"):
        if trainer.get(key) == 0:
            raise UserError(f"trainer.{key} = 0: nothing would be trained\ngive at least 1, or leave it out")


def _check_optimizer(model: Model) -> None:
    """Refuse arguments with which optimiser or scheduler cannot make a step, before anything is written."""
    from salt_like.training.optimisers import rehearse

    rehearse(model.optimizer, model.scheduler, model)


def _of_early_stopping(error: RuntimeError) -> Exception:
    """What `EarlyStopping` says about a metric that is not there, as a message for the user; any other error as is."""
    found = re.search(r"conditioned on metric `(.*?)` which is not available", str(error))
    if found is None:
        return error
    known = [name for name in re.findall(r"`(.*?)`", str(error)) if "/" in name and name != found[1]]
    return UserError(
        f"trainer.callbacks: EarlyStopping watches '{found[1]}'{nearest(found[1], known)}, which is not measured\n"
        f"measured are: {', '.join(known)[:400] or 'none'}"
    )


def _check_weights(parsed: Parsed) -> None:
    """Refuse to learn weights for losses that jets of negative weight can make negative."""
    if not parsed.model.combine.learns:
        return
    number = parsed.data.negative_weights
    if number:
        raise UserError(
            "model.weighting: uncertainty cannot be used with jets of negative weight; "
            f"the training sample has {number}\nweight of the jets: data.weight: {parsed.data.splits.weight}\n"
            "a loss that becomes negative would drive its learned weight to infinity; use model.weighting: fixed"
        )


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _train(trainer: Trainer, parsed: Parsed, checkpoint: Path | None, folder: Path) -> None:
    """Trains; Ctrl-C comes out as `KeyboardInterrupt` in every version of Lightning."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        trainer.fit(parsed.model, datamodule=parsed.data, ckpt_path=checkpoint)
    except SystemExit:
        if not trainer.interrupted:
            raise
    except MisconfigurationException as error:
        raise UserError(f"trainer: {str(error).strip()}") from error
    except RuntimeError as error:
        raise _of_early_stopping(error) from error
    if trainer.interrupted:
        raise KeyboardInterrupt(_how_to_go_on(folder))


def _how_to_go_on(folder: Path) -> str:
    """What is said after Ctrl-C: where the run is, and the command that continues it."""
    if not (folder / "checkpoints" / "last.ckpt").exists():
        return f"interrupted; run: {folder}\nit has no checkpoint yet, the first one is written after the first epoch"
    return f"interrupted; run: {folder}\nto go on: {shlex.join(['train', 'fit', '--resume', str(folder)])}"
