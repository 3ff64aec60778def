"""Boosted trees in the place of a network: a tagger like any other to all that tests, predicts and exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from salt_like.batch import Batch
from salt_like.sets import Tokens, layout_of
from salt_like.spec import DataSpec
from salt_like.tagger import Tagger
from salt_like.tasks import Classification
from salt_like.trees.ensemble import Size, TreeEnsemble
from salt_like.trees.summary import Summary

KEY = "trees"  # in the description of the model, which a network does not have


class TreeClassification(Classification):
    """A classification of jets whose logits come from boosted trees.

    Takes the arguments of `Classification`, of which those of its network mean nothing here, and:

    Args:
        trees: How large the trees are.
    """

    def __init__(self, spec: DataSpec, features: int, *, trees: Size, **arguments: Any) -> None:
        super().__init__(spec, features, features, **{**arguments, "hidden": []})
        del self.head
        self.trees = TreeEnsemble(trees)

    def forward(self, tokens: Tokens | None, pooled: Tensor) -> Tensor:
        del tokens
        return self.trees(pooled)  # type: ignore[no-any-return]


class TreeTagger(Tagger):
    """A tagger without a network: the vector of a jet are its summary features, which trees classify.

    Args:
        spec: Description of the data.
        task: Name of the classification.
        arguments: Constructor arguments of `Classification`.
        size: How large the trees are.
        leading: Leading constituents whose variables are features (`Summary`).

    Attributes:
        learns: The classification.
    """

    def __init__(self, spec: DataSpec, task: str, arguments: Mapping[str, Any], size: Size, leading: int) -> None:
        nn.Module.__init__(self)  # nothing of what the network of a tagger consists of
        self.spec = spec
        self.encoder = self.pooling = self.attached = self.joined = None
        self.norms, self.tokenizers = nn.ModuleDict(), nn.ModuleDict()
        self.summary = Summary(spec, leading)
        self.pooled_dim = len(self.summary.names)
        self.learns = TreeClassification(spec, self.pooled_dim, trees=size, **arguments)
        self.tasks = nn.ModuleDict({task: self.learns})
        self.discriminants = self._discriminants()

    def encode(self, batch: Batch) -> tuple[Tokens | None, Tensor]:
        """No tokens, and the summary features of each jet, ``(B, F)``."""
        layouts = {stream.name: layout_of(batch, stream.name) for stream in self.spec.set_streams}
        return None, self.summary(batch.inputs, layouts)


def description(task: str, arguments: Mapping[str, Any], size: Size, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint holds in place of the ``model`` section of a configuration.

    Args:
        task: Name of the classification.
        arguments: Its constructor arguments.
        size: How large the trees are.
        settings: How they were made, ``leading`` among it.
    """
    entry = {"class_path": f"{Classification.__module__}.Classification", "init_args": dict(arguments)}
    return {KEY: {"size": size.plain(), **settings}, "tasks": {task: entry}}


def described(spec: DataSpec, model: Mapping[str, Any]) -> TreeTagger:
    """The tagger of a description, without the content of its trees."""
    ((task, entry),) = model["tasks"].items()
    trees = model[KEY]
    return TreeTagger(spec, task, entry["init_args"], Size(**trees["size"]), trees["leading"])
