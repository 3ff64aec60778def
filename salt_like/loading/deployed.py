"""A tagger from a bundle: what a loaded checkpoint says, computed by onnxruntime, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.bundle import apart, read_bundle
from salt_like.data.columns import Columns, constituents_of
from salt_like.loading.calls import Signature
from salt_like.loading.described import described
from salt_like.loading.ready import Predictions, ReadyTagger
from salt_like.loading.session import open_session, require_names, require_runtime

Array = NDArray[Any]

PAIRS = 10_000  # of slots, computed together: more leave the caches of a core, fewer are little work for many calls
PADDING = 32  # slots: to fill more of them when jets become longer costs more than another call


class DeployedTagger(ReadyTagger):
    """The tagger of a bundle.

    Nothing that lies in the bundle is executed; graph and descriptions are compared with their hashes first.

    Args:
        bundle: Its folder.
        threads: Threads within an operation; 0 for as many as there are cores (one, for a graph of single jets).

    Raises:
        UserError: It is no bundle, is damaged, or needs a newer onnxruntime.
    """

    def __init__(self, bundle: str | Path, threads: int = 0) -> None:
        opened = read_bundle(Path(bundle).expanduser().absolute())
        self.manifest = opened.manifest
        self.name: str = opened.manifest["model"]
        self.spec = opened.spec
        self.checkpoint = opened.folder
        self.fingerprint = str(opened.manifest.get("provenance", {}).get("weights", ""))
        self.device = "cpu"
        self._batched = opened.manifest["profile"] == "batched"
        require_runtime(opened.manifest["graph"]["oldest_runtime"])
        self._session = open_session(opened.model, threads if threads or self._batched else 1)
        self._check()
        found = described(opened.manifest, opened.spec)
        self.outputs, self.tasks, self.widths = tuple(found.names), found.tasks, found.widths
        self._names = found.names
        self._outputs = {one["name"]: one for one in self.manifest["outputs"] if one["name"] in found.names.values()}
        self._signature = Signature(
            inputs={one["name"]: one["stream"] for one in self.manifest["inputs"]},
            masks=frozenset(one["name"] for one in self.manifest["inputs"] if one["dtype"] == "bool"),
            outputs={name: one["stream"] for name, one in self._outputs.items()},
            batched=self._batched,
        )

    def predict_columns(self, columns: Columns, batch_size: int = 1000) -> Predictions:
        unlabelled = replace(columns, labels={}, weights=None, events=None)
        # jets of similar multiplicity stand together, so that little is padded
        total = np.sum([np.zeros(len(columns), int), *(columns.counts[one.name] for one in self.spec.set_streams)], 0)
        order = np.argsort(total, kind="stable")
        parts = unlabelled.select(order).split(_sizes(total[order], batch_size if self._batched else 1))
        results = [self._signature.call(self._session, part) for part in parts]
        found = {}
        for name, one in self._outputs.items():
            counts = columns.counts.get(one["stream"])
            values = np.concatenate([_none(one), *(result[name] for result in results)])
            found[name] = np.empty_like(values)
            found[name][order if counts is None else constituents_of(counts, order)] = values
        said: Predictions = {}
        for output, name in self._names.items():
            said.setdefault(output.stream, {})[output.column(self.name)] = found[name]
        return said

    def _check(self) -> None:
        """Refuse a graph of other names than the manifest: nothing is matched by position but variables."""
        require_names(self._session, self.manifest, self.checkpoint)
        same = all(
            [variable["name"] for variable in one["variables"]]
            == [variable.name for variable in self.spec.stream(one["stream"]).variables]
            for one in self.manifest["inputs"]
            if "variables" in one
        )
        if not same:
            raise apart(self.checkpoint)


def _sizes(totals: Array, most: int) -> list[int]:
    """How many jets are computed together, one batch after the other.

    Args:
        totals: Constituents of each jet, ascending, ``(n,)``.
        most: Largest number of jets.
    """
    sizes, last = [0], 0
    for total in totals.tolist():
        large, padded = (sizes[-1] + 1) * (1 + total) ** 2 > PAIRS, sizes[-1] * (total - last) > PADDING
        if sizes[-1] == most or (sizes[-1] and (large or padded)):
            sizes.append(0)
        sizes[-1] += 1
        last = total
    return sizes if len(totals) else []


def _none(one: Mapping[str, Any]) -> Array:
    """An output for no jets."""
    return np.zeros((0, *(axis for axis in one["shape"] if isinstance(axis, int))), one["dtype"])
