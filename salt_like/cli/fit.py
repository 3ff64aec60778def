"""`train fit`: from a configuration to a run folder."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import configuration as configurations
from salt_like.cli import fine_tune, fit_checks, fit_record, paths, resume, reweighted, run_folder, shipped
from salt_like.cli.progress import shown
from salt_like.cli.table import show
from salt_like.errors import UserError

if TYPE_CHECKING:
    from lightning import Trainer

    from salt_like.cli.build import Parsed, Wiring
    from salt_like.cli.resume import Resumed
    from salt_like.training.record import Record
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
            resumed = resume.last(Run(folder))
        else:
            run_folder.choose(name, options.run)  # refused before the data are read
        wiring, resolved = build.resolve(configuration, *build.classes())
        if resumed is not None:
            resumed.check(resolved)
        fit_checks.trainer(resolved["trainer"])
        with run_folder.continued(folder) if options.resume else run_folder.taken(name, options.run) as folder:
            record = fit_record.begin(
                Run(folder),
                shlex.join(["train", "fit", *arguments]),
                resolved,
                given=options.config,
                overrides=overrides,
                continued=bool(options.resume),
                writes=run_folder.is_first(),
            )
            run_folder.write(folder, resolved)
            trainer = _fit(wiring, resolved, record, resumed)
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
    return configurations.load([str(resume.configuration(Path(options.resume)))], overrides)


def _fit(wiring: Wiring, resolved: dict[str, Any], record: Record, resumed: Resumed | None) -> Trainer:
    """Builds everything, and trains."""
    from salt_like.cli import build
    from salt_like.training import origin
    from salt_like.training.run import Run

    run = Run(record.path.parent)
    wanted = resolved["init_from"] and origin.InitFrom(**resolved["init_from"])
    source = origin.open_origin(Path(wanted.path)) if wanted and resumed is None else None
    norms = source.spec if source is not None and wanted.normalisation == "kept" else None
    parsed = build.instantiate(wiring, resolved, resumed.spec if resumed else None, norms)
    fit_checks.parsed(parsed)
    news: dict[str, Any] = {"data": parsed.data.splits.described()}
    if wanted is not None:
        news["init_from"] = fine_tune.apply(parsed.model, resolved, wanted, source)
    trainer = _trainer(parsed, run, record)
    if parsed.data.spec.reweighting is not None and trainer.is_global_zero:
        show([reweighted.summary(parsed.data.spec.reweighting)])
    run_folder.write(run.folder, resolved, parsed.data.spec.to_dict())
    record.write(**news)
    _train(trainer, parsed, resumed.path if resumed else None, run.folder)
    return trainer


def _trainer(parsed: Parsed, run: Run, record: Record) -> Trainer:
    from lightning import Trainer
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.callbacks import ProgressBar

    from salt_like.callbacks.alive import SignsOfLife
    from salt_like.tracking.chosen import chosen
    from salt_like.training import assemble, checkpoint

    spec = parsed.data.spec
    contents = checkpoint.contents(parsed.name, spec, parsed.config["model"], parsed.config["data"])
    monitor = f"val/{parsed.model.main_task}/loss"
    configured = {key: value for key, value in parsed.trainer.items() if value is not None}
    if not parsed.data.validates:
        configured["limit_val_batches"] = 0  # Lightning would warn about a list without loaders
        print("no validation files (data.val): no best checkpoint, `test` takes the last one", file=sys.stderr)
    own = _as_list(configured.pop("callbacks", []))
    loggers, tracking = chosen(configured.pop("logger", False), run, parsed.config)
    usual = assemble.callbacks(
        run,
        monitor,
        contents,
        record,
        parsed.config["keep_best"],
        minutes=parsed.config["checkpoint_minutes"],
        interactive=sys.stderr.isatty(),
        own=[SignsOfLife(run.folder / run_folder.LOCK), *own],
    )
    if configured.get("enable_progress_bar") is False or any(isinstance(one, ProgressBar) for one in own):
        usual = [one for one in usual if one in own or not isinstance(one, ProgressBar)]
    defaults = assemble.trainer_defaults()
    plugins = [*defaults.pop("plugins", []), *_as_list(configured.pop("plugins", []))]
    try:
        return Trainer(**{**defaults, **configured, "logger": loggers}, callbacks=[*usual, tracking], plugins=plugins)
    except (ValueError, MisconfigurationException) as error:
        raise UserError(f"trainer: {str(error).strip()}") from error


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _train(trainer: Trainer, parsed: Parsed, checkpoint: Path | None, folder: Path) -> None:
    """Trains; Ctrl-C comes out as `KeyboardInterrupt` in every version of Lightning."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from salt_like.callbacks.interruptions import StoppedError

    try:
        trainer.fit(parsed.model, datamodule=parsed.data, ckpt_path=checkpoint)
    except StoppedError as stopped:
        if trainer.is_global_zero:
            print(_how_to_go_on(folder, f"ended by {stopped.signal}"), file=sys.stderr)
        raise
    except SystemExit:
        if not trainer.interrupted:
            raise
    except MisconfigurationException as error:
        raise UserError(f"trainer: {str(error).strip()}") from error
    except RuntimeError as error:
        raise fit_checks.of_early_stopping(error) from error
    if trainer.interrupted:
        raise KeyboardInterrupt(_how_to_go_on(folder, "interrupted"))


def _how_to_go_on(folder: Path, why: str) -> str:
    """What is said after Ctrl-C or another signal: where the run is, and the command that continues it."""
    last = folder / "checkpoints" / "last.ckpt"
    command = shlex.join(["train", "fit", "--resume", str(folder)])
    return f"{why}; run: {folder}\n{'to go on' if last.exists() else 'to begin again (no checkpoint yet)'}: {command}"
