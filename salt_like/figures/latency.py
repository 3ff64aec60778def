"""How long a graph takes for a jet against the number of its constituents, for several batch sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from salt_like.figures.frame import frame
from salt_like.figures.style import BLUE, GREEN, GREY, ORANGE, PARAMETERS, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, GREEN, VERMILION)
MARKERS = ("o", "s", "^", "D")


def latency(content: Mapping[str, Any]) -> Figure:
    """A panel for each number of threads, a line for each batch size, a band for the central 68 % of the repetitions.

    Args:
        content: What ``train bench BUNDLE --json`` writes.
    """
    from matplotlib import rc_context

    machine = content["machine"]
    points = content["points"]
    threads = sorted({one["threads"] for one in points})
    about = [
        f"{content['model']}, profile {content['profile']}, onnxruntime {machine['onnxruntime']}",
        f"{machine['processor']}, {machine['cores']} cores; median and central 68 % of the repetitions",
    ]
    with rc_context(PARAMETERS):
        figure, grid = frame(
            "Time per jet",
            about,
            0.7 + 2.7 * max(len(threads), 1),
            2.6,
            1,
            max(len(threads), 1),
            above=0.3,
            wspace=0.12,
        )
        first = None
        for column, number in enumerate(threads):
            axes = figure.add_subplot(grid[0, column], sharey=first)
            first = first or axes
            _panel(axes, [one for one in points if one["threads"] == number])
            axes.set_title(f"{number} thread{'s' if number > 1 else ''}")
            axes.set_xlabel("constituents per jet")
            axes.axvline(content["most_in_training"], color=GREY, linewidth=0.6, linestyle=(0, (4, 2)))
            if column == 0:
                axes.set_ylabel("microseconds per jet")
                axes.legend(title="jets at a time", title_fontsize=6, loc="upper left")
            else:
                axes.tick_params(labelleft=False)
    return figure


def _panel(axes: Any, points: list[Mapping[str, Any]]) -> None:
    axes.set_yscale("log")
    for number, batch in enumerate(sorted({one["batch"] for one in points})):
        own = sorted((one for one in points if one["batch"] == batch), key=lambda one: int(one["constituents"]))
        x, median, low, high = ([one[key] for one in own] for key in ("constituents", "median", "low", "high"))
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(x, median, color=colour, marker=MARKERS[number % len(MARKERS)], markersize=2.6, label=str(batch))
        axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
