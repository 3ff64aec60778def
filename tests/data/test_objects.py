"""Datasets that are no input and carry the truth of objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from field_files import write
from object_files import ARGUMENTS, arrays

from salt_like.data.collate import collate
from salt_like.data.config import DataConfig
from salt_like.data.files import Files
from salt_like.data.resolve import draft_spec
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.sets import layout_of
from salt_like.tasks import SetPrediction


def read(path, changes=None):
    arguments = {**ARGUMENTS, **(changes or {})}
    config = DataConfig(inputs={"jets": ["pt"], "tracks": ["d0"]}, requests=SetPrediction.reads(**arguments))
    spec = draft_spec(config, Files([path]))
    return spec, next(iter(Sample("train", [path], spec).chunks()))


def test_objects_are_read_in_both_layouts(tmp_path):
    content = arrays()
    spec, columns = read(write(tmp_path / "a.h5", content))
    hadrons = content["truth_hadrons"]
    assert spec.stream("truth_hadrons").length == 3
    assert not spec.stream("truth_hadrons").variables
    label = SetPrediction.reads(**ARGUMENTS)[2].key
    for layout in ("packed", "padded"):
        batch = collate(columns, spec, layout)
        own = layout_of(batch, "truth_hadrons")
        torch.testing.assert_close(own.counts.long(), torch.tensor(hadrons["valid"].sum(1)))
        barcode = own.to_padded(batch.labels["truth_hadrons"]["barcode"], 3).numpy()
        np.testing.assert_array_equal(barcode, np.where(hadrons["valid"], hadrons["barcode"], 0))
        classes = own.to_padded(batch.labels["truth_hadrons"][label], 3).numpy()
        np.testing.assert_array_equal(classes[hadrons["valid"]], 5 - hadrons["flavour"][hadrons["valid"]])


def test_objects_that_do_not_fulfil_a_condition_are_none(tmp_path):
    content = arrays()
    _, columns = read(write(tmp_path / "a.h5", content), {"where": "pt > 20"})
    hadrons = content["truth_hadrons"][content["truth_hadrons"]["valid"]]
    expected = np.where(hadrons["pt"] > 20, hadrons["barcode"], -1)
    np.testing.assert_array_equal(columns.labels["truth_hadrons"]["barcode[pt > 20]"], expected)
    assert (expected < 0).any()


def test_equal_keys_in_a_jet_are_refused_with_their_place(tmp_path):
    content = arrays()
    hadrons = content["truth_hadrons"]
    jet = int(np.flatnonzero(hadrons["valid"].sum(1) == 3)[1])
    hadrons["barcode"][jet] = [2, 1, 2]
    path = write(tmp_path / "a.h5", content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).splitlines() == [
        "two rows of 'truth_hadrons' of the same jet have the barcode 2",
        f"in row {jet}, constituent 2 of dataset 'truth_hadrons' in {path}",
        "a barcode must tell the rows of a jet apart; negative stands for none",
    ]
    hadrons["barcode"][jet] = [-1, 1, -1]  # negative: none, which may repeat
    read(write(tmp_path / "b.h5", content))


def test_a_link_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match="no field 'parents' .did you mean 'parent'"):
        read(write(tmp_path / "a.h5", arrays()), {"link": "parents"})
