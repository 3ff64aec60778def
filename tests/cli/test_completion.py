from __future__ import annotations

import inspect
import shutil
import subprocess

import pytest

from salt_like.cli import completion, shipped
from salt_like.cli import main as dispatcher


def complete(*words: str) -> list[str]:
    """What bash offers for the last of some words."""
    program = (
        f"{completion.script()}\ncompopt() {{ :; }}\n"
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}\n"
        '_salt_like_train; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_configurations_options_and_keys():
    assert complete("train", "") == [*dispatcher.COMMANDS, "--help", "--version"]
    assert complete("train", "in") == ["inspect"]
    assert complete("train", "fit", "--config", "gn2") == [name for name in shipped.names() if name.startswith("gn2")]
    assert complete("train", "fit", "--res") == ["--resume"]
    assert complete("train", "fit", "--data.batch") == ["--data.batch_size="]
    assert complete("train", "fit", "--trainer.max_ep") == ["--trainer.max_epochs="]
    assert complete("train", "cache", "c") == ["clear"]
    assert "--data.batch_size=" not in complete("train", "test", "--")
    assert complete("train", "test", "--data") == ["--data.test=", "--data.num_test="]
    assert complete("train", "test", "--pr") == ["--precision", "--prior"]
    assert complete("train", "calibrate", "--") == [
        "--ckpt",
        "--force",
        "--batch_size",
        "--device",
        "--help",
        "--debug",
        "--data.val=",
        "--data.num_val=",
    ]


def test_zsh_uses_the_same_script(capsys):
    assert dispatcher.main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.endswith(completion.script())
    assert dispatcher.main(["completion", "fish"]) == 2


def test_keys_are_those_of_the_constructors():
    from lightning import Trainer

    from salt_like.data.module import Data
    from salt_like.training.module import Model

    wanted = {"name", "seed", "keep_best", "checkpoint_minutes", "init_from"}
    for section, owner in {"data": Data, "model": Model, "trainer": Trainer}.items():
        wanted |= {f"{section}.{name}" for name in inspect.signature(owner).parameters}
    wanted -= {"data.seed", "data.spec", "data.norms", "data.requests", "model.name", "model.spec"}
    assert set(completion.keys()) == wanted


@pytest.mark.parametrize("command", dispatcher.COMMANDS)
def test_every_command_has_a_file_with_a_main(command):
    from importlib import import_module

    assert callable(import_module(f"salt_like.cli.{command}").main)
    assert all(option.startswith("--") for option in completion.options(command))


def test_a_class_that_is_not_there(tmp_path):
    (tmp_path / "x.py").write_text("class A:\n    pass\n")
    assert completion.constructor_arguments(tmp_path / "x.py", "A") == []
    assert completion.constructor_arguments(tmp_path / "x.py", "B") == []
