"""Encoders: what lets the tokens of a jet see each other."""

from salt_like.encoders.base import Encoder
from salt_like.encoders.deepsets import DeepSets
from salt_like.encoders.transformer import REGISTERS, Transformer

__all__ = ["REGISTERS", "DeepSets", "Encoder", "Transformer"]
