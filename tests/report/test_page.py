"""The page as a file: its structure, its numbers, and that it needs nothing else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from salt_like.report import page, tables
from salt_like.report.gather import gather
from salt_like.report.sections import Pages
from salt_like.report.write import html, write

VOID = {"meta", "link", "img", "wbr"}
SECTIONS = [
    "summary",
    "training",
    "rejection",
    "discriminants",
    "bins",
    "classes",
    "constituents",
    "vertices",
    "regression",
    "data",
    "configuration",
]


class Read(HTMLParser):
    """Sections, links, images, cells of tables and text; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sections: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.sections.append(str(found["id"]))
        elif tag == "a":
            self.links.append(str(found["href"]))
        elif tag == "img":
            self.images.append(found)
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def one(pages: dict[str, Path]) -> Read:
    return Read(pages["one"].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def both(pages: dict[str, Path]) -> Read:
    return Read(pages["both"].read_text(encoding="utf-8"))


def test_every_section_is_there_and_linked(one: Read, both: Read) -> None:
    expected = [*SECTIONS[:-2], "importance", *SECTIONS[-2:]]
    for read in (one, both):
        assert read.sections == expected
        assert read.links == [f"#{name}" for name in expected]
        assert "Simulation (Pythia 8 + parametrised tracker)" in read.text


def test_the_page_needs_nothing_else(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        outside = re.sub(r'src="data:[^"]*"', "", text)
        assert not re.findall(r"<script|@import|url\(|https?://|src=", outside)
        assert path.stat().st_size < 5e6


def test_figures_are_drawings_with_words_for_who_cannot_see_them(one: Read) -> None:
    names = [str(image["alt"]) for image in one.images]
    assert names[:2] == ["training loss", "training flavour"]
    assert len(names) == 2 + 13  # those of tests/figures/test_draw.py
    for image in one.images:
        source = str(image["src"])
        assert source.startswith("data:image/svg+xml,")
        root = ElementTree.fromstring(unquote(source.partition(",")[2]))
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 100
        width = float(root.attrib["width"].removesuffix("pt")) / 72
        assert int(str(image["width"])) == pytest.approx(96 * width, abs=1)


def test_runs_stand_beside_each_other(both: Read) -> None:
    names = [str(image["alt"]) for image in both.images]
    assert [name for name in names if name.startswith("rejection")] == ["rejection Db, ttbar"] * 3  # both in each
    assert [name for name in names if name.startswith("bins")] == [
        "bins Db, ttbar, m one",
        "bins Db, ttbar, m other",
    ]
    assert ["", "m one", "m other"] in both.rows
    assert ["model.dim", "8", "16"] in both.rows  # of the configuration only what is not the same
    assert not [row for row in both.rows if row[0] == "data.train"]


def numbers_of(runs: list[Path]) -> list[dict[str, Any]]:
    return [run.samples["ttbar"].metrics for run in gather(runs)]


def test_numbers_are_those_of_the_metrics(one: Read, both: Read, runs: list[Path]) -> None:
    first, second = numbers_of(runs)
    cells = []
    for metrics in (first, second):
        (found,) = (m for m in metrics["tasks"]["flavour"]["metrics"] if m["name"] == "cross-entropy")
        cells.append(tables.number(found["value"], found["error"]))
    assert ["cross-entropy", *cells] in both.rows
    (point,) = (p for p in first["discriminants"]["Db"]["points"] if p["efficiency"] == 0.77)
    rejections = [tables.rejection(point["rejections"][name]) for name in ("ujets", "cjets")]
    efficiency = tables.number(point["signal_efficiency"], point["signal_error"])
    assert ["77 %", efficiency, tables.number(point["cut"]), *rejections] in one.rows
    rows = [row for row in one.rows if row[0] == "light-jet rejection"]
    assert rows[0][-1] == rejections[0]  # all jets last
    assert ["fraction of c jets", "light-jet rejection", "c-jet rejection"] in one.rows
    assert "Db = ln p(b) / (0.2 p(c) + 0.8 p(light))" in one.text


def test_numbers_as_train_test_says_them() -> None:
    assert tables.number(0.12345, 0.012) == "0.123 ± 0.012"
    assert tables.number(None, None) == "-"
    known = {"value": 42.13, "low": 35.0, "high": None, "limit": False, "passing": 12.0, "total": 900.0}
    assert tables.rejection(known) == "42.1 +inf -7.1"
    assert tables.rejection({**known, "limit": True}) == "> 42.1"
    assert tables.rejection({**known, "value": None}) == "-"


def test_what_a_file_says_is_text_and_not_html(run: Path, pages: dict[str, Path]) -> None:
    (run / "config.yaml").write_text("name: <b>&amp;</b>\n")
    found = html(gather([run]), lambda *_: "")
    assert "<b>&amp;</b>" not in found
    assert "name: &lt;b&gt;&amp;amp;&lt;/b&gt;" in found
    assert "train fit &lt;x&gt;" in pages["one"].read_text(encoding="utf-8")


def test_sections_without_anything_to_say_are_left_out(run: Path, tmp_path: Path) -> None:
    (found,) = gather([run / "predictions/ttbar.h5"])
    keys = [section.key for section in Pages([found], lambda *_: "<figure></figure>").sections()]
    assert keys == [name for name in SECTIONS if name not in ("training", "configuration")]


def test_what_is_missing_is_said(run: Path) -> None:
    (run / "metrics.csv").unlink()
    (run / "run.json").unlink()
    found = html(gather([run]), lambda *_: "")
    assert "m: metrics.csv is gone" in found
    assert "m: run.json is gone" in found
    assert "m: no metrics.csv that can be read" in found
    assert "Not measured yet: train report" in found


def test_figures_are_written_beside_the_page(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salt_like.figures.draw.figures", lambda _: ())  # the curves of the training alone
    monkeypatch.setattr("salt_like.report.write.RESOLUTION", 30)
    seen: list[int] = []
    page_file, *figures = write(gather([run]), tmp_path / "a.html", ("png", "pdf"), report=seen.append)
    assert page_file == tmp_path / "a.html"
    assert seen == [1, 2]
    names = ["training_loss.png", "training_loss.pdf", "training_flavour.png", "training_flavour.pdf"]
    assert figures == [tmp_path / "a_figures" / name for name in names]
    assert figures[0].read_bytes().startswith(b"\x89PNG")
    assert figures[1].read_bytes().startswith(b"%PDF")


def test_a_figure_that_was_drawn_is_taken_in_its_size() -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (1260).to_bytes(4, "big") + (300).to_bytes(4, "big")
    text = page.file(header, 'a "name"', 150)
    size = 'width="806" height="192" style="max-width: 1210px"'
    assert text.startswith(f'<figure class="wide"><img alt="a &quot;name&quot;" {size} src="data:image/png;base64,')
    assert "wide" not in page.file(header, "a", 300)
