"""The page in a real browser, without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = os.environ.get("SALT_LIKE_BROWSER") or next((found for name in NAMES if (found := shutil.which(name))), None)
# asked of the page once everything is loaded, and written where --dump-dom shows it
PROBE = """
<script>
const errors = [];
window.addEventListener("error", event => errors.push(String(event.message || event.target.src)), true);
window.addEventListener("load", async () => {
  const images = [...document.images];
  const broken = [];
  for (const image of images) await image.decode().catch(() => broken.push(image.alt));
  const shown = element => element.getBoundingClientRect();
  const inside = element => shown(element.closest(".table, figure") || element).right <= innerWidth + 1;
  const empty = image => {
    if (!image.naturalWidth) return true;
    const canvas = document.createElement("canvas");
    canvas.width = 200;
    canvas.height = Math.max(1, Math.round(200 * image.naturalHeight / image.naturalWidth));
    const paper = canvas.getContext("2d");
    paper.fillStyle = "white";
    paper.fillRect(0, 0, canvas.width, canvas.height);
    paper.drawImage(image, 0, 0, canvas.width, canvas.height);
    const red = paper.getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 == 0);
    return red.filter(one => one < 200).length < 50;
  };
  const answer = {
    errors, broken,
    images: images.length,
    empty: images.filter(empty).map(image => image.alt),
    sections: [...document.querySelectorAll("section")].filter(one => shown(one).height > 40).map(one => one.id),
    titles: [...document.querySelectorAll("h2")].map(one => one.textContent),
    wide: document.documentElement.scrollWidth - innerWidth,
    outside: [...document.querySelectorAll("img, table")].filter(one => !inside(one)).length,
    narrow: images.filter(image => shown(image).width < 250).map(image => image.alt),
    resources: performance.getEntriesByType("resource").map(one => one.name.slice(0, 10)),
  };
  document.body.innerHTML = "<pre id=answer>" + JSON.stringify(answer).replace(/</g, "\\\\u003c") + "</pre>";
});
</script>
"""
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: install one, or name it in SALT_LIKE_BROWSER")


def ask(page: Path, folder: Path, width: int) -> tuple[dict[str, Any], str]:
    """What the page looks like in a window of a width, and what the browser's console says."""
    probed = folder / page.name
    probed.write_text(page.read_text(encoding="utf-8").replace("<body>", f"<body>{PROBE}"), encoding="utf-8")
    found = subprocess.run(
        [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},900",
            "--virtual-time-budget=60000",
            "--dump-dom",
            probed.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    answer = re.search(r'<pre id="answer">(.*?)</pre>', found.stdout, re.DOTALL)
    assert answer, found.stderr
    console = "\n".join(line for line in found.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(answer[1].replace("&amp;", "&").replace("&gt;", ">")), console


@pytest.mark.parametrize(("name", "width"), [("one", 1440), ("both", 1440), ("one", 500)])
def test_a_browser_shows_all_of_it(pages: dict[str, Path], tmp_path: Path, name: str, width: int) -> None:
    text = pages[name].read_text(encoding="utf-8")
    found, console = ask(pages[name], tmp_path, width)
    assert console == ""
    assert found["errors"] == found["broken"] == found["empty"] == []
    assert found["images"] == text.count("<img ")
    assert found["sections"] == re.findall(r'<section id="(\w+)"', text)
    assert found["titles"][:3] == ["Summary", "Training", "Rejection against efficiency"]
    assert found["wide"] <= 0  # nothing to scroll sideways but tables and wide figures in themselves
    assert found["outside"] == 0
    assert found["narrow"] == []
    assert {one for one in found["resources"] if not one.startswith("data:")} == set()


def test_the_probe_finds_what_is_broken(tmp_path: Path) -> None:
    size = 'width="300" height="300"'
    blank = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'/%3E"
    page = tmp_path / "pages" / "broken.html"
    page.parent.mkdir()
    page.write_text(
        f'<html><body><img alt="blank" {size} src="{blank}"><img alt="broken" {size} src="data:image/png;base64,AAAA">'
        '<section id="small"></section><div style="width: 3000px">x</div><script>console.error("said"); '
        "throw Error('thrown')</script></body></html>"
    )
    found, console = ask(page, tmp_path, 800)
    assert found["empty"][0] == "blank"
    assert found["broken"] == ["broken"]
    assert found["sections"] == []
    assert found["wide"] > 0
    assert any("thrown" in one for one in found["errors"])
    assert "said" in console
