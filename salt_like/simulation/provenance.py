"""Where a simulated file comes from, as attributes of the file; nothing of the machine that made it."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import replace
from typing import Any

from salt_like.simulation import engines
from salt_like.simulation.layout import UNITS
from salt_like.simulation.processes import process
from salt_like.simulation.settings import PileupSettings, Settings
from salt_like.version import __version__

LICENCE = "CC0-1.0"


def versions() -> dict[str, str]:
    """Versions of what the rows of a file depend on.

    Raises:
        UserError: The optional packages are missing.
    """
    ours = {"salt-like": __version__}
    return {**ours, **engines.versions(), "numpy": importlib.metadata.version("numpy")}


def attributes(settings: Settings, jets: int) -> dict[str, Any]:
    """Attributes of the file.

    Args:
        settings: What is simulated.
        jets: Number of jets.
    """
    known = versions()
    return {
        "generator": f"Pythia {known['pythia8mc']} + FastJet {known['fastjet']} + parametrised detector",
        "licence": LICENCE,
        "citations": [f"{name}: {paper}" for name, paper in engines.CITATIONS.items()],
        "units": UNITS,
        "seed": settings.seed,
        "pileup": settings.pileup.mean,
        "processes": json.dumps({name: process(name).number for name in settings.mix}),
        "event": ["eventNumber"],
        "weight": "mcEventWeight",
        "command": command(settings, jets),
        "settings": settings.normalised(),
        "versions": json.dumps(known, sort_keys=True),
    }


def command(settings: Settings, jets: int) -> str:
    """What to type to make the file again; ``settings.yaml`` is a file with the content of the attribute `settings`."""
    mix = ",".join(f"{name}:{share}" for name, share in settings.mix.items())
    plain = Settings(
        settings.seed, settings.preset, settings.mix, pileup=replace(PileupSettings(), mean=settings.pileup.mean)
    )
    options = f"--jets {jets} --seed {settings.seed}"
    if plain != settings:
        return f"train simulate {options} --config settings.yaml"
    return f"train simulate {options} --preset {settings.preset} --mix {mix} --pileup {settings.pileup.mean:g}"
