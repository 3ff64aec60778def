from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stored_bundles import OUTPUT, made_bundle, summed, tree

from salt_like.errors import UserError
from salt_like.export import copying, store_files
from salt_like.export import store as store_module
from salt_like.export.copying import read_checked
from salt_like.export.store import make_store, open_store

LAYOUTS = ["folder", "triton"]


@pytest.fixture
def one(tmp_path):
    return read_checked(made_bundle(tmp_path / "one", "first"))


@pytest.fixture
def two(tmp_path):
    return read_checked(made_bundle(tmp_path / "two", "second"))


@pytest.fixture(params=LAYOUTS)
def store(tmp_path, request):
    return make_store(tmp_path / "store", request.param)


def aliases(store, model="GN2"):
    """What index, links and configurations say of each alias, which must be the same."""
    said = dict(store.index(model).aliases)
    named = [path for path in (store.folder / model).glob("[!.]*") if path.is_symlink()]
    links = {path.name: int(path.readlink().name) for path in named}
    assert links == said
    if store.layout == "triton":
        served = (
            f"version_policy: {{ specific: {{ versions: [ {', '.join(map(str, sorted(set(said.values()))))} ] }} }}"
        )
        assert served in (store.folder / model / "config.pbtxt").read_text().splitlines()
        for alias, number in said.items():
            folder = store.folder / f"{model}.{alias}"
            lines = (folder / "config.pbtxt").read_text().splitlines()
            assert f'name: "{model}.{alias}"' in lines
            assert f"version_policy: {{ specific: {{ versions: [ {number} ] }} }}" in lines
            graph = (folder / str(number) / "model.onnx").read_text()
            assert graph == (store.folder / model / str(number) / "model.onnx").read_text()
    return said


def test_versions_count_up_and_hold_the_whole_bundle(store, one, two):
    assert store.put(one).version == 1
    done = store.put(two)
    assert (done.version, done.is_new, done.moved) == (2, True, {"latest": 1})
    assert done.path == store.path("GN2") == store.folder / "GN2" / "2"
    assert tree(store.path("GN2", "1")) == tree(one.folder)
    assert tree(store.path("GN2", "latest")) == tree(two.folder)
    assert aliases(store) == {"latest": 2}
    index = store.index("GN2")
    sums = [hashlib.sha256((bundle.folder / "SHA256SUMS").read_bytes()).hexdigest() for bundle in (one, two)]
    assert [version.sha256 for version in index.versions.values()] == sums
    assert all(version.date.endswith("+00:00") and version.profile == "batched" for version in index.versions.values())
    assert open_store(store.folder).indices() == store.indices()


def test_what_is_no_part_of_the_bundle_stays_behind(store, one):
    (one.folder / "notes.txt").write_text("of the user")
    store.put(read_checked(one.folder))
    assert set(tree(store.path("GN2"))) == {*one.sums.by_name, "SHA256SUMS"}
    assert not [path for path in store.folder.rglob("*") if path.name.endswith((".part", ".lock"))]


def test_rights_are_those_of_new_files_and_not_those_of_the_bundle(store, one):
    (one.folder / "model.onnx").chmod(0o600)
    before = os.umask(0o022)
    try:
        store.put(one)
    finally:
        os.umask(before)
    assert (store.path("GN2") / "model.onnx").stat().st_mode & 0o777 == 0o644


def test_production_moves_and_moves_back(store, one, two):
    store.put(one, aliases=["production"])
    store.put(two)
    assert aliases(store) == {"latest": 2, "production": 1}
    assert store.move("GN2", "production", "latest").moved == {"production": 1}
    assert aliases(store) == {"latest": 2, "production": 2}
    before = tree(store.folder / "GN2" / "1") | tree(store.folder / "GN2" / "2")
    assert store.move("GN2", "production", "1").moved == {"production": 2}
    assert aliases(store) == {"latest": 2, "production": 1}
    assert store.path("GN2", "production").name == "1"
    assert tree(store.folder / "GN2" / "1") | tree(store.folder / "GN2" / "2") == before
    assert store.move("GN2", "production", "1").moved == {}


def test_the_same_bundle_again_is_not_copied_but_aliases_move_to_it(store, one, two):
    store.put(one)
    store.put(two)
    again = store.put(one)
    assert (again.version, again.is_new, again.moved) == (1, False, {})
    assert store.put(one, aliases=["production"]).moved == {"production": None}
    assert aliases(store) == {"latest": 2, "production": 1}
    assert list(store.index("GN2").versions) == [1, 2]
    with pytest.raises(UserError, match="this very bundle is version 1 already"):
        store.put(one, version=3)


