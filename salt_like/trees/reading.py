"""The jets of a sample as a table of summary features."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from salt_like.data.collate import collate
from salt_like.data.columns import Columns
from salt_like.data.hypothesis import conditioned
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.trees.boosting import Table
from salt_like.trees.tagger import TreeTagger

Report = Callable[[int, int], None]


def read(samples: Mapping[str, Sample], tagger: TreeTagger, report: Report = lambda *_: None) -> Table:
    """All labelled jets of some samples, with the weights that the loss of a network would have.

    Those are the jets' own, those of class and kinematics (`Reweighting`, whichever its mode: what is drawn twice as
    often weighs twice as much), and those of the classes. Jets without a class or with weight 0 are left out.

    Args:
        samples: Samples by name.
        tagger: Makes the features, and knows label and class weights.
        report: Called with the number of rows done and the number of rows in total.

    Raises:
        UserError: No jet is left, or a weight is negative.
    """
    rows, before = sum(one.rows for one in samples.values()), 0
    parts = []
    for sample in samples.values():
        for columns in sample.chunks():
            if len(columns):
                parts.append(_of(columns, tagger))
                report(before + int(columns.rows[-1]) + 1, rows)
        before += sample.rows
    features, labels, weights = (np.concatenate(some) for some in zip(*parts, strict=True))
    if not len(labels):
        raise UserError(f"no jet has a class of '{tagger.learns.label.name}' and a weight that is not 0")
    if (weights < 0).any():
        raise UserError(
            f"boosted trees take no negative weights, found {int((weights < 0).sum())} among {len(weights)} jets\n"
            "take data.weight away, or compare with a network that was trained without it too"
        )
    return Table(features, labels, weights)


def _of(columns: Columns, tagger: TreeTagger) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    columns = conditioned(columns, tagger.spec)
    label = tagger.learns.label
    labels = columns.labels[label.stream][label.key]
    weights = np.ones(len(columns)) if columns.weights is None else columns.weights.astype(np.float64)
    reweighting = tagger.spec.reweighting
    if reweighting is not None and columns.cells is not None:
        weights = weights * reweighting.factors()[columns.cells]
    weights = weights * tagger.learns.class_weights.double().numpy()[labels]
    used = (labels >= 0) & (weights != 0)
    with torch.inference_mode():
        _, features = tagger.encode(collate(columns.select(used), tagger.spec))
    return features.numpy(), labels[used], weights[used].astype(np.float32)
