"""Reusable modules, tasks and training for particle-jet taggers."""
