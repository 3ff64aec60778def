"""Combinations of the class probabilities of jets, such as Db."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salt_like.data.conventions import DISCRIMINANTS
from salt_like.errors import UserError, nearest
from salt_like.spec import Discriminant


def resolve_discriminants(
    config: Mapping[str, Mapping[str, Any]] | None, classes: Sequence[Sequence[str]]
) -> tuple[Discriminant, ...]:
    """Discriminants of the configuration, or the usual ones of flavour tagging where the classes allow them.

    Args:
        config: Name → ``{signal: class, background: {class: fraction}}``; ``None`` for the usual ones.
        classes: Class names of each label of the global stream.

    Raises:
        UserError: A class does not exist, or fractions are negative or do not sum to 1.
    """
    if config is None:
        flavours = next((names for names in classes if {"bjets", "cjets", "ujets"} <= set(names)), ())
        return tuple(_usual(name, flavours) for name in DISCRIMINANTS) if flavours else ()
    return tuple(_checked(name, one, classes) for name, one in config.items())


def _usual(name: str, classes: Sequence[str]) -> Discriminant:
    signal, fractions, rest = DISCRIMINANTS[name]
    background = {other: fraction for other, fraction in fractions.items() if other in classes}
    return Discriminant(name, signal, {**background, rest: round(1 - sum(background.values()), 10)})


def _checked(name: str, one: Mapping[str, Any], classes: Sequence[Sequence[str]]) -> Discriminant:
    where = f"data.discriminants.{name}"
    for key in one:
        if key not in ("signal", "background"):
            raise UserError(f"{where} has no key '{key}'{nearest(key, ['signal', 'background'])}")
    signal, background = one.get("signal"), one.get("background")
    if not isinstance(signal, str) or not isinstance(background, Mapping) or not background:
        raise UserError(f"{where} needs a signal class and a background of class → fraction, not {dict(one)}")
    needed = {signal, *background}
    everything = sorted({name for names in classes for name in names})
    allowed = f"classes of the jets: {', '.join(everything) or 'none, no task classifies jets'}"
    if not any(needed <= set(names) for names in classes):
        odd = next((name for name in (signal, *background) if name not in everything), signal)
        raise UserError(f"{where} needs the class '{odd}'{nearest(odd, everything)}\n{allowed}")
    for key, value in background.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserError(f"{where}.background.{key} = {value!r}: expected a number\n{allowed}")
    fractions = {key: float(value) for key, value in background.items()}
    if signal in fractions:
        raise UserError(f"{where}: '{signal}' is both signal and background\n{allowed}")
    if not min(fractions.values()) >= 0 or not abs(sum(fractions.values()) - 1) <= 1e-6:
        raise UserError(
            f"{where}.background: fractions must be at least 0 and sum to 1, not to {sum(fractions.values()):g}: "
            f"{fractions}\n{allowed}"
        )
    return Discriminant(name, signal, fractions)
