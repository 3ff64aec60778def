"""Gradient-boosted trees by XGBoost (arXiv:1603.02754), and what becomes of them; the only file that imports it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from salt_like.errors import UserError
from salt_like.trees.ensemble import TreeEnsemble, from_onnx

Report = Callable[[int, int], None]
TOLERANCE = 1e-4  # of logits, between XGBoost and what was converted
COMPARED = 10_000  # jets on which both are asked
STARTED = 0.0  # logit of every class before the first tree: the converter need not know another one


@dataclass(frozen=True)
class Settings:
    """How trees are boosted.

    Args:
        rounds: Largest number of rounds, each of which adds one tree per class.
        patience: Rounds without a smaller validation loss after which boosting stops.
        learning_rate: Share of each tree that is added.
        max_depth: Questions on the way to a leaf.
        min_child_weight: Smallest sum of second derivatives in a leaf.
        subsample: Share of the jets that each round looks at.
        colsample: Share of the features that each tree looks at.
    """

    rounds: int = 1000
    patience: int = 20
    learning_rate: float = 0.1
    max_depth: int = 6
    min_child_weight: float = 1.0
    subsample: float = 0.8
    colsample: float = 0.8

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Table:
    """Jets as trees see them.

    Args:
        features: ``(n, F)`` float32, NaN for what is not there.
        labels: Class of each jet, ``(n,)``.
        weights: Weight of each jet in the loss, ``(n,)``.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]

    @property
    def share(self) -> float:
        """Mean weight, by which XGBoost's mean loss becomes that of the other models: a sum over the number of jets."""
        return float(self.weights.mean(dtype=np.float64))


@dataclass(frozen=True)
class Boosted:
    """What boosting found.

    Args:
        trees: The trees of the best round and those before.
        best: Number of that round, from 0.
        losses: Name of a sample → loss after each round.
    """

    trees: TreeEnsemble
    best: int
    losses: dict[str, list[float]]


def require() -> tuple[Any, Any]:
    """XGBoost and the converter.

    Raises:
        UserError: They are not installed.
    """
    try:
        import onnxmltools
        import xgboost
    except ImportError as error:
        raise UserError(
            f"boosted trees need xgboost and onnxmltools\nfound: {error}\npip install 'salt-like[trees]'"
        ) from error
    return xgboost, onnxmltools


def versions() -> dict[str, str]:
    """Versions of the packages."""
    return {one.__name__: one.__version__ for one in require()}


def boost(
    train: Table,
    val: Table | None,
    classes: int,
    settings: Settings,
    seed: int = 0,
    threads: int | None = None,
    report: Report = lambda *_: None,
) -> Boosted:
    """Boost trees for the classes of jets, and turn them into tensors.

    Args:
        train: Training jets.
        val: Validation jets, whose loss says when to stop; ``None`` to make all rounds.
        classes: Number of classes.
        settings: How.
        seed: Of the jets and features that are looked at.
        threads: Threads; ``None`` for what ``OMP_NUM_THREADS`` says, or all.
        report: Called with the number of rounds done and their largest number.

    Raises:
        UserError: The packages are missing, refuse the settings, or do not belong together.
    """
    xgboost, onnxmltools = require()
    parameters = {
        "objective": "multi:softprob",
        "num_class": classes,
        "eval_metric": "mlogloss",
        "tree_method": "hist",
        "base_score": STARTED,
        "eta": settings.learning_rate,
        "max_depth": settings.max_depth,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.subsample,
        "colsample_bytree": settings.colsample,
        "seed": seed,
        "verbosity": 0,
        **({} if threads is None else {"nthread": threads}),
    }
    matrices = {"train": xgboost.QuantileDMatrix(train.features, train.labels, weight=train.weights)}
    if val is not None:
        matrices["val"] = xgboost.QuantileDMatrix(val.features, val.labels, weight=val.weights, ref=matrices["train"])
    losses: dict[str, dict[str, list[float]]] = {}
    watching = _watching(xgboost, settings.rounds, report)
    stopping = xgboost.callback.EarlyStopping(rounds=settings.patience, data_name="val") if val is not None else None
    try:
        booster = xgboost.train(
            parameters,
            matrices["train"],
            num_boost_round=settings.rounds,
            evals=[(matrix, name) for name, matrix in matrices.items()],
            evals_result=losses,
            verbose_eval=False,
            callbacks=[watching, *([stopping] if stopping else [])],
        )
    except xgboost.core.XGBoostError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UserError(f"xgboost {xgboost.__version__} cannot boost these trees\nfound: {lines[0][:300]}") from error
    best = booster.best_iteration if val is not None else settings.rounds - 1
    booster = booster[: best + 1]
    trees = _converted(booster, train.features.shape[1], classes, onnxmltools)
    _compare(trees, booster, (val or train).features[:COMPARED], xgboost, onnxmltools)
    shares = {"train": train.share, **({} if val is None else {"val": val.share})}
    means = {name: [loss * shares[name] for loss in found["mlogloss"]] for name, found in losses.items()}
    return Boosted(trees, best, means)


def _watching(xgboost: Any, rounds: int, report: Report) -> Any:
    """A callback of XGBoost that reports each round."""

    class Watching(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            del model, evals_log
            report(epoch + 1, rounds)
            return False

    return Watching()


def _converted(booster: Any, features: int, classes: int, onnxmltools: Any) -> TreeEnsemble:
    """The trees as the converter writes them into ONNX."""
    import onnx
    from onnxmltools.convert.common.data_types import FloatTensorType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = onnxmltools.convert_xgboost(booster, initial_types=[("features", FloatTensorType([None, features]))])
    (node,) = (one for one in model.graph.node if one.op_type == "TreeEnsembleClassifier")
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    try:
        return from_onnx(attributes, features, classes)
    except (ValueError, KeyError, IndexError) as error:
        raise UserError(
            f"what onnxmltools {onnxmltools.__version__} made of the trees is not known: {error}"
        ) from error


def _compare(trees: TreeEnsemble, booster: Any, features: NDArray[np.float32], xgboost: Any, onnxmltools: Any) -> None:
    """Refuse trees that say something else than XGBoost."""
    expected = booster.predict(xgboost.DMatrix(features), output_margin=True)
    with torch.inference_mode():
        found = trees(torch.from_numpy(features)).numpy()
    largest = float(np.abs(found - expected.reshape(found.shape)).max(initial=0.0))
    if not largest <= TOLERANCE:
        raise UserError(
            f"the trees say something else after their conversion: a logit differs by {largest:.2g}\n"
            f"xgboost {xgboost.__version__} and onnxmltools {onnxmltools.__version__} do not belong together: "
            "install the newest of both"
        )
