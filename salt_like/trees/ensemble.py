"""Boosted trees as tensors: what a converter writes into ONNX, evaluated by torch and written into ONNX again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NODE = "TreeEnsembleRegressor"
DOMAIN, DOMAIN_VERSION = "ai.onnx.ml", 3
# older ones cannot place an operator that torch does not have
OLDEST_TORCH = (2, 8)


@dataclass(frozen=True)
class Size:
    """How large an ensemble is.

    Args:
        features: Number of features ``F``.
        classes: Number of classes ``C``.
        trees: Number of trees, of which number ``t`` speaks for class ``t % C``.
        nodes: Number of nodes and leaves of all trees.
        depth: Largest number of questions on the way to a leaf.
    """

    features: int
    classes: int
    trees: int
    nodes: int
    depth: int

    def plain(self) -> dict[str, int]:
        """As plain data."""
        return asdict(self)


class TreeEnsemble(nn.Module):
    """Sums of the leaves that a jet reaches in each tree, one sum per class: logits.

    At a node a jet goes to ``yes`` where its feature is smaller than the threshold, else to ``no``; where the feature
    is NaN it goes to ``yes`` if ``missing`` says so. A leaf leads to itself.

    Args:
        size: How large it is; the content comes with the state.
    """

    feature: Tensor
    threshold: Tensor
    yes: Tensor
    no: Tensor
    missing: Tensor
    value: Tensor
    root: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        for name in ("feature", "yes", "no"):
            self.register_buffer(name, torch.zeros(size.nodes, dtype=torch.int32))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(size.nodes))
        self.register_buffer("missing", torch.zeros(size.nodes, dtype=torch.bool))
        self.register_buffer("root", torch.zeros(size.trees, dtype=torch.int32))

    def forward(self, features: Tensor) -> Tensor:
        """Shapes: ``(B, F)`` float32 → ``(B, C)``."""
        if torch.onnx.is_in_onnx_export() and _version() >= OLDEST_TORCH:
            return self._placed(features)
        at = self.root.long().expand(features.shape[0], -1)
        yes, no, feature = self.yes.long(), self.no.long(), self.feature.long()
        for _ in range(self.size.depth):
            asked = features.gather(1, feature[at])
            goes = (asked < self.threshold[at].float()) | (asked.isnan() & self.missing[at])
            at = torch.where(goes, yes[at], no[at])
        return self.value[at].reshape(features.shape[0], -1, self.size.classes).sum(1)

    def _placed(self, features: Tensor) -> Tensor:
        """ONNX's own operator, still without the trees, which `attributes` has."""
        found: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{NODE}",
            (features,),
            attrs={"n_targets": self.size.classes, "post_transform": "NONE", "aggregate_function": "SUM"},
            dtype=torch.float32,
            shape=(features.shape[0], self.size.classes),
            version=DOMAIN_VERSION,
        )
        return found

    def attributes(self) -> dict[str, list[Any]]:
        """The trees as attributes of ONNX's operator, by name."""
        yes, no = self.yes.numpy(), self.no.numpy()
        own = np.arange(self.size.nodes)
        leaf = yes == own
        tree = np.searchsorted(self.root.numpy(), own, "right") - 1
        place = own - self.root.numpy()[tree]
        start = self.root.numpy()[tree]
        return {
            "nodes_treeids": tree.tolist(),
            "nodes_nodeids": place.tolist(),
            "nodes_featureids": self.feature.tolist(),
            "nodes_values": self.threshold.tolist(),
            "nodes_modes": ["LEAF" if one else "BRANCH_LT" for one in leaf],
            "nodes_truenodeids": np.where(leaf, 0, yes - start).tolist(),
            "nodes_falsenodeids": np.where(leaf, 0, no - start).tolist(),
            "nodes_missing_value_tracks_true": self.missing.int().tolist(),
            "target_treeids": tree[leaf].tolist(),
            "target_nodeids": place[leaf].tolist(),
            "target_ids": (tree[leaf] % self.size.classes).tolist(),
            "target_weights": self.value.numpy()[leaf].tolist(),
        }


def ensembles(module: nn.Module) -> list[TreeEnsemble]:
    """The ensembles within a module, in the order in which they stand in it."""
    return [one for one in module.modules() if isinstance(one, TreeEnsemble)]


def from_onnx(attributes: Mapping[str, Any], features: int, classes: int) -> TreeEnsemble:
    """The ensemble that the attributes of a ``TreeEnsembleClassifier`` describe.

    Args:
        attributes: Name → value, nodes tree by tree.
        features: Number of features.
        classes: Number of classes.

    Raises:
        ValueError: The trees are of another kind than those that boosting for several classes makes.
    """
    tree = np.asarray(attributes["nodes_treeids"])
    place = np.asarray(attributes["nodes_nodeids"])
    leaf = np.array([one == b"LEAF" for one in attributes["nodes_modes"]])
    root = np.flatnonzero(np.diff(tree, prepend=-1))
    if set(attributes["nodes_modes"]) - {b"LEAF", b"BRANCH_LT"} or (place != np.arange(len(tree)) - root[tree]).any():
        raise ValueError("trees of a kind that is not known")
    leaf_at = root[np.asarray(attributes["class_treeids"])] + np.asarray(attributes["class_nodeids"])
    if len(root) % classes or (np.asarray(attributes["class_ids"]) != tree[leaf_at] % classes).any():
        raise ValueError(f"{len(root)} trees do not speak for {classes} classes in turn")
    if np.any(np.asarray(attributes.get("base_values", 0.0)) != 0):
        raise ValueError("the ensemble begins with other sums than 0")
    value = np.zeros(len(tree), np.float32)
    value[leaf_at] = attributes["class_weights"]
    own = np.arange(len(tree))
    yes, no = (
        np.where(leaf, own, root[tree] + np.asarray(attributes[name]))
        for name in ("nodes_truenodeids", "nodes_falsenodeids")
    )
    made = TreeEnsemble(Size(features, classes, len(root), len(tree), _depth(yes, no, root)))
    content = {
        "feature": np.asarray(attributes["nodes_featureids"]),
        "threshold": np.asarray(attributes["nodes_values"], np.float32),
        "yes": yes,
        "no": no,
        "missing": np.asarray(attributes["nodes_missing_value_tracks_true"]) > 0,
        "value": value,
        "root": root,
    }
    made.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in content.items()})
    return made


def _depth(yes: NDArray[np.int64], no: NDArray[np.int64], root: NDArray[np.int64]) -> int:
    """Largest number of questions from a root to a leaf."""
    at, depth = root, 0
    while True:
        at = at[yes[at] != at]
        if not len(at):
            return depth
        at, depth = np.concatenate([yes[at], no[at]]), depth + 1


def _version() -> tuple[int, ...]:
    return tuple(int(part) for part in torch.__version__.split(".")[:2])
