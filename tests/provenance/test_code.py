"""Commit and changes of code, wherever it lies."""

from __future__ import annotations

import base64
import hashlib
import subprocess

import pytest

from salt_like.provenance.code import code, content


def git(folder, *command):
    who = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *command], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    package = tmp_path / "somewhere" / "made_up_code"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("one = 1\n")
    (package / "data.bin").write_bytes(b"\0")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.syspath_prepend(package.parent)
    return package


def test_a_working_tree_with_changes_and_new_files(repository):
    (clean,) = code(["made_up_code"])
    assert (clean.kind, clean.commit, clean.changed, clean.patch) == (
        "repository",
        git(repository, "rev-parse", "HEAD"),
        (),
        "",
    )
    (repository / "__init__.py").write_text("one = 2\n")
    (repository / "new.py").write_text("two = 2\n")
    (changed,) = code(["made_up_code"])
    assert changed.commit == clean.commit
    assert changed.content != clean.content
    assert changed.changed == ("somewhere/made_up_code/__init__.py", "somewhere/made_up_code/new.py")
    assert "-one = 1\n+one = 2\n" in changed.patch
    assert "+two = 2\n" in changed.patch
    assert "patch" not in changed.to_dict()
    git(repository, "checkout", "-q", "--", ".")
    git(repository, "clean", "-qf")
    subprocess.run(["git", "-C", str(repository), "status"], check=True, capture_output=True)
    (again,) = code(["made_up_code"])
    assert again == clean


def test_nothing_of_the_repository_is_executed_or_changed(repository):
    mark = repository.parent.parent / "executed"
    git(repository, "config", "core.fsmonitor", f"touch {mark}")
    git(repository, "config", "diff.external", f"touch {mark}")
    (repository / "__init__.py").write_text("one = 3\n")
    (found,) = code(["made_up_code"])
    assert "+one = 3" in found.patch
    assert not mark.exists()


def test_an_installed_package_that_was_edited(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    (site / "made_up_package").mkdir(parents=True)
    info = site / "made_up_package-1.5.dist-info"
    info.mkdir()
    source = b"value = 1\n"
    (site / "made_up_package" / "__init__.py").write_bytes(source)
    digest = base64.urlsafe_b64encode(hashlib.sha256(source).digest()).rstrip(b"=").decode()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made_up_package\nVersion: 1.5\n")
    (info / "top_level.txt").write_text("made_up_package\n")
    (info / "RECORD").write_text(f"made_up_package/__init__.py,sha256={digest},{len(source)}\n")
    (info / "direct_url.json").write_text('{"url": "https://x/y.git", "vcs_info": {"commit_id": "abc"}}')
    monkeypatch.syspath_prepend(site)
    (found,) = code(["made_up_package"])
    assert (found.kind, found.version, found.commit, found.source) == ("installed", "1.5", "abc", "https://x/y.git")
    assert found.changed == ()
    (site / "made_up_package" / "__init__.py").write_text("value = 2\n")
    (found,) = code(["made_up_package"])
    assert found.changed == ("made_up_package/__init__.py",)
    assert "+value = 2" in found.patch


def test_loose_files_and_what_is_no_file(tmp_path, monkeypatch):
    (tmp_path / "made_up_loose.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = code(["made_up_loose", "sys", "made_up_and_not_there"])
    assert (found.kind, found.content) == ("files", content(tmp_path / "made_up_loose.py"))
    assert (found.commit, found.patch) == ("", "")
