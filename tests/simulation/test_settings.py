from __future__ import annotations

import json

import pytest
import yaml

from salt_like.cli.yaml_file import parse
from salt_like.errors import UserError
from salt_like.simulation.settings import LARGEST_SEED, BeamSettings, PileupSettings, Settings, parse_mix, read


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ttbar:5,zprime800:1,zprime2000:1,ccbar:1.5,qcd:1",
         {"ttbar": 10, "zprime800": 2, "zprime2000": 2, "ccbar": 3, "qcd": 2}),
        ("ttbar", {"ttbar": 1}),
        (" ttbar : 4 , qcd:2 ", {"ttbar": 2, "qcd": 1}),
        ({"qcd": 0.1, "ttbar": 0.3}, {"qcd": 1, "ttbar": 3}),
        ("qcd:1e-3,ttbar:1", {"qcd": 1, "ttbar": 1000}),
    ],
)  # fmt: skip
def test_mix(given, expected):
    assert parse_mix(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ttbr:5", r"unknown process 'ttbr' \(did you mean 'ttbar'\?\)"),
        ("ttbar:5,", "malformed mix 'ttbar:5,': '' is no process"),
        ("ttbar:", "'ttbar:' is no process with its share"),
        ("ttbar:1:2", "'ttbar:1:2' is no process with its share"),
        (":3", "':3' is no process"),
        ("", "malformed mix"),
        ("ttbar:1,ttbar:2", "names the process 'ttbar' twice"),
        ("ttbar:0", "share of 'ttbar' in the mix must be from 0.001 to 1000000, not '0'"),
        ("ttbar:-1", "not '-1'"),
        ("ttbar:1e-9", "from 0.001"),
        ("ttbar:nan", "must be a positive number, not 'nan'"),
        ("ttbar:inf", "must be a positive number, not 'inf'"),
        ("ttbar:much", "must be a positive number, not 'much'"),
        ("ttbar:1/0", "must be a positive number"),
        ({"ttbar": True}, "must be a positive number, not 'True'"),
        ({}, "names no process"),
        (["ttbar"], r"must look like ttbar:5,qcd:1, not \['ttbar'\]"),
        ("zprime20:1", "Z' of 20 GeV: the mass must be from 50 to 6000 GeV"),
        ("zprime9999", "Z' of 9999 GeV"),
    ],
)
def test_malformed_mix(given, message):
    with pytest.raises(UserError, match=message):
        parse_mix(given)


def test_settings_from_yaml():
    content = yaml.safe_load("""
        seed: 7
        mix: qcd:2,ttbar:4
        pileup: 35
        beam: {energy: 14000}
        jets: {radius: 1.0}
        detector: {tracker: {fake_fraction: 0, pixel_radii: [40, 60.5]}}
    """)
    settings = read(content, "sim.yaml")
    assert settings.mix == {"qcd": 1, "ttbar": 2}
    assert settings.pileup == PileupSettings(mean=35.0)
    assert settings.beam == BeamSettings(energy=14000.0)
    assert settings.jets.radius == 1.0
    assert settings.detector.tracker.fake_fraction == 0.0
    assert settings.detector.tracker.pixel_radii == (40.0, 60.5)
    assert read({"seed": 7}, "").mix == {"ttbar": 6, "zprime200": 1, "zprime800": 1, "zprime2000": 1}


def test_the_same_settings_are_the_same_text_and_a_configuration():
    one = read({"seed": 1, "mix": "ttbar:2,qcd:1", "pileup": 20}, "")
    other = read({"mix": {"qcd": 2, "ttbar": 4.0}, "seed": 1, "preset": "flavour"}, "")
    assert one.normalised() == other.normalised()
    assert one.normalised() != read({"seed": 2, "mix": "ttbar:2,qcd:1"}, "").normalised()
    assert read(parse(one.normalised(), ""), "") == one
    assert json.loads(one.normalised())["pileup"] == {"mean": 20.0, "pool": 4000}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no seed: give --seed"),
        ({"seed": 1, "pielup": 3}, r"unknown key 'pielup' \(did you mean 'pileup'\?\)\nin sim.yaml"),
        ({"seed": 1, "detector": {"tracker": {"fake_fracton": 3}}},
         r"unknown key 'detector.tracker.fake_fracton' \(did you mean 'fake_fraction'\?\)"),
        ({"seed": 1, 3: 4}, "unknown key '3'"),
        ({"seed": "one"}, "'seed' must be a whole number, not 'one'"),
        ({"seed": True}, "'seed' must be a whole number, not True"),
        ({"seed": 1.0}, "'seed' must be a whole number, not 1.0"),
        ({"seed": -1}, "'seed' must be at least 0, not -1"),
        ({"seed": LARGEST_SEED + 1}, "'seed' must be at most"),
        ({"seed": 1, "chunk": 0}, "'chunk' must be at least 1, not 0"),
        ({"seed": 1, "chunk": 100_000}, "'chunk' must be at most 10000"),
        ({"seed": 1, "preset": "flavor"}, r"unknown preset 'flavor' \(did you mean 'flavour'\?\)\npresets: flavour"),
        ({"seed": 1, "preset": "boosted"}, "unknown preset 'boosted'"),
        ({"seed": 1, "pileup": -1}, "'pileup.mean' must be a number from 0 on, not -1.0"),
        ({"seed": 1, "pileup": float("nan")}, "'pileup.mean' must be a number from 0 on, not nan"),
        ({"seed": 1, "pileup": {"pool": 0}}, "'pileup.pool' must be at least 1, not 0"),
        ({"seed": 1, "pileup": True}, "'pileup' must be a mapping of keys to values, not True"),
        ({"seed": 1, "beam": {"energy": 1}}, "'beam.energy' must be at least 1000"),
        ({"seed": 1, "jets": 100}, "'jets' in sim.yaml is no setting of the sample: give it as --jets"),
        ({"seed": 1, "workers": 2}, "'workers' in sim.yaml is no setting of the sample: give it as --workers"),
        ({"seed": 1, "jets": {"minimum_pt": 4}}, "'jets.minimum_pt' must be at least 5, not 4.0\nin sim.yaml"),
        ({"seed": 1, "pileup": 501}, "'pileup.mean' must be at most 500, not 501.0\nin sim.yaml"),
        ({"seed": 1, "jets": {"radius": "big"}}, "'jets.radius' must be a number, not 'big'"),
        ({"seed": 1, "detector": {"tracker": {"pixel_radii": 3}}}, "must be a list of numbers, not 3"),
        ({"seed": 1, "detector": {"tracker": {"pixel_radii": ["a"]}}}, "must be a number, not 'a'"),
    ],
)  # fmt: skip
def test_bad_settings(content, message):
    with pytest.raises(UserError, match=message) as caught:
        read(content, "sim.yaml")
    assert len(str(caught.value).splitlines()) <= 5


def test_settings_of_one_sample_are_compared_by_value():
    assert Settings(1, mix={"qcd": 1, "ttbar": 2}) == Settings(1, mix={"ttbar": 4, "qcd": 2})
