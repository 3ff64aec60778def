"""`init_from`: what is taken over from another tagger, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from salt_like.cli import run_folder
from salt_like.cli.table import Table, show

if TYPE_CHECKING:
    from salt_like.training.module import Model
    from salt_like.training.origin import InitFrom, Origin, Taken

_LINES = 12


def apply(model: Model, config: dict[str, Any], wanted: InitFrom, origin: Origin | None) -> dict[str, Any]:
    """Take weights over, freeze, and say what was done; what of it goes to the run's record.

    Args:
        model: The model.
        config: The resolved configuration.
        wanted: The section ``init_from``.
        origin: The other tagger; ``None`` for a run that is continued, whose own checkpoint has the weights.
    """
    from salt_like.training.origin import begin, freeze

    if origin is None:
        return {"path": wanted.path, "frozen": list(freeze(model, wanted.freeze))}
    taken = begin(model, config["model"]["tasks"], origin, wanted.take)
    taken = replace(taken, frozen=freeze(model, wanted.freeze))
    if run_folder.is_first():
        show([table(model, origin, taken, wanted)])
    about = {"path": str(origin.path), "fingerprint": origin.fingerprint, "normalisation": wanted.normalisation}
    return about | taken.to_dict()


def table(model: Model, origin: Origin, taken: Taken, wanted: InitFrom) -> Table:
    """What was taken over, what begins at random and why, what has no place, and what is frozen.

    Args:
        model: The model.
        origin: The other tagger.
        taken: What became of the weights.
        wanted: The section ``init_from``.
    """
    sizes = {name: value.numel() for name, value in model.tagger.named_parameters()}
    reasons: dict[str, list[str]] = {}
    for name, reason in taken.left.items():
        reasons.setdefault(f"{'.'.join(name.split('.')[:2])}: {reason}", []).append(name)
    rows = [_row("taken over", taken.taken, sizes)]
    rows += [_row(f"new: {reason}", names, sizes) for reason, names in list(reasons.items())[:_LINES]]
    if len(reasons) > _LINES:
        rows.append(_row("new: others", [one for names in list(reasons.values())[_LINES:] for one in names], sizes))
    if taken.unused:
        parts = sorted({".".join(name.split(".")[:2]) for name in taken.unused})
        rows.append([f"not used: {', '.join(parts)}", str(len(taken.unused)), ""])
    rows.append(_row("frozen", taken.frozen, sizes))
    norms = "as the weights know it" if wanted.normalisation == "kept" else "of the new training files"
    return Table(f"weights from {origin.path} (normalisation {norms})", ["what", "weights", "parameters"], rows)


def _row(what: str, names: Any, sizes: dict[str, int]) -> list[str]:
    return [what, str(len(names)), str(sum(sizes.get(name, 0) for name in names))]
