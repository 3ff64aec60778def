from __future__ import annotations

import json
import shlex

import pytest

from salt_like.simulation import provenance
from salt_like.simulation.provenance import attributes, command
from salt_like.simulation.settings import Settings, read


@pytest.fixture(autouse=True)
def _versions(monkeypatch):
    monkeypatch.setattr(provenance, "versions", lambda: {"salt-like": "1", "pythia8mc": "8.317.2", "fastjet": "3.5.2"})


def test_what_a_file_says_of_itself():
    settings = read({"seed": 5, "mix": "ttbar:2,zprime800:1", "pileup": 35}, "")
    found = attributes(settings, 1000)
    assert found["seed"] == 5
    assert found["licence"] == "CC0-1.0"
    assert found["units"] == "MeV, mm, rad"
    assert json.loads(found["processes"]) == {"ttbar": 1, "zprime800": 800}
    assert any("arXiv:2203.11601" in one for one in found["citations"])
    assert any("EPJC 72 (2012) 1896" in one for one in found["citations"])
    assert "Pythia 8.317.2 + FastJet 3.5.2" in found["generator"]
    assert read(json.loads(found["settings"]), "") == settings


def test_the_command_makes_the_file_again():
    settings = read({"seed": 5, "mix": "zprime800:1,ttbar:2", "pileup": 3.5}, "")
    text = command(settings, 1000)
    assert text == "train simulate --jets 1000 --seed 5 --preset flavour --mix ttbar:2,zprime800:1 --pileup 3.5"
    words = shlex.split(text)
    options = dict(zip(words[2::2], words[3::2], strict=True))
    content = {"seed": int(options["--seed"]), "mix": options["--mix"], "pileup": float(options["--pileup"])}
    assert read(content, "") == settings


def test_the_command_refers_to_the_settings_where_options_are_not_enough():
    changed = Settings(5, chunk=50)
    assert command(changed, 10) == "train simulate --jets 10 --seed 5 --config settings.yaml"
