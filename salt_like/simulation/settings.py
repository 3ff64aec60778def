"""What is simulated: everything that decides which jets come out, and nothing that does not."""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Any, TypeVar

from salt_like.errors import UserError, nearest
from salt_like.simulation.detector_settings import DetectorSettings, JetSettings
from salt_like.simulation.processes import preset, process

Made = TypeVar("Made")

LARGEST_SEED = 2**63 - 1
_LARGEST_CHUNK = 10_000
_MOST_COLLISIONS = 500


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise UserError(f"'{name}' must be at least {least}, not {value}")


def _at_most(name: str, value: float, most: float) -> None:
    if value > most:
        raise UserError(f"'{name}' must be at most {most}, not {value}")


@dataclass(frozen=True)
class PileupSettings:
    """Other collisions of protons at the same time.

    Args:
        mean: Mean number of inelastic collisions beside the hard one; Poisson distributed.
        pool: Number of different collisions that they are taken from, each time turned and mirrored at random.
    """

    mean: float = 20.0
    pool: int = 4000

    def __post_init__(self) -> None:
        _at_least("mean", self.mean, 0)
        _at_most("mean", self.mean, _MOST_COLLISIONS)
        _at_least("pool", self.pool, 1)


@dataclass(frozen=True)
class BeamSettings:
    """The beams of protons.

    Args:
        energy: Energy of both protons together in GeV.
        width: Spread of the collisions across the beam, each of x and y, in mm.
        length: Spread of the collisions along the beam in mm.
    """

    energy: float = 13_000.0
    width: float = 0.010
    length: float = 42.0

    def __post_init__(self) -> None:
        _at_least("energy", self.energy, 1000)
        _at_least("width", self.width, 0)
        _at_least("length", self.length, 0)


@dataclass(frozen=True)
class Settings:
    """One sample, up to the number of its jets: the first jets are the same whatever that number is.

    Args:
        seed: Of all random numbers; samples of different seeds have nothing in common, pile-up included.
        preset: Kind of sample.
        mix: Share of the events of each process, in whole numbers; the preset's if empty.
        chunk: Number of events that are simulated together.
        pileup: Other collisions at the same time.
        beam: The protons.
        jets: Clustering and selection of jets.
        detector: Everything about the detector.

    Raises:
        UserError: A value is out of range or a name unknown.
    """

    seed: int
    preset: str = "flavour"
    mix: Mapping[str, int] = field(default_factory=dict)
    chunk: int = 100
    pileup: PileupSettings = PileupSettings()
    beam: BeamSettings = BeamSettings()
    jets: JetSettings = field(default_factory=JetSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)

    def __post_init__(self) -> None:
        _at_least("seed", self.seed, 0)
        _at_most("seed", self.seed, LARGEST_SEED)
        _at_least("chunk", self.chunk, 1)
        _at_most("chunk", self.chunk, _LARGEST_CHUNK)
        usual = preset(self.preset).mix
        object.__setattr__(self, "mix", dict(sorted(parse_mix(self.mix or usual).items())))

    def normalised(self) -> str:
        """The settings as JSON: the same text for the same sample. It is also a configuration that makes it again."""
        return json.dumps(asdict(self), sort_keys=True)


def read(content: Mapping[str, Any], where: str) -> Settings:
    """Settings from the content of a YAML file.

    Args:
        content: Nested keys and values. ``mix`` may be a text such as ``"ttbar:5,qcd:1"``, and ``pileup`` a number.
        where: The file, for messages.

    Raises:
        UserError: A key is unknown, with the nearest one, or a value is of the wrong type or out of range.
    """
    given = dict(content)
    if "mix" in given:
        given["mix"] = parse_mix(given["mix"])
    if isinstance(given.get("pileup"), (int, float)) and not isinstance(given["pileup"], bool):
        given["pileup"] = {"mean": given["pileup"]}
    for name in ("out", "jets", "workers", "resume", "check"):
        if name in given and not isinstance(given[name], Mapping):
            raise UserError(f"'{name}' in {where} is no setting of the sample: give it as --{name}")
    if "seed" not in given:
        raise UserError("no seed: give --seed, another one for each file, or files share their events")
    return _made(Settings, given, "", where)


