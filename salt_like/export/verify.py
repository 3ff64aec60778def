"""Checks a bundle (under construction)."""
