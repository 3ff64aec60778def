"""Simulated jets: Pythia 8 events through a parametrised detector, written in the field's layout.

What comes out is "Pythia 8 + parametrised tracker"; it says nothing about the performance of an experiment.
"""
