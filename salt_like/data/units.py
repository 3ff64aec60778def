"""The unit of each field, as far as the file says it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from salt_like.data.conventions import DEFAULT_UNITS, QUANTITIES, UNIT_KINDS
from salt_like.data.source import Header


def units_of(header: Header, attributes: Mapping[str, Any]) -> dict[str, str]:
    """Unit of each field of a dataset, empty where it has none or nothing says it.

    Args:
        header: The dataset. Its attribute ``units`` gives them field by field (a list in the order of the fields, or a
            JSON object), or in words as that of the file.
        attributes: Attributes of the file; ``units`` such as ``"MeV, mm, rad"``. Without it lengths are in mm and
            angles in rad, and the unit of energies stays unknown.
    """
    own = header.attributes.get("units", "")
    if isinstance(own, Sequence) and not isinstance(own, str) and len(own) == len(header.fields):
        return {name: str(unit) for name, unit in zip(header.fields, own, strict=True)}
    if isinstance(own, str) and own.startswith("{"):
        stated = json.loads(own)
        return {name: str(stated.get(name, "")) for name in header.fields}
    words = own if isinstance(own, str) and own else str(attributes.get("units", ""))
    units = dict(DEFAULT_UNITS)
    units.update({UNIT_KINDS[word]: word for word in re.findall(r"\w+", words) if word in UNIT_KINDS})
    if units["energy"]:
        units["inverse energy"] = f"1/{units['energy']}"
    return {name: units.get(_quantity(name), "") for name in header.fields}


def _quantity(name: str) -> str:
    return next((quantity for pattern, quantity in QUANTITIES if fnmatchcase(name, pattern)), "")
