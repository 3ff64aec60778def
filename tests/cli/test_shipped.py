from __future__ import annotations

import pytest

from salt_like.cli import shipped, yaml_file
from salt_like.errors import UserError


def test_bare_names_with_and_without_suffix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.find("gn2-small") == shipped.find("gn2-small.yaml") == shipped.FOLDER / "gn2-small.yaml"


def test_a_file_wins_over_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gn2.yaml").write_text("name: mine")
    assert shipped.find("gn2.yaml") == tmp_path / "gn2.yaml"
    assert shipped.find("gn2") == shipped.FOLDER / "gn2.yaml"


def test_the_nearest_of_both_kinds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(UserError, match=r"no configuration 'gn2-smal' \(did you mean 'gn2-small'\?\)"):
        shipped.find("gn2-smal")
    with pytest.raises(UserError, match=r"did you mean 'mine.yaml'\?"):
        shipped.find("mime.yaml")
    with pytest.raises(UserError, match=r"shipped configurations: .*gn2, gn2-small"):
        shipped.find("nowhere/gn2")


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        shipped.find(str(tmp_path))


@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_configuration_reads_and_is_short(name):
    path = shipped.find(name)
    assert yaml_file.read(path)
    assert len(path.read_text().splitlines()) < 60
