"""Trained taggers ready to use, for arrays in memory and for samples of any size."""

from salt_like.loading.sample import Options, SamplePredictor
from salt_like.loading.tagger import LoadedTagger, load

__all__ = ["LoadedTagger", "Options", "SamplePredictor", "load"]
