"""Boosted trees on summary features of the jets: the baseline beside every network."""
