"""Golden jets as text say the same as golden.h5, to the last bit."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from salt_like.export.golden import Golden
from salt_like.export.golden_text import golden_text


class Words:
    """A reader of the format that shares nothing with the writer."""

    def __init__(self, text: str) -> None:
        self.lines = iter(text.splitlines())

    def line(self) -> str:
        return next(self.lines)

    def after(self, key: str) -> str:
        found, rest = self.line().split(maxsplit=1)
        assert found == key
        return rest


def read(text: str):
    """Head of the format, and for each jet its name, rows of inputs and numbers of outputs."""
    words = Words(text)
    assert words.line() == "salt-like golden jets 1"
    head = {key: words.after(key) for key in ("model", "profile")}
    inputs = [words.line().split(maxsplit=2) for _ in range(int(words.after("inputs")))]
    outputs = [words.line().split(maxsplit=6) for _ in range(int(words.after("outputs")))]
    jets = []
    for _ in range(int(words.after("jets"))):
        case = words.after("jet")
        counts = list(map(int, words.line().split()))
        rows = [
            np.array([words.line().split() for _ in range(count)], np.float32).reshape(count, int(one[0]))
            for count, one in zip(counts, inputs, strict=True)
        ]
        said = []
        for one in outputs:
            count = 1 if one[4] == "jet" else counts[int(one[4])]
            lines = [words.line() for _ in range(1 if int(one[5]) == 1 else count)]
            said.append(np.array(" ".join(lines).split(), one[0]).reshape(count, int(one[5])))
        jets.append((case, rows, said))
    assert not list(words.lines)
    return head, inputs, outputs, jets


def bits(values: np.ndarray) -> np.ndarray:
    """What must be equal: one NaN is as good as another."""
    if values.dtype.kind != "f":
        return values
    return np.where(np.isnan(values), np.float32("nan"), values).astype(np.float32).view(np.int32)


@pytest.mark.parametrize("profile", ["bundle", "single", "athena"])
def test_equal_to_the_golden_jets(profile, request):
    folder = request.getfixturevalue(profile)
    described = json.loads((folder / "manifest.json").read_text())
    head, inputs, outputs, jets = read((folder / "golden.txt").read_text())
    assert head == {"model": described["model"], "profile": described["profile"]}
    arrays = [one for one in described["inputs"] if "variables" in one]
    assert [int(one[0]) for one in inputs] == [len(one["variables"]) for one in arrays]
    assert [one[2] for one in inputs] == [one["name"] for one in arrays]
    assert [one[6] for one in outputs] == [one["name"] for one in described["outputs"]]
    assert [one[0] for one in outputs] == [one["dtype"] for one in described["outputs"]]
    for found, one in zip(outputs, described["outputs"], strict=True):
        limits = [one["tolerance"].get(key) for key in ("absolute", "relative", "logarithm")]
        assert [None if text == "-" else float(text) for text in found[1:4]] == limits
    with h5py.File(folder / "golden.h5") as file:
        assert [case for case, _, _ in jets] == [case.decode() for case in file["case"]]
        valid = {name: values[()] for name, values in file["valid"].items()}
        for group, names, place in (("inputs", [one["stream"] for one in arrays], 1), ("float32", None, 2)):
            streams = names or [one["stream"] for one in described["outputs"]]
            for number, name in enumerate(names or [one["name"] for one in described["outputs"]]):
                values, stream = file[group][name][()], streams[number]
                for jet, said in enumerate(jets):
                    wanted = values[jet][valid[stream][jet]] if stream in valid else values[jet][None]
                    np.testing.assert_array_equal(bits(said[place][number]).ravel(), bits(wanted).ravel(), name)
    assert "tracks" in valid


def test_every_float_is_read_back():
    random = np.random.default_rng(1)
    drawn = random.integers(0, 2**32, 3000, dtype=np.uint32).view(np.float32)
    special = np.array([0.0, -0.0, 1e-45, 3.4028235e38, np.inf, -np.inf, np.nan, 0.1, 1e5, 16777217], np.float32)
    values = np.concatenate([drawn, special])[:, None]
    manifest = {
        "model": "a name with blanks",
        "profile": "single",
        "inputs": [{"name": "x", "stream": "x", "variables": [{}]}],
        "outputs": [],
    }
    golden = Golden(("data",) * len(values), {"x": values}, {}, {}, {}, 0)
    head, _, _, jets = read(golden_text(golden, manifest))
    assert head["model"] == "a name with blanks"
    found = np.array([rows[0][0] for _, rows, _ in jets])
    np.testing.assert_array_equal(bits(found), bits(values))
    assert np.signbit(found[-9, 0])


def test_small(bundle):
    assert (bundle / "golden.txt").stat().st_size < 1_000_000
