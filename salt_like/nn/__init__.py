"""Plain modules that act on tensors, in either layout."""

from salt_like.nn.activations import make_activation
from salt_like.nn.attention import QueryAttention, SelfAttention
from salt_like.nn.batch_norm import BatchNorm
from salt_like.nn.class_attention import ClassAttentionPooling
from salt_like.nn.dense import Dense, FeedForward, GatedLinear
from salt_like.nn.inputs import InputNorm
from salt_like.nn.norms import LayerNorm, RMSNorm, make_norm
from salt_like.nn.pairs import PairFeatures
from salt_like.nn.pooling import (
    AttentionPooling,
    ClassTokenPooling,
    MaxPooling,
    MeanPooling,
    Pooling,
    SumPooling,
)
from salt_like.nn.positional import PeriodicFeatures
from salt_like.nn.transformer import DropPath, LayerScale, TransformerLayer

__all__ = [
    "AttentionPooling",
    "BatchNorm",
    "ClassAttentionPooling",
    "ClassTokenPooling",
    "Dense",
    "DropPath",
    "FeedForward",
    "GatedLinear",
    "InputNorm",
    "LayerNorm",
    "LayerScale",
    "MaxPooling",
    "MeanPooling",
    "PairFeatures",
    "PeriodicFeatures",
    "Pooling",
    "QueryAttention",
    "RMSNorm",
    "SelfAttention",
    "SumPooling",
    "TransformerLayer",
    "make_activation",
    "make_norm",
]
