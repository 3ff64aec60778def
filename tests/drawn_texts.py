"""What stands in a figure: its texts, and whether they overlap."""

from __future__ import annotations

from typing import Any


def texts(figure: Any) -> str:
    """All text of a figure outside of its axes."""
    return "\n".join(text.get_text() for text in figure.texts)


def collisions(figure: Any) -> list[tuple[str, str]]:
    """Pairs of texts that overlap, or texts that leave the figure, of its head, labels, titles and tick labels."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    shown = list(figure.texts)
    for axes in figure.axes:
        ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
        visible = [one for one in ticks if one.get_visible() and _inside(axes, one)]
        shown += [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title, *visible]
    boxes = [(one.get_text(), one.get_window_extent(renderer)) for one in shown if one.get_text().strip()]
    boxes = [(text, box) for text, box in boxes if box.width > 1]
    edge = figure.bbox
    found = [
        (text, "edge")
        for text, box in boxes
        if box.x0 < edge.x0 - 1 or box.x1 > edge.x1 + 1 or box.y0 < edge.y0 - 1 or box.y1 > edge.y1 + 1
    ]
    for place, (text, box) in enumerate(boxes):
        # a pixel less: letters do not fill their box
        found += [(text, other) for other, second in boxes[place + 1 :] if box.padded(-1).overlaps(second.padded(-1))]
    return found


def _inside(axes: Any, label: Any) -> bool:
    """Labels of ticks beyond the limits are not drawn."""
    x, y = label.get_position()
    is_x = label in axes.get_xticklabels()
    low, high = sorted(axes.get_xlim() if is_x else axes.get_ylim())
    at = x if is_x else y
    return bool(low - 1e-9 * abs(low) <= at <= high * (1 + 1e-9) if high > 0 else low <= at <= high)