def parse_mix(given: object) -> dict[str, int]:
    """Shares of events of each process in the smallest whole numbers.

    Args:
        given: ``"ttbar:5,zprime800:1.5"``, where ``:1`` may be left out, or a mapping of names to shares.

    Raises:
        UserError: It is malformed, a process unknown or given twice, or a share no positive number.
    """
    if isinstance(given, str):
        pairs = [_pair(entry, given) for entry in given.split(",")]
    elif isinstance(given, Mapping):
        pairs = [(str(name), share) for name, share in given.items()]
    else:
        raise UserError(f"the mix must look like ttbar:5,qcd:1, not {given!r}")
    shares: dict[str, Fraction] = {}
    for name, share in pairs:
        process(name)
        if name in shares:
            raise UserError(f"the mix names the process '{name}' twice")
        shares[name] = _share(name, share)
    if not shares:
        raise UserError("the mix names no process; it must look like ttbar:5,qcd:1")
    return _whole(shares)


def _pair(entry: str, mix: str) -> tuple[str, str]:
    name, colon, share = entry.strip().partition(":")
    if not name.strip() or (colon and not share.strip()) or ":" in share:
        raise UserError(f"malformed mix '{mix}': '{entry.strip()}' is no process with its share\nwrite: ttbar:5,qcd:1")
    return name.strip(), share.strip() or "1"


def _share(name: str, share: object) -> Fraction:
    try:
        number = Fraction(str(share))
    except (ValueError, ZeroDivisionError):
        raise UserError(f"the share of '{name}' in the mix must be a positive number, not '{share}'") from None
    rounded = number.limit_denominator(1000)
    if isinstance(share, bool) or rounded <= 0 or rounded > 1_000_000:
        raise UserError(f"the share of '{name}' in the mix must be from 0.001 to 1000000, not '{share}'")
    return rounded


def _whole(shares: Mapping[str, Fraction]) -> dict[str, int]:
    common = math.lcm(*(share.denominator for share in shares.values()))
    whole = {name: int(share * common) for name, share in shares.items()}
    divisor = math.gcd(*whole.values())
    return {name: share // divisor for name, share in whole.items()}


def _made(kind: type[Made], content: object, key: str, where: str) -> Made:
    """A dataclass from a mapping, its own dataclasses likewise."""
    if not isinstance(content, Mapping):
        raise UserError(f"'{key}' must be a mapping of keys to values, not {content!r}\nin {where}")
    types = typing.get_type_hints(kind)
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in content.items():
        full = f"{key}.{name}" if key else str(name)
        if name not in known:
            raise UserError(
                f"unknown key '{full}'{nearest(str(name), known)}\nin {where}\n{_listed(known, key or 'settings')}"
            )
        wanted = types[name]
        if isinstance(wanted, type) and is_dataclass(wanted):
            values[name] = _made(wanted, value, full, where)
        else:
            values[name] = _value(wanted, value, full, where)
    try:
        return kind(**values)
    except UserError as error:
        if not key:
            raise
        text = str(error)
        raise UserError(f"'{key}.{text[1:]}\nin {where}" if text.startswith("'") else f"{text}\nin {where}") from None


def _value(wanted: Any, value: object, key: str, where: str) -> Any:
    """A plain value, checked against the type of its field; whole numbers are floats where those are wanted."""
    if typing.get_origin(wanted) is tuple:
        if not isinstance(value, (list, tuple)) or not value:
            raise UserError(f"'{key}' must be a list of numbers, not {value!r}\nin {where}")
        return tuple(_value(float, one, key, where) for one in value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    plain = typing.get_origin(wanted) or (wanted if isinstance(wanted, type) else object)
    if not isinstance(value, plain) or (isinstance(value, bool) and wanted is not bool):
        names = {int: "a whole number", float: "a number", str: "a text"}
        raise UserError(f"'{key}' must be {names.get(wanted, wanted)}, not {value!r}\nin {where}")
    if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
        raise UserError(f"'{key}' must be a number from 0 on, not {value}\nin {where}")
    return value


def _listed(names: Iterable[str], title: str) -> str:
    text = f"keys of {title}: {', '.join(names)}"
    return text if len(text) < 400 else f"{text[:400]} …"
