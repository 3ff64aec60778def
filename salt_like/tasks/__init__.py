"""What a tagger learns: each task is a head, its loss, its predictions and its metrics."""

from salt_like.tasks.base import Task
from salt_like.tasks.classification import Classification

__all__ = ["Classification", "Task"]
