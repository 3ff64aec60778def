"""The page: one HTML file that needs nothing else, for a screen, a telephone and paper."""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from salt_like.figures.style import write_to

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNSEEN = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|^ +", re.DOTALL | re.MULTILINE)
WIDE = 6.6  # inches, of a figure that gets a row of its own
LARGEST = 1.5  # times their own size, that figures are shown in
STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #555; --line: #ddd; --mark: #0072B2 }
* { box-sizing: border-box }
html { scroll-behavior: smooth; scroll-padding-top: 1rem }
body { margin: 0; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  color: var(--ink); background: #fff }
.sheet { display: grid; grid-template-columns: 13.5rem minmax(0, 1fr); max-width: 96rem; margin: 0 auto }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 1.4rem 0 1rem 1.2rem;
  font-size: .87rem }
nav b { display: block; margin-bottom: .4rem } nav ul { list-style: none; margin: 0; padding: 0 }
nav li { margin: .1rem 0 } nav a { color: var(--soft); text-decoration: none; display: block; padding: .12rem .3rem }
nav a:hover, nav a:focus-visible { color: var(--mark); text-decoration: underline }
main { padding: 1.2rem 1.6rem 4rem; min-width: 0 }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .5rem; padding-top: .5rem; border-top: 2px solid var(--ink) }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem }
p { margin: .35rem 0; max-width: 62rem } .soft { color: var(--soft) } .tag { font-weight: 600 }
p.missing, li.missing { color: #8a3b00 }
code { font-size: .92em; background: #f3f3f3; padding: .05em .25em; border-radius: 3px; overflow-wrap: anywhere }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 29rem), 1fr)); gap: 1rem;
  margin: .8rem 0; align-items: start }
figure { margin: 0; min-width: 0 } figure.wide { grid-column: 1 / -1 }
figure img { display: block; width: 100%; height: auto }
figcaption { font-size: .82rem; color: var(--soft) }
.table { overflow-x: auto; margin: .5rem 0 1rem }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--soft); padding-bottom: .25rem }
th, td { padding: .18rem .7rem .18rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  vertical-align: top }
th { border-bottom: 1px solid #888; font-weight: 600 } th.text, td.text { text-align: left }
td.text { white-space: normal; max-width: 34rem; overflow-wrap: break-word }
tr.group td { font-weight: 600; border-bottom: 1px solid #888; padding-top: .6rem; text-align: left }
tbody tr:hover td { background: #f6f9fc }
pre { font: .8rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: #f7f7f7;
  padding: .7rem .9rem; border: 1px solid var(--line);
  max-height: 32rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem }
@media (max-width: 62rem) {
  .sheet { display: block } nav { position: static; max-height: none; padding: .8rem 1rem 0 }
  nav ul { display: flex; flex-wrap: wrap; gap: 0 .6rem } main { padding: .4rem 1rem 3rem }
}
@media (max-width: 40rem) {
  figure.wide { overflow-x: auto } figure.wide img { width: auto; min-width: 46rem } h1 { font-size: 1.3rem }
}
@media print {
  @page { size: A4; margin: 13mm }
  body { font-size: 9.5pt } .sheet { display: block; max-width: none } nav { display: none } main { padding: 0 }
  h2 { margin-top: 1.4rem; break-after: avoid } h3, caption { break-after: avoid }
  figure, tr, .keep { break-inside: avoid } .figures { grid-template-columns: 1fr 1fr; gap: .6rem }
  .table, pre { overflow: visible; max-height: none } table { font-size: 7.5pt } th, td { padding-right: .4rem }
  pre { font-size: 6.5pt } a { color: inherit; text-decoration: none } tbody tr:hover td { background: none }
}
"""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        key: What a link to it ends with.
        title: Its title.
        content: Its HTML.
    """

    key: str
    title: str
    content: str


def page(title: str, about: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: Of the page.
        about: Lines below the title.
        sections: In order.
    """
    links = "".join(f'<li><a href="#{one.key}">{escape(one.title)}</a></li>' for one in sections)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',  # or a browser asks for one
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f'<div class="sheet"><nav aria-label="Contents"><b>Contents</b><ul>{links}</ul></nav>',
        f"<main><h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in about),
        *(f'<section id="{one.key}"><h2>{escape(one.title)}</h2>\n{one.content}</section>' for one in sections),
        "</main></div></body></html>",
    ]
    return "\n".join(parts) + "\n"


def drawn(figure: Figure, name: str) -> str:
    """A figure as a part of the page.

    Args:
        figure: The figure.
        name: What it shows, for who cannot see it.
    """
    buffer = io.BytesIO()
    write_to(figure, buffer, "svg")
    # letters as they are, which is a quarter shorter than base64
    plain = _UNSEEN.sub("", buffer.getvalue().decode()).replace('"', "'")
    data = escape(quote(plain, safe=" !$&'()*+,-./:;=?@[]^_`{|}~"), quote=False)
    width, height = figure.get_size_inches()
    return _image(f"data:image/svg+xml,{data}", name, width, height)


def file(content: bytes, name: str, resolution: float) -> str:
    """A figure that was drawn before as a part of the page.

    Args:
        content: A PNG file.
        name: What it shows, for who cannot see it.
        resolution: Its dots per inch.
    """
    width, height = (one / resolution for one in struct.unpack(">II", content[16:24]))  # of the header
    return _image(f"data:image/png;base64,{base64.b64encode(content).decode()}", name, width, height)


def _image(source: str, name: str, width: float, height: float) -> str:
    kind = ' class="wide"' if width > WIDE else ""
    size = f'width="{round(96 * width)}" height="{round(96 * height)}"'  # so that nothing moves while it is decoded
    largest = f'style="max-width: {round(LARGEST * 96 * width)}px"'
    return f'<figure{kind}><img alt="{escape(name)}" {size} {largest} src="{source}"></figure>'


def figures(images: Iterable[str]) -> str:
    """Figures beside each other where there is room; nothing without any."""
    found = "".join(images)
    return f'<div class="figures">{found}</div>' if found else ""


def beside(pieces: Iterable[str]) -> str:
    """Parts beside each other where there is room; nothing without any."""
    found = "".join(f"<div>{one}</div>" for one in pieces if one)
    return f'<div class="beside">{found}</div>' if found else ""


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], text: Iterable[int] = (0,)) -> str:
    """A table; a row of a single cell is a heading of the rows below it.

    Args:
        caption: What it shows.
        headings: One per column.
        rows: Cells.
        text: Columns that hold words rather than numbers.
    """
    words = set(text)

    def kind(column: int) -> str:
        return ' class="text"' if column in words else ""

    head = "".join(f"<th{kind(place)}>{escape(one)}</th>" for place, one in enumerate(headings))
    body = "".join(
        f'<tr class="group"><td colspan="{len(headings)}">{escape(row[0])}</td></tr>'
        if len(row) == 1
        else "<tr>" + "".join(f"<td{kind(place)}>{_cell(cell)}</td>" for place, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="table"><table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    """Paths may be broken at their slashes."""
    return escape(text).replace("/", "/<wbr>")


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph.

    Args:
        text: Its text.
        kind: ``soft`` for an explanation, ``missing`` for what is not there.
    """
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{escape(text)}</p>"


def heading(text: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def code(text: str) -> str:
    """Text as it is, such as a configuration."""
    return f"<pre>{escape(text)}</pre>"
