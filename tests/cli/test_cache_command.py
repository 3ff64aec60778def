from __future__ import annotations

from conftest import SMALL

from salt_like.cli import main as dispatcher


def test_list_and_clear(tmp_path, capsys):
    assert dispatcher.main(["cache", "list"]) == 0
    assert capsys.readouterr().out == f"no packed copies in {tmp_path / 'cache'}\n"
    assert dispatcher.main(["fit", *SMALL, "--run", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert dispatcher.main(["cache", "list"]) == 0
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith(f"packed copies in {tmp_path / 'cache'}")
    assert sorted(row.split()[1] for row in rows) == ["200", "300"]
    assert all("complete" in row for row in rows)
    assert dispatcher.main(["cache", "clear", "--dir", str(tmp_path / "other")]) == 0
    assert capsys.readouterr().out.startswith("removed 0 copies")
    assert dispatcher.main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("removed 2 copies")
    assert dispatcher.main(["cache", "list"]) == 0
    assert "no packed copies" in capsys.readouterr().out


def test_unknown_action(capsys):
    assert dispatcher.main(["cache", "remove"]) == 2
    assert "invalid choice: 'remove'" in capsys.readouterr().err
