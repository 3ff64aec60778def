"""Is it physics? What a file of simulated jets contains, against what is expected of it."""

from salt_like.simulation.check.report import Report, check

__all__ = ["Report", "check"]
