from __future__ import annotations

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from checked_files import BOTTOM, make, write

from salt_like.figures import style
from salt_like.simulation.check import check, figures, web
from salt_like.simulation.check.panels import PANELS

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("figures") / "some <jets>.h5", make(events=400), processes='{"ttbar": 0}')
    return check(path)


@pytest.fixture(scope="module")
def page(report):
    return figures.page(report)


@pytest.fixture(scope="module")
def html(report):
    return web.text(report)


def test_the_page_has_every_panel_and_says_what_made_the_file(page):
    assert [axes.get_title(loc="left") for axes in page.axes] == [panel.title for panel in PANELS]
    assert any("made by hand" in text.get_text() for text in page.texts)


def test_texts_do_not_overlap(page):
    """Titles, labels and legends of all panels, and the head of the page."""
    page.draw_without_rendering()
    renderer = page.canvas.get_renderer()
    boxes = []
    for axes in page.axes:
        texts = [axes.xaxis.label, axes.yaxis.label, axes.get_legend(), axes._left_title]
        boxes += [one.get_window_extent(renderer) for one in texts if one is not None and one.get_visible()]
    boxes += [text.get_window_extent(renderer) for text in page.texts]
    boxes = [box for box in boxes if box.width > 1]
    for i, one in enumerate(boxes):
        assert one.x0 >= 0
        assert one.x1 <= page.bbox.width
        for other in boxes[i + 1 :]:
            assert not one.overlaps(other)


def test_drawn_numbers_are_those_of_the_report(report, page):
    axes = dict(zip([panel.title for panel in PANELS], page.axes, strict=True))
    shown = [text.get_text() for text in axes["Pulls"].get_legend().get_texts()]
    width = next(row.value for row in report.lines if row.name == "width of d0/\N{GREEK SMALL LETTER SIGMA}")
    assert f"d0, width {width:.3f}" in shown
    bars = [one.get_width() for one in axes["Origin of tracks"].patches]
    assert np.sum(bars) == pytest.approx(500)  # five bars of 100 %
    assert axes["Process of each flavour"].get_legend().get_texts()[0].get_text() == "ttbar"


def test_same_report_same_bytes(report, page, html, tmp_path):
    style.save(page, tmp_path / "a.png")
    style.save(figures.page(report), tmp_path / "b.png")
    web.write(report, tmp_path / "b.html")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert (tmp_path / "b.html").read_text(encoding="utf-8") == html
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.png", "b.html", "b.png"]


class Balanced(HTMLParser):
    """Collects text, and fails on tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.sources += [values[name] for name in ("src", "href") if name in values]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_html_needs_nothing_else_and_says_everything(report, html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert len(parser.sources) == len(PANELS)
    for source in parser.sources:
        kind, data = source.split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        assert b"<svg" in base64.b64decode(data)
    text = " ".join(parser.text)
    assert "some <jets>.h5" in text  # escaped
    for row in report.lines:
        assert row.name in text
        assert row.shown in text
    assert not re.search(r"https?://|<script", html)


def test_missing_fields_are_said_in_the_panel(tmp_path):
    report = check(write(tmp_path / "jets.h5", {"jets": make(events=50)["jets"]}))
    page = figures.page(report)
    panels = dict(zip([panel.title for panel in PANELS], page.axes, strict=True))
    assert "field missing" in panels["Pulls"].texts[0].get_text()


@pytest.mark.parametrize("chosen", ["one jet", "no b jets", "no label"])
def test_few_jets_can_be_drawn(chosen, tmp_path):
    arrays = make(events=100)
    if chosen == "one jet":
        arrays = {name: array[:1] for name, array in arrays.items()}
    elif chosen == "no b jets":
        kept = arrays["jets"]["flavour_label"] != BOTTOM
        arrays = {name: array[kept] for name, array in arrays.items()}
    else:
        arrays["jets"]["HadronConeExclTruthLabelID"] = 99
    report = check(write(tmp_path / "few.h5", arrays))
    page = figures.page(report)
    page.draw_without_rendering()
    texts = [text.get_text() for axes in page.axes for text in axes.texts]
    assert ("not enough jets" in texts) == (chosen != "no b jets")


def test_matplotlib_is_imported_when_something_is_drawn():
    code = "import sys, salt_like.simulation.check, salt_like.simulation.check.figures, salt_like.cli.simulation_check"
    code += "; sys.exit(bool({'matplotlib', 'torch', 'pythia8', 'fastjet'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
