"""A bundle and the tagger that it was made of."""

from __future__ import annotations

import json

import numpy as np

from salt_like.export import against, verify
from salt_like.export.interface import interface_of
from salt_like.export.replay import Replay
from salt_like.loading import load_run


def test_a_bundle_holds_the_tagger_that_it_was_made_of(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    golden = verify.read_golden(bundle / "golden.h5", manifest, verify.Findings())
    tagger = against.tagger_of_bundle(bundle, manifest).tagger
    interface = against.interface_of_bundle(manifest, tagger)
    said = Replay(tagger, interface)(against.golden_columns(golden, interface))
    for name in ("GN2_pb", "GN2_plight", "GN2_embedding", "GN2_HadronPt_stddev"):
        np.testing.assert_allclose(said[name], golden.single[name], 1e-6)
    valid = golden.valid["tracks"]
    np.testing.assert_array_equal(said["tracks_VertexIndex"], golden.single["tracks_VertexIndex"][valid])


def test_the_interface_is_the_one_of_the_export(single, athena):
    for folder, profile, name in ((single, "single", "GN2"), (athena, "athena", "GN2v1")):
        manifest = json.loads((folder / "manifest.json").read_text())
        tagger = load_run(folder.parent / "run", device="cpu").tagger
        expected = interface_of(tagger, name, profile)
        found = against.interface_of_bundle(manifest, tagger)
        assert (found.inputs, found.outputs, found.tasks) == (expected.inputs, expected.outputs, expected.tasks)