def test_nothing_is_overwritten(store, one, two):
    store.put(one, version=4)
    before = tree(store.folder)
    with pytest.raises(UserError, match="version 4 of 'GN2' is in .* already, with another bundle") as caught:
        store.put(two, version=4)
    assert "the next version is 5" in str(caught.value)
    with pytest.raises(UserError, match="--version 2: versions of 'GN2' count up, the next one is 5"):
        store.put(two, version=2)
    assert tree(store.folder) == before
    assert store.put(two).version == 5


def test_a_version_that_a_killed_process_left_is_passed_over(store, one, two):
    store.put(one)
    shutil.copytree(one.folder, store.folder / "GN2" / "2")  # renamed, but not yet in the index
    left = store.folder / "GN2" / ".GN2.1.part"
    left.mkdir()
    assert store.put(two).version == 3
    assert not left.exists()
    assert tree(store.folder / "GN2" / "2") == tree(one.folder)


def test_an_index_that_was_not_followed_is_followed_with_the_next_change(store, one, two):
    store.put(one)
    store.put(two)
    index = store.index("GN2")  # as a process leaves it that is killed after it wrote the index
    store_files.write_durably(store.folder / "GN2" / "index.json", index.with_aliases({"latest": 1}).text())
    store.move("GN2", "production", "2")
    assert aliases(store) == {"latest": 1, "production": 2}


@pytest.mark.parametrize("damage", ["model.onnx", "cpp/check.cpp", "manifest.json", "SHA256SUMS"])
def test_a_changed_or_missing_file_is_refused(tmp_path, damage):
    folder = made_bundle(tmp_path / "bundle")
    path = folder / damage
    content = path.read_bytes()
    path.write_bytes(content.replace(b"a", b"b") + b"\n")
    with pytest.raises(UserError) as caught:
        read_checked(folder)
    assert damage in str(caught.value)
    assert damage == "SHA256SUMS" or "was changed" in str(caught.value)
    path.unlink()
    with pytest.raises(UserError, match=r"the bundle has no |^not a bundle|is no hash"):
        read_checked(folder)


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such bundle"):
        read_checked(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="not a bundle"):
        read_checked(tmp_path / "empty")
    with pytest.raises(UserError, match="its format is not"):
        read_checked(made_bundle(tmp_path / "other", format="something"))
    with pytest.raises(UserError, match="schema version 2, known here are those up to 1"):
        read_checked(made_bundle(tmp_path / "newer", schema_version=2))
    folder = made_bundle(tmp_path / "text")
    (folder / "manifest.json").write_text("{")
    summed(folder)
    with pytest.raises(UserError, match="is no JSON"):
        read_checked(folder)
    (folder / "model.onnx").unlink()
    summed(folder)
    (folder / "model.onnx").write_text("graph")
    with pytest.raises(UserError, match=r"has no hash of model.onnx"):
        read_checked(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "cpp/../../secret", "SHA256SUMS"])
def test_a_list_of_hashes_takes_no_files_from_elsewhere(tmp_path, name):
    folder = made_bundle(tmp_path / "bundle")
    (tmp_path / "secret").write_text("x")
    digest = hashlib.sha256(b"x").hexdigest()
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{digest}  {name}\n")
    with pytest.raises(UserError, match="line 5 is no hash of a file of the bundle"):
        read_checked(folder)


def test_a_bundle_that_changes_while_it_is_copied_is_refused(store, one):
    (one.folder / "model.onnx").write_text("other")
    with pytest.raises(UserError, match=r"model.onnx of the bundle was changed"):
        store.put(one)
    assert set(tree(store.folder)) == {"store.json"}


def test_a_damaged_version_gets_no_alias(store, one):
    store.put(one)
    (store.path("GN2") / "README.md").write_text("forged")
    with pytest.raises(UserError, match=r"README.md of the bundle was changed"):
        store.move("GN2", "production", "1")
    assert aliases(store) == {"latest": 1}


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")


