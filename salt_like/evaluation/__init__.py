"""Metrics from a prediction file, with errors and baselines; needs numpy and h5py, not torch."""
