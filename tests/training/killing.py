"""Trains, is killed again and again, and continues: a program of its own, which imports torch once and forks.

Arguments: folder, seed, number of kills at random times, and for each kill at a certain place SIGNAL:HOOK:COUNT.
It prints one line per leg: the signal that was sent, and the exit status.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from lightning import Callback

from salt_like.cli import main as dispatcher
from salt_like.cli import shipped
from salt_like.training import assemble, checkpoint

SAMPLES = shipped.FOLDER.parent / "samples"
OPTIONS = [
    "--config=quickstart",
    "--model.dim=8",
    "--model.encoder={layers: 1, heads: 2, dropout: 0.2}",
    "--model.ema=0.8",
    "--data.num_train=400",
    "--data.num_val=150",
    "--data.batch_size=50",
    "--data.augment=[{class_path: ConstituentDropout, init_args: {stream: tracks, probability: 0.2}}]",
    "--trainer.max_epochs=3",
    "--trainer.enable_progress_bar=false",
    "--trainer.accelerator=cpu",
    "--keep_best=2",
    "--checkpoint_minutes=0.0003",
]
PAUSE = 0.02  # seconds per batch, so that there is time for a signal
SENT = ("SIGTERM", "SIGUSR1", "SIGINT", "SIGKILL")


class Ends(Callback):
    """Sends this process a signal when a hook is called for the so-manieth time; is slow."""

    def __init__(self, number: str, hook: str, count: int) -> None:
        self.left = count

        def watched(*_: object) -> None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), getattr(signal, number))

        if hook:
            setattr(self, hook, watched)

    def on_train_batch_start(self, *_: object) -> None:
        time.sleep(PAUSE)

    def on_validation_batch_start(self, *_: object) -> None:
        time.sleep(PAUSE)


def leg(arguments: list[str], place: tuple[str, str, int] = ("", "", 0)) -> int:
    """A training in a process of its own; its number."""
    child = os.fork()
    if child:
        return child
    usual = assemble.callbacks

    def slow(*given: object, own: tuple[Callback, ...] = (), **named: object) -> list[Callback]:
        return usual(*given, own=[*own, Ends(*place)], **named)

    assemble.callbacks = slow
    log = open(Path(sys.argv[1]) / "log.txt", "a")  # noqa: SIM115 - until the process ends
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    os._exit(dispatcher.main(["fit", *arguments]))


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    folder, seed, number = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    began = time.monotonic()
    assert ended(leg([*OPTIONS, "--run", str(folder / "whole")])) == 0
    duration = time.monotonic() - began
    run = folder / "broken"
    places = [(one, hook, int(count)) for one, hook, count in (text.split(":") for text in sys.argv[4:])]
    for place in [*places, *(("", "", 0) for _ in range(number))]:
        given = ["--resume", str(run)] if (run / "run.json").exists() else [*OPTIONS, "--run", str(run)]
        sent = place[0] or chance.choice(SENT)
        child = leg(given, place)
        if not place[1]:
            # most of the time of a leg is spent before the training
            time.sleep(chance.uniform(0, 1.2 * duration))
            os.kill(child, getattr(signal, sent))
        status = ended(child)
        sys.stdout.write(f"{sent} {status} {place[1] or 'random'}\n")
        sys.stdout.flush()  # before the next fork, which would write it again
        for path in (run / "checkpoints").glob("*.ckpt"):
            checkpoint.read(path)
    sys.stdout.write(f"end {ended(leg(['--resume', str(run)]))}\n")


if __name__ == "__main__":
    main()
