"""What a tagger learns: each task is a head, its loss, its predictions and its metrics."""

from salt_like.tasks.base import Logits, Task
from salt_like.tasks.classification import Classification
from salt_like.tasks.gaussian import GaussianRegression
from salt_like.tasks.regression import Regression
from salt_like.tasks.set_prediction import SetPrediction
from salt_like.tasks.vertexing import Vertexing

__all__ = ["Classification", "GaussianRegression", "Logits", "Regression", "SetPrediction", "Task", "Vertexing"]