@pytest.mark.parametrize("target", ["copy", "begin", "index", "config", "link"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, one, two, monkeypatch, target, is_first):
    store = make_store(tmp_path / "store", "triton")
    if not is_first:
        store.put(one)
    before = tree(store.folder)

    def writes(path, text):
        if path.name == {"index": "index.json", "config": "config.pbtxt"}.get(target):
            full_disk()
        durably(path, text)

    durably = store_files.write_durably
    with monkeypatch.context() as patch:
        if target == "copy":  # in the middle of the last file
            patch.setattr(copying.os, "fsync", full_disk)
        elif target == "begin":
            patch.setattr("salt_like.export.repository.triton.changed", full_disk)
        elif target == "link":
            patch.setattr(Path, "symlink_to", full_disk)
        else:
            patch.setattr(store_module, "write_durably", writes)
            patch.setattr("salt_like.export.repository.write_durably", writes)
        if is_first and target == "config":  # there is nothing to rewrite
            store.put(two, aliases=["production"])
            return
        with pytest.raises(OSError, match="No space left"):
            store.put(two, aliases=["production"])
    assert tree(store.folder) == before
    assert store.put(two, aliases=["production"]).version == (1 if is_first else 2)
    assert aliases(store)["production"] == store.index("GN2").aliases["latest"]


def test_a_read_only_store_is_said_to_be_one(store, one, monkeypatch):
    store.put(one)

    def refuse(path, *_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("salt_like.data.lock.os.open", refuse)
    with pytest.raises(UserError, match="cannot be written: Read-only file system"):
        store.move("GN2", "latest", "1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said_to_be_one(tmp_path):
    (tmp_path / "store").mkdir(mode=0o500)
    with pytest.raises(UserError, match="cannot be written: Permission denied"):
        make_store(tmp_path / "store")


def test_without_links_versions_of_aliases_are_copies(tmp_path, one, two, monkeypatch):
    def refuse(self, target, target_is_directory=False):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "symlink_to", refuse)
    store = make_store(tmp_path / "store", "triton")
    store.put(one, aliases=["production"])
    store.put(two)
    store.move("GN2", "production", "2")
    assert not [path for path in store.folder.rglob("*") if path.is_symlink()]
    assert (store.folder / "GN2.production/2/model.onnx").read_text() == "second"
    assert "[ 2 ]" in (store.folder / "GN2.production/config.pbtxt").read_text()
    assert store.path("GN2", "production").name == "2"


def test_triton_refuses_another_interface_and_folders_do_not(tmp_path, store, one):
    store.put(one)
    other = read_checked(made_bundle(tmp_path / "other", outputs=({**OUTPUT, "name": "GN2_pc"},)))
    if store.layout == "folder":
        assert store.put(other).version == 2
        return
    with pytest.raises(UserError, match="not those of version 1") as caught:
        store.put(other)
    assert '- output { name: "GN2_pb"' in str(caught.value)
    assert '+ output { name: "GN2_pc"' in str(caught.value)
    assert store.put(other, name="GN2c").version == 1
    assert set(store.indices()) == {"GN2", "GN2c"}


def test_what_an_operator_wrote_into_a_configuration_stays(tmp_path, one, two):
    store = make_store(tmp_path / "store", "triton")
    store.put(one)
    config = store.folder / "GN2" / "config.pbtxt"
    config.write_text(config.read_text().replace("256", "64") + "instance_group [ { count: 4 } ]\n")
    store.put(two, aliases=["production"])
    assert aliases(store) == {"latest": 2, "production": 2}
    for path in (config, store.folder / "GN2.production" / "config.pbtxt"):
        assert "max_batch_size: 64\n" in path.read_text()
        assert path.read_text().endswith("instance_group [ { count: 4 } ]\n")
    before = tree(store.folder)
    config.write_text(config.read_text().replace("version_policy", "# version_policy"))
    with pytest.raises(UserError, match="must have one line that begins with 'version_policy:'"):
        store.move("GN2", "production", "1")
    assert tree(store.folder) == before | {"GN2/config.pbtxt": config.read_text()}


def test_names_that_cannot_be_are_refused(store, one):
    for name in ("", "a/b", "../a", ".hidden", "a b", "GN2\n"):
        with pytest.raises(UserError, match="no name for a model"):
            store.put(one, name=name or " ")
    for alias in ("1", "2nd", "a/b", "..", "a.b", ""):
        with pytest.raises(UserError, match="is no alias"):
            store.put(one, aliases=[alias])
    assert set(tree(store.folder)) == {"store.json"}


def test_what_stands_in_the_way_is_refused(store, one):
    (store.folder / "mine").mkdir()
    with pytest.raises(UserError, match="is no model of the store"):
        store.put(one, name="mine")
    store.put(one)
    (store.folder / "GN2" / "production").mkdir()
    with pytest.raises(UserError, match="'production' cannot be an alias"):
        store.move("GN2", "production", "1")
    if store.layout == "triton":
        store.put(one, name="GN2.beta")
        with pytest.raises(UserError, match="'beta' cannot be an alias"):
            store.move("GN2", "beta", "1")
        with pytest.raises(UserError, match=r"GN2.latest is there already, and is no model"):
            store.put(one, name="GN2.latest")
    assert aliases(store) == {"latest": 1}


def test_unknown_models_versions_and_aliases_get_the_nearest(store, one):
    with pytest.raises(UserError, match="the store is empty"):
        store.path("GN2")
    store.put(one, aliases=["production"])
    with pytest.raises(UserError, match=r"no model 'GN3' .*did you mean 'GN2'"):
        store.move("GN3", "production", "1")
    with pytest.raises(UserError, match=r"'producton' of 'GN2' \(did you mean 'production'\?\)\nthere is: 1, latest"):
        store.path("GN2", "producton")
    for which in ("0", "2", "-1", "²"):
        with pytest.raises(UserError, match=f"no version or alias '{which}'"):
            store.move("GN2", "production", which)


def test_a_store_is_what_says_it_is_one(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        open_store(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    for take in (open_store, make_store):
        with pytest.raises(UserError, match="is a file"):
            take(tmp_path / "file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "models.txt").write_text("")
    with pytest.raises(UserError, match=r"is not empty: models.txt"):
        make_store(tmp_path / "full")
    with pytest.raises(UserError, match="is no store"):
        open_store(tmp_path / "full")
    assert set(tree(tmp_path / "full")) == {"models.txt"}
    assert make_store(tmp_path / "a" / "b").layout == "folder"
    with pytest.raises(UserError, match="has the layout 'folder', not 'triton'"):
        make_store(tmp_path / "a" / "b", "triton")
    (tmp_path / "a" / "b" / "store.json").write_text(json.dumps({"format": "salt-like store", "schema_version": 9}))
    with pytest.raises(UserError, match="schema version 9, known is 1"):
        open_store(tmp_path / "a" / "b")


def test_a_damaged_index_is_said_to_be_one(store, one):
    store.put(one)
    path = store.folder / "GN2" / "index.json"
    content = json.loads(path.read_text())
    for text, message in (
        ("{", "is no JSON"),
        ("{}", "is something else"),
        (json.dumps({**content, "versions": {"one": {}}}), "is damaged"),
        (json.dumps({**content, "versions": None}), "is damaged"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            store.put(one)


def test_another_process_that_writes_is_waited_for(store, one):
    (store.folder / ".lock").write_text(f"elsewhere {os.getpid()} token")
    store.patience = 0.2
    with pytest.raises(UserError, match=rf"process {os.getpid()} on elsewhere has been writing"):
        store.put(one)
    (store.folder / ".lock").unlink()
    assert store.put(one).version == 1


KILLED = """
import itertools, os, sys
from pathlib import Path
from salt_like.export.copying import read_checked
from salt_like.export.store import make_store

first, second, base = map(Path, sys.argv[1:4])
for number in itertools.count(1):
    folder = base / str(number)
    if sys.argv[4] == "more":
        make_store(folder, "triton").put(read_checked(first), aliases=["production"])
    if os.fork() == 0:
        left = number
        def killing(function):
            def counted(*arguments, **named):
                global left
                left -= 1
                if left == 0:
                    os._exit(9)
                return function(*arguments, **named)
            return counted
        for name in ("fsync", "replace", "rename", "symlink", "mkdir", "open"):
            setattr(os, name, killing(getattr(os, name)))
        make_store(folder, "triton").put(read_checked(second), aliases=["production"])
        os._exit(0)
    if os.waitstatus_to_exitcode(os.wait()[1]) == 0:
        break
"""


@pytest.mark.parametrize("kind", ["first", "more"])
def test_killed_at_any_step_it_serves_whole_models_and_goes_on(tmp_path, one, two, kind):
    subprocess.run(
        [sys.executable, "-c", KILLED, str(one.folder), str(two.folder), str(tmp_path / "stores"), kind], check=True
    )
    stores = sorted((tmp_path / "stores").iterdir(), key=lambda path: int(path.name))
    assert len(stores) > 20
    for folder in stores:
        has_models = list(folder.glob("[!.]*/index.json"))
        for model in folder.iterdir():  # what Triton would look at; before the first model there may be rubbish
            if model.is_dir() and has_models:
                (policy,) = re.findall(r"versions: \[ (.*) \]", (model / "config.pbtxt").read_text())
                for number in policy.split(", "):
                    assert (model / number / "model.onnx").read_text() in ("first", "second"), (folder, model)
        store = make_store(folder, "triton")
        done = store.put(two, aliases=["production"])
        assert aliases(store)["production"] == done.version
        assert tree(done.path) == tree(two.folder)
        assert not [path for path in folder.rglob("*.part") if path.is_dir()]


def deploy_many(folder, bundle, aliases):
    make_store(Path(folder), "triton").put(read_checked(Path(bundle)), aliases=aliases)


def test_deployments_at_the_same_time_do_not_collide(tmp_path):
    bundles = [made_bundle(tmp_path / f"bundle{number}", f"graph {number}") for number in range(4)]
    work = [(tmp_path / "store", bundle, ["production"]) for bundle in bundles]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(deploy_many, work)
    store = open_store(tmp_path / "store")
    assert list(store.index("GN2").versions) == [1, 2, 3, 4]
    graphs = {(store.path("GN2", str(number)) / "model.onnx").read_text() for number in range(1, 5)}
    assert graphs == {f"graph {number}" for number in range(4)}
    assert aliases(store) == {"latest": 4, "production": 4}
    assert not (store.folder / ".lock").exists()
