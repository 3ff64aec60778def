"""Every block of code in README and docs is executed, resolved or at least known to exist."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest
import yaml

from salt_like.cli import build, configuration, run_folder
from salt_like.cli.arguments import TOP_LEVEL
from salt_like.cli.main import COMMANDS, main
from salt_like.simulation.settings import read as read_simulation

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r'^( *)```(\w*)(?: title="([^"]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)
LANGUAGES = {
    "bash",  # executed, `train` within this process
    "python",  # executed, the blocks of a page one after the other; with a title it is a file of that name
    "yaml",  # a configuration whose keys and classes must exist; with a title it is a file of that name (for a
    # simulation: simulation.yaml)
    "sh",  # commands that must exist, but take too long or need the user's files
    "cpp",  # compiled and run by tests/export/test_cpp.py
    "text",  # not code: output, formulas, trees
}
TINY = ["--model.dim=16", "--model.encoder={layers: 1, heads: 2}", "--trainer.max_epochs=1", "--data.num_train=500"]


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent, language, title, body = match.groups()
        body = "\n".join(line.removeprefix(indent) for line in body.splitlines()) + "\n"
        found.append(Block(page.name, text[: match.start()].count("\n") + 1, language, title or "", body))
    return found


def of(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a small run at the place where `make quickstart` leaves one."""
    folder = tmp_path_factory.mktemp("docs")
    environment = pytest.MonkeyPatch()
    environment.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
    environment.setenv(run_folder.HANDED_OVER, "")
    environment.chdir(folder)
    assert main(["fit", "--config", "quickstart", "--run", "runs/quickstart/last", *TINY]) == 0
    assert main(["test", "runs/quickstart/last", "--data.num_test=500"]) == 0
    environment.undo()
    return folder


def commands(text: str) -> list[str]:
    """The commands of a block of shell, continued lines joined, comments left out."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def run_bash(block: Block) -> None:
    for line in commands(block.text):
        if line.startswith("train "):
            assert main(shlex.split(line, comments=True)[1:]) == 0, f"{block}: {line}"
        else:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            subprocess.run(["bash", "-ec", line], check=True, env={**os.environ, "PATH": path}, timeout=60)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page, workplace, monkeypatch, capsys):
    executed = [block for block in blocks(page) if block.language in ("bash", "python") or block.title]
    monkeypatch.setenv("SALT_LIKE_CACHE", str(workplace / "cache"))
    monkeypatch.setenv(run_folder.HANDED_OVER, "")
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(str(workplace))
    names: dict[str, object] = {"__name__": "docs"}
    for block in executed:
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "bash":
            run_bash(block)
        else:
            exec(compile(block.text, str(block), "exec"), names)


@pytest.mark.parametrize("block", [block for block in of("yaml") if block.title == "simulation.yaml"], ids=str)
def test_settings_of_simulations_are_valid(block):
    assert read_simulation(yaml.safe_load(block.text), str(block)).mix


@pytest.mark.parametrize("block", [block for block in of("yaml") if block.title != "simulation.yaml"], ids=str)
def test_configurations_have_keys_and_classes_that_exist(block, tmp_path, monkeypatch):
    content = yaml.safe_load(block.text)
    assert set(content) <= set(TOP_LEVEL)
    for other in PAGES:  # files that the page has written, such as a module with a class of one's own
        for file in blocks(other):
            if file.title.endswith(".py"):
                (tmp_path / file.title).write_text(file.text, encoding="utf-8")
    path = tmp_path / "block.yaml"
    path.write_text(block.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    is_whole = "inputs" in content.get("data", {}) and "tasks" in content.get("model", {})
    base = [] if is_whole else ["quickstart"]
    _, resolved = build.resolve(configuration.load([*base, str(path)]), *build.classes())
    assert resolved["model"]["tasks"]


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_commands_exist(block):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in commands(block.text):
        words = shlex.split(line, comments=True)
        if words and words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= set(targets), f"{block}: {line}"
        if words and words[0] == "train" and not words[1].startswith("-"):
            assert words[1] in COMMANDS, f"{block}: {line}"
            known = _options(words[1])
            for word in words[2:]:
                if word.startswith("--") and word.split("=")[0].split(".")[0] not in known:
                    raise AssertionError(f"{block}: {line}: unknown {word}")


def _options(command: str) -> set[str]:
    from salt_like.cli.completion import options

    keys = {f"--{key}" for key in TOP_LEVEL}
    return {*options(command), *keys, "--help", "--debug", "--force", "--ckpt", "--extra", "--precision", "--salt_mask"}


def test_every_block_says_what_it_is():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = blocks(page)
        assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(found), page.name
        for block in found:
            assert block.language in LANGUAGES, f"{block} is marked '{block.language}'"


def test_links_lead_somewhere():
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_menu():
    class Loader(yaml.SafeLoader):
        """mkdocs' own tags are of no interest here."""

    Loader.add_multi_constructor("tag:", lambda *_: None)
    Loader.add_multi_constructor("!", lambda *_: None)
    menu = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)["nav"]
    listed = {entry for one in menu for entry in one.values()}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} == listed


def test_every_page_is_on_the_first_one():
    linked = set(re.findall(r"\]\(([a-z-]+\.md)\)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
    assert linked == {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}


def test_the_readme_lists_every_part_of_the_package():
    package = ROOT / "salt_like"
    parts = {path.name for path in package.glob("*.py")} | {f"{path.parent.name}/" for path in package.glob("*/*.*")}
    parts -= {"__init__.py", "__main__.py", "version.py", "__pycache__/"}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {part for part in parts if not re.search(rf"^(  .*)?  {re.escape(part)} ", text, re.MULTILINE)} == set()


def test_numbers_of_the_samples_in_the_tutorial():
    text = " ".join((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8").split())
    numbers = []
    for name in ("train", "val", "test"):
        with h5py.File(ROOT / "salt_like" / "samples" / f"{name}.h5") as file:
            numbers.append(len(file["jets"]))
    assert "{} training, {} validation and {} test jets".format(*numbers) in text


def test_figures_are_made_by_one_command_and_shown(workplace, tmp_path):
    script = runpy.run_path(str(ROOT / "docs" / "make_figures.py"))
    there = {path.stem for path in (ROOT / "docs" / "figures").iterdir()}
    assert there == {*script["FIGURES"], *script["OTHERS"]}
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert there == set(re.findall(r"\]\(figures/(\w+)\.png\)", text))
    made = script["make"]([workplace / "runs/quickstart/last"], tmp_path)
    without_runs = {name for name, (_, runs) in script["OTHERS"].items() if not runs}
    # residuals are of another run
    assert {path.stem for path in made} == set(script["FIGURES"]) - {"residuals"} | without_runs
