"""The report as one HTML file that needs nothing else: title, what is outside, figure, tables."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path

from salt_like.atomic import write_atomically
from salt_like.figures.style import write_to
from salt_like.simulation.check import figures
from salt_like.simulation.check.panels import PANELS, Panel
from salt_like.simulation.check.report import Report
from salt_like.simulation.check.verdict import FEW, MISSING, OK, OUTSIDE, Grid, Row, Section

_CLASS = {OK: "ok", OUTSIDE: "outside", FEW: "few", MISSING: "missing"}
HOW = (
    "Errors are those of leaving out one of 32 groups of events after the other; shares have at least their binomial "
    "error. A number is outside when it lies more than three standard errors beyond what is expected; where there are "
    "not enough jets to decide, the report says so. Widths are half of the range of the central 68 %. "
    "Energies are in GeV, whatever the unit of the file."
)
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff }
body { margin: 0 auto; padding: 1rem; max-width: 70rem }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; border-bottom: 1px solid #ccc }
h3 { font-size: .95rem; margin: 1rem 0 .3rem }
p { margin: .3rem 0 } ul { margin: .3rem 0; padding-left: 1.2rem }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: .6rem; margin-top: 1rem }
.figures img { width: 100%; height: auto; display: block }
table { border-collapse: collapse; width: 100%; font-size: .85rem }
th, td { text-align: left; padding: .15rem .5rem; border-bottom: 1px solid #e6e6e6; vertical-align: top }
th { border-bottom: 1px solid #999 }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td.note { color: #555 } td.verdict { white-space: nowrap }
.wide { overflow-x: auto }
.ok { color: #00664a } .outside { color: #a32a00; font-weight: bold } .few, .missing { color: #666; font-style: italic }
@media (max-width: 40rem) {
  table.rows thead { display: none }
  table.rows tr { display: grid; grid-template-columns: 1fr auto; border-bottom: 1px solid #ccc; padding: .25rem 0 }
  table.rows td { border: 0; padding: 0 .2rem } table.rows td.number { text-align: left; white-space: normal }
  table.rows td.name, table.rows td.note { grid-column: 1 / -1 } table.rows td.name { font-weight: 600 }
  table.rows td:empty { display: none }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10px }
  .figures { grid-template-columns: repeat(3, 1fr) }
  .figures img, tr { break-inside: avoid } h2, h3 { break-after: avoid }
}
"""


def write(report: Report, path: Path) -> None:
    """Writes the report.

    Args:
        report: What was found.
        path: The HTML file; replaced where it exists.
    """
    with write_atomically(path) as temporary:
        temporary.write_text(text(report), encoding="utf-8")


def text(report: Report) -> str:
    """The HTML of the report.

    Args:
        report: What was found.
    """
    title = escape(report.path.name)
    outside = [f"<li>{_sentence(row)}</li>" for row in report.lines if row.verdict == OUTSIDE]
    weights = "weighted with mcEventWeight" if report.weighted else "without event weights"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Is it physics? {title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Is it physics? {title}</h1>",
        f"<p>{escape(report.generator)}</p>",
        f"<p>{report.jets:,} jets, {weights}: {escape(report.summary)}.</p>",
        *(["<h2>Outside</h2><ul>", *outside, "</ul>"] if outside else []),
        '<div class="figures">',
        *(_image(panel, report) for panel in PANELS),
        "</div>",
        *(piece for section in report.sections for piece in _section(section)),
        f"<h2>How to read it</h2><p>{HOW}</p>",
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _image(panel: Panel, report: Report) -> str:
    buffer = io.BytesIO()
    write_to(figures.alone(panel, report), buffer, "svg")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(panel.title)}" src="data:image/svg+xml;base64,{data}">'


def _section(section: Section) -> Iterable[str]:
    yield f"<h2>{escape(section.title)}</h2>"
    yield '<table class="rows"><thead><tr><th>quantity</th><th class="number">value</th><th>unit</th>'
    yield '<th class="number">expected</th><th>verdict</th><th>note</th></tr></thead><tbody>'
    yield from map(_row, section.rows)
    yield "</tbody></table>"
    yield from map(_grid, section.grids)


def _row(row: Row) -> str:
    why = row.band.why if row.band is not None else ""
    note = "; ".join(one for one in (row.note, why) if one)
    kind = _CLASS.get(row.verdict, "")
    cells = (
        ("name", row.name),
        ("number", row.shown),
        ("unit", row.unit),
        ("number", row.expected),
        (f"verdict {kind}", row.verdict),
        ("note", note),
    )
    return "<tr>" + "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in cells) + "</tr>"


def _grid(grid: Grid) -> str:
    heads = "".join(f'<th class="{_side(i)}">{escape(one)}</th>' for i, one in enumerate(grid.headings))
    body = "".join(
        "<tr>" + "".join(f'<td class="{_side(i)}">{escape(cell)}</td>' for i, cell in enumerate(row)) + "</tr>"
        for row in grid.rows
    )
    return (
        f'<h3>{escape(grid.title)}</h3><div class="wide"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _side(column: int) -> str:
    return "number" if column else "name"


def _sentence(row: Row) -> str:
    note = f" ({row.note})" if row.note else ""
    return escape(f"{row.name}: {row.shown} {row.unit}".rstrip() + f", expected {row.expected}{note}")
