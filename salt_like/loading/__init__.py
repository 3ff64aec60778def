"""Trained taggers ready to use, for arrays in memory and for samples of any size."""

from salt_like.loading.opening import load
from salt_like.loading.sample import Options, SamplePredictor
from salt_like.loading.tagger import LoadedTagger

__all__ = ["LoadedTagger", "Options", "SamplePredictor", "load"]
