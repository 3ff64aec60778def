"""Opens a graph in onnxruntime, as predictions of a bundle do."""

from salt_like.loading.session import open_session

__all__ = ["open_session"]
