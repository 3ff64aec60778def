"""What figures say: names, colours and lines of classes, variables with their units, and what was measured where."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from salt_like.figures.style import (
    BLUE,
    DASH_DOTTED,
    DASHED,
    DOTTED,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    YELLOW,
)

Part = Mapping[str, Any]  # numbers of all jets or of a range, as `parts` returns them

FLAVOURS = {"u": "light jets", "light": "light jets", "c": "c jets", "b": "b jets", "tau": "tau jets"}
_COLOURS = {"light jets": GREEN, "c jets": ORANGE, "b jets": BLUE, "tau jets": PINK}
_LINES: dict[str, Any] = {"light jets": DASHED, "c jets": DASH_DOTTED, "b jets": "solid", "tau jets": DOTTED}
_MARKERS = {"light jets": "s", "c jets": "D", "b jets": "o", "tau jets": "P"}  # a triangle is a limit
OTHERS = (SKY, VERMILION, GREY, YELLOW, "#444444", "#7F4F24")  # colours of classes that are no flavour
TAGGERS = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION)
TAGGER_LINES: tuple[Any, ...] = ("solid", DASHED, DASH_DOTTED, DOTTED)
GEV = {"MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}
PILEUP = {"n_pileup": "number of pile-up collisions", "npv": "number of vertices", "nPV": "number of vertices"}
MOMENTA = ("pt", "pT", "jet_pt", "pt_btagJes")


def parts(metrics: Mapping[str, Any]) -> list[Part]:
    """The numbers of all jets and of each range, each with what is common to them.

    Args:
        metrics: The content of a metrics file.
    """
    ranges = metrics["by_range"]
    common = {key: metrics.get(key) for key in ("sample", "model", "weight", "generator")}
    return [{**common, **one} for one in (metrics, *ranges)]


def of_class(name: str) -> str:
    """A class in words: ``b jets`` for ``bjets``."""
    return FLAVOURS.get(name.removesuffix("jets"), name)


def jet_of(name: str) -> str:
    """A class before a noun: ``b-jet`` for ``bjets``."""
    said = of_class(name)
    return f"{said.removesuffix(' jets')}-jet" if said.endswith(" jets") else said


def look(name: str, index: int) -> dict[str, Any]:
    """Colour and line of a class, told apart without colours too.

    Args:
        name: The class.
        index: Its number among all.
    """
    said = of_class(name)
    colour = _COLOURS.get(said, OTHERS[index % len(OTHERS)])
    return {"color": colour, "linestyle": _LINES.get(said, TAGGER_LINES[index % len(TAGGER_LINES)])}


def marker(name: str, index: int) -> str:
    """Marker of a class.

    Args:
        name: The class.
        index: Its number among all.
    """
    return _MARKERS.get(of_class(name), "osDPXp"[index % 6])


def variable(kind: str, field: str, unit: str) -> tuple[str, float]:
    """What stands at an axis, and what the file's values are multiplied by.

    Args:
        kind: ``momentum``, ``pseudorapidity``, ``number`` or ``pile-up``.
        field: The variable.
        unit: Its unit.
    """
    if kind == "number":
        return f"number of {field}", 1.0
    if kind == "pile-up":
        return PILEUP.get(field, f"pile-up ({field})"), 1.0
    if kind == "pseudorapidity":
        return "jet |η|", 1.0
    return ("jet pT [GeV]", GEV[unit]) if unit in GEV else (with_unit(field, unit), 1.0)


def in_gev(unit: str) -> tuple[str, float]:
    """The unit that is shown and what values are multiplied by: GeV for energies, else as they are."""
    return ("GeV", GEV[unit]) if unit in GEV else (unit, 1.0)


def with_unit(name: str, unit: str) -> str:
    """A name with its unit in brackets."""
    return f"{name} [{unit}]" if unit else name


def within(one: Mapping[str, Any] | None) -> str:
    """A range of the jets in words; momenta in GeV.

    Args:
        one: A range as in the metrics file, ``None`` for all jets.
    """
    if one is None:
        return ""
    name, unit, factor = one["field"], one["unit"], 1.0
    if name in MOMENTA and unit in GEV:
        name, unit, factor = "pT", "GeV", GEV[unit]
    low, high = one["low"], one["high"]
    unit = f" {unit}" if unit else ""
    if high is None:
        return f"{name} ≥ {low * factor:g}{unit}"
    return f"{'' if low is None else f'{low * factor:g} ≤ '}{name} < {high * factor:g}{unit}"


def head(part: Part) -> list[str]:
    """Sample, range, number of jets, weights and model; and that it is a simulation where the file says so.

    Args:
        part: The numbers.
    """
    jets = f"{'' if part['range'] else 'all '}{part['jets']:,} jets"
    pieces = [part["sample"], within(part["range"]), jets, f"model {part['model']}"]
    if part["weight"]:
        pieces.append(f"weighted by {part['weight']} (effective number {part['effective_jets']:.4g})")
    said = [", ".join(piece for piece in pieces if piece)]
    origin = simulated(part["generator"] or "")
    return [*said, origin] if origin else said


def simulated(generator: str) -> str:
    """What made the jets, for files that say that they were simulated by Pythia with a parametrised detector."""
    known = generator.startswith("Pythia 8") and "parametrised" in generator
    return "Simulation (Pythia 8 + parametrised tracker)" if known else ""


def definition(name: str, one: Mapping[str, Any]) -> str:
    """A discriminant as a formula.

    Args:
        name: Its name.
        one: Its numbers in the metrics file.
    """
    mixture = " + ".join(f"{share:g} p({short(of)})" for of, share in one["background"].items())
    return f"{name} = ln p({short(one['signal'])}) / ({mixture})"


def short(name: str) -> str:
    """A class in a formula: ``b`` for ``bjets``."""
    return of_class(name).removesuffix(" jets")


def made(part: Part, one: Mapping[str, Any], kind: str = "fixed") -> str:
    """Where the cuts of a discriminant come from.

    Args:
        part: The numbers of the sample.
        one: Those of the discriminant.
        kind: ``fixed`` or ``flat``.
    """
    here = "this sample" if one["cuts_from"] == part["sample"] else one["cuts_from"]
    where = within(one["cuts_range"]) if kind == "fixed" else ""
    return f"cuts made on {here}" + (f", {where}" if where else "")


def prior(one: Mapping[str, Any]) -> str:
    """The class fractions for which probabilities hold.

    Args:
        one: Numbers of a task or discriminant.
    """
    temperature = one.get("temperature") or 1
    tempered = f", temperature {temperature:.4g}" if temperature != 1 else ""
    assumed = one["assumed_prior"]
    if not assumed:
        return f"prior: class fractions of the training{tempered}"
    shares = ", ".join(f"{100 * share:.3g} % {short(name)}" for name, share in assumed.items())
    return f"prior: {shares}{tempered}"


def wrapped(lines: list[str], width: float, size: float) -> list[str]:
    """Lines that fit.

    Args:
        lines: The text.
        width: Inches.
        size: Of the letters, in points.
    """
    letters = int(width * 72 / (0.56 * size))
    return [short for line in lines for short in textwrap.wrap(line, letters)]
