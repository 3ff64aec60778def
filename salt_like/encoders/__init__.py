"""Encoders: what lets the tokens of a jet see each other."""

from salt_like.encoders.base import Encoder
from salt_like.encoders.deepsets import DeepSets
from salt_like.encoders.edge_attention import EdgeAttention
from salt_like.encoders.graph import GraphEncoder
from salt_like.encoders.hypergraph import HypergraphEncoder
from salt_like.encoders.particle_transformer import ParticleTransformer
from salt_like.encoders.particlenet import ParticleNet
from salt_like.encoders.transformer import REGISTERS, Transformer

__all__ = [
    "REGISTERS",
    "DeepSets",
    "EdgeAttention",
    "Encoder",
    "GraphEncoder",
    "HypergraphEncoder",
    "ParticleNet",
    "ParticleTransformer",
    "Transformer",
]
