from __future__ import annotations

from salt_like.cli import main as dispatcher

QUICK = ["--seconds", "0.05", "--batches", "2", "--data.batch_size=100"]


def test_shows_the_speed_of_a_configuration(capsys):
    assert (
        dispatcher.main(["--debug", "bench", "quickstart", *QUICK, "--model.dim=8", "--model.encoder.out_dim=8"]) == 0
    )
    shown = capsys.readouterr().out
    for work in ("loader alone", "forward", "training step", "prediction"):
        assert work in shown
    assert "matrix product" in shown
    assert "thread(s)" in shown


def test_shows_the_speed_of_a_run(trained, capsys):
    assert dispatcher.main(["--debug", "bench", str(trained), *QUICK]) == 0
    assert "training step" in capsys.readouterr().out


def test_names_a_configuration_that_is_not_there(capsys):
    assert dispatcher.main(["bench", "quickstrat"]) == 2
    assert "did you mean 'quickstart'" in capsys.readouterr().err


def test_a_number_of_batches_is_positive(trained, capsys):
    assert dispatcher.main(["bench", str(trained), "--batches=0"]) == 2
    assert "--batches" in capsys.readouterr().err
