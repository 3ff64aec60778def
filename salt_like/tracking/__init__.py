"""Runs told to where a team looks: Comet, and any logger of Lightning."""
