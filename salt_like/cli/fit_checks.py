"""What `train fit` refuses before anything is trained."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from salt_like.cli.build import Parsed


def trainer(arguments: dict[str, Any]) -> None:
    """Refuse a training without steps, of which no checkpoint would come, and clipping that cannot be.

    Args:
        arguments: The section ``trainer``.

    Raises:
        UserError: A value cannot be meant.
    """
    for key in ("max_epochs", "max_steps", "limit_train_batches"):
        if arguments.get(key) == 0:
            raise UserError(f"trainer.{key} = 0: nothing would be trained\ngive at least 1, or leave it out")
    clip = arguments.get("gradient_clip_val")
    # Lightning and torch take a negative one, and turn every gradient around
    if clip is not None and not (isinstance(clip, (int, float)) and 0 <= clip < math.inf):
        raise UserError(f"trainer.gradient_clip_val = {clip}: a number above 0, or 0 or null for no clipping")


def parsed(found: Parsed) -> None:
    """Refuse an optimiser that cannot make a step, and learned weights of losses that can become negative.

    Args:
        found: Model and data.

    Raises:
        UserError: One of the two.
    """
    from salt_like.training.optimisers import rehearse

    rehearse(found.model.optimizer, found.model.scheduler, found.model)
    if not found.model.combine.learns:
        return
    number = found.data.negative_weights
    if number:
        raise UserError(
            "model.weighting: uncertainty cannot be used with jets of negative weight; "
            f"the training sample has {number}\nweight of the jets: data.weight: {found.data.splits.weight}\n"
            "a loss that becomes negative would drive its learned weight to infinity; use model.weighting: fixed"
        )


def of_early_stopping(error: RuntimeError) -> Exception:
    """What `EarlyStopping` says about a metric that is not there, as a message for the user; any other error as is.

    Args:
        error: Raised by the training.
    """
    found = re.search(r"conditioned on metric `(.*?)` which is not available", str(error))
    if found is None:
        return error
    known = [name for name in re.findall(r"`(.*?)`", str(error)) if "/" in name and name != found[1]]
    return UserError(
        f"trainer.callbacks: EarlyStopping watches '{found[1]}'{nearest(found[1], known)}, which is not measured\n"
        f"measured are: {', '.join(known)[:400] or 'none'}"
    )
