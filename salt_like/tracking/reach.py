"""Whether a server answers, found out within seconds."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable

PATIENCE = 4.0  # seconds


def unreachable(url: str, patience: float = PATIENCE) -> str | None:
    """Why a server cannot be asked, ``None`` when it answers, whatever its answer is.

    Args:
        url: Address of the server, with ``http://`` or ``https://``.
        patience: Seconds after which no answer counts as none.
    """
    found: list[str | None] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=patience):
                found.append(None)
        except urllib.error.HTTPError:
            found.append(None)  # it answers, if only to say that there is nothing
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            found.append(str(reason) or type(error).__name__)

    if not within(patience, ask):
        return f"no answer within {patience:g} s"
    return found[0]


def within(seconds: float, action: Callable[[], None]) -> bool:
    """Do something, and say whether it was done in time; what takes longer goes on beside, and nobody waits for it.

    Args:
        seconds: The time.
        action: What is done; must not raise.
    """
    # looking up a name has no time limit of its own, and a thread that waits must not keep the program from ending
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
