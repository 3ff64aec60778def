from __future__ import annotations

import re
from pathlib import Path

import pytest

from salt_like.errors import UserError
from salt_like.simulation.detector_settings import (
    CalorimeterSettings,
    DetectorSettings,
    JetSettings,
    TrackerSettings,
    parameters,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulation.md"
TABLES = {"detector.tracker": TrackerSettings, "detector.calorimeter": CalorimeterSettings, "jets": JetSettings}


def shown(value):
    return ", ".join(f"{one:g}" for one in value) if isinstance(value, tuple) else f"{value:g}"


def table(settings):
    """Rows of the documentation: key, default, unit, meaning, origin."""
    cells = [(f"`{name}`", shown(default), *texts) for name, default, *texts in parameters(settings)]
    rows = [("key", "default", "unit", "meaning", "origin"), ("---",) * 5, *cells]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


@pytest.mark.parametrize("key", TABLES)
def test_documentation_has_every_number(key):
    """If it fails, the table to be pasted stands in the message."""
    section = re.search(
        rf"^`{re.escape(key)}`:\n\n(\|.*?)\n\n", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    expected = table(TABLES[key])
    assert section is not None, expected
    assert section[1] == expected, expected


@pytest.mark.parametrize("kind", TABLES.values())
def test_every_number_has_a_meaning_and_an_origin(kind):
    for name, default, _, meaning, origin in parameters(kind):
        assert len(meaning) > 5, name
        assert origin, name
        assert default is not None


@pytest.mark.parametrize(
    ("kind", "numbers", "message"),
    [
        (TrackerSettings, {"hadron_efficiency": 1.2}, "'hadron_efficiency' must be from 0 to 1, not 1.2"),
        (TrackerSettings, {"solenoid": 0.0}, "'solenoid' must be at least 0.1, not 0.0"),
        (
            TrackerSettings,
            {"pixel_radii": (33.0,)},
            "'pixel_radii' must be two or more numbers that increase, not [33.0]",
        ),
        (TrackerSettings, {"strip_radii": (3.0, 2.0)}, "'strip_radii' must be two or more numbers that increase"),
        (TrackerSettings, {"pixel_radii": (-1.0, 2.0)}, "'pixel_radii' must be at least 1, not [-1.0, 2.0]"),
        (CalorimeterSettings, {"patch": 2.0}, "'patch' must be from 0.05 to 1.5, not 2.0"),
        (JetSettings, {"radius": 0.0}, "'radius' must be from 0.1 to 1.5, not 0.0"),
    ],
)
def test_numbers_have_limits(kind, numbers, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        kind(**numbers)


def test_defaults_are_within_their_limits():
    assert DetectorSettings() == DetectorSettings(TrackerSettings(), CalorimeterSettings())
