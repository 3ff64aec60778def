"""Salt's GN2 as its own configuration describes it, built from Salt's own classes (runs in Salt's environment)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from architectures import (
    ARCHITECTURES,
    CLASSES,
    JET_LABEL,
    JET_VARIABLES,
    LEARNING_RATE,
    ORIGIN_LABEL,
    ORIGIN_WEIGHT,
    TRACK_VARIABLES,
    VERTEX_LABEL,
    VERTEXING_WEIGHT,
    Architecture,
)
from salt.data.datamodules import SaltDataModule
from salt.models import (
    ClassificationTask,
    GlobalAttentionPooling,
    SaltModel,
    Transformer,
    VertexingTask,
)
from salt.modelwrapper import ModelWrapper
from torch import nn
from worker_config import WorkerConfig

VARIABLES = {"jets": list(JET_VARIABLES), "tracks": list(TRACK_VARIABLES)}
ATTENTION = "torch-math"
FLAVOURS = ["ujets", "cjets", "bjets", "taujets"]


def salt_wrapper(config: WorkerConfig) -> ModelWrapper:
    """Salt's Lightning module with the GN2 architecture (Salt's ``configs/GN2/GN2.yaml`` in Python)."""
    sizes = ARCHITECTURES[config.architecture]
    embedding = {"output_size": sizes.dim, "hidden_layers": [sizes.dim], "activation": "ReLU"}
    encoder = Transformer(
        num_layers=sizes.layers,
        embed_dim=sizes.dim,
        out_dim=sizes.out_dim,
        attn_type=config.attention or ATTENTION,
        norm="LayerNorm",
        do_final_norm=True,
        dense_kwargs={"activation": "ReLU", "gated": False},
        attn_kwargs={"num_heads": sizes.heads},
    )
    model = SaltModel(
        init_nets=[
            {"input_name": "tracks", "dense_config": embedding, "variables": VARIABLES, "global_object": "jets"}
        ],
        encoder=encoder,
        pool_net=GlobalAttentionPooling(input_size=sizes.out_dim),
        tasks=_tasks(sizes, Path(config.statistics), config.vertexing),
    )
    norm = {
        "norm_dict": Path(config.statistics) / "norm_dict.yaml",
        "variables": VARIABLES,
        "global_object": "jets",
        "input_map": {"jets": "jets", "tracks": "tracks"},
    }
    return ModelWrapper(model=model, lrs_config=LEARNING_RATE, global_object="jets", norm_config=norm, name="GN2")


def salt_data(config: WorkerConfig) -> SaltDataModule:
    """Salt's data module on the file, with the labels that its command line would collect from the tasks."""
    track_labels = [ORIGIN_LABEL, VERTEX_LABEL] if config.vertexing else [ORIGIN_LABEL]
    return SaltDataModule(
        train_file=config.train_file,
        val_file=config.train_file,
        batch_size=config.batch_size,
        num_workers=config.workers,
        num_train=-1,
        num_val=-1,
        num_test=-1,
        norm_dict=str(Path(config.statistics) / "norm_dict.yaml"),
        variables=VARIABLES,
        labels={"jets": [JET_LABEL], "tracks": track_labels},
        input_map={"jets": "jets", "tracks": "tracks"},
        global_object="jets",
    )


def _tasks(sizes: Architecture, statistics: Path, vertexing: bool) -> nn.ModuleList:
    weights: dict[str, Any] = yaml.safe_load((statistics / "class_dict.yaml").read_text())

    def dense(inputs: int, outputs: int, context: int) -> dict[str, Any]:
        return {
            "input_size": inputs,
            "output_size": outputs,
            "hidden_layers": list(sizes.head_layers),
            "activation": "ReLU",
            "context_size": context,
        }

    tasks: list[nn.Module] = [
        ClassificationTask(
            name="jets_classification",
            input_name="jets",
            label=JET_LABEL,
            class_names=FLAVOURS,
            loss=nn.CrossEntropyLoss(weight=torch.tensor(weights["jets"][JET_LABEL])),
            dense_config=dense(sizes.out_dim, CLASSES["jets"][JET_LABEL], 0),
        ),
        ClassificationTask(
            name="track_origin",
            input_name="tracks",
            label=ORIGIN_LABEL,
            weight=ORIGIN_WEIGHT,
            loss=nn.CrossEntropyLoss(weight=torch.tensor(weights["tracks"][ORIGIN_LABEL])),
            dense_config=dense(sizes.out_dim, CLASSES["tracks"][ORIGIN_LABEL], sizes.out_dim),
        ),
    ]
    if vertexing:
        tasks.append(
            VertexingTask(
                name="track_vertexing",
                input_name="tracks",
                label=VERTEX_LABEL,
                weight=VERTEXING_WEIGHT,
                loss=nn.BCEWithLogitsLoss(reduction="none"),
                dense_config=dense(2 * sizes.out_dim, 1, sizes.out_dim),
            )
        )
    return nn.ModuleList(tasks)
