"""Trained taggers ready to use, for arrays in memory and for samples of any size.

Nothing here imports torch; `salt_like.loading.tagger` does.
"""

from salt_like.loading.opening import load, load_run
from salt_like.loading.ready import ReadyTagger
from salt_like.loading.sample import Options, SamplePredictor

__all__ = ["Options", "ReadyTagger", "SamplePredictor", "load", "load_run"]
