"""What the recognizer and the api ask of a face embedder: the port of the pipeline."""

from mosaicast.pipeline.ports import Embedder, Face

__all__ = ["Embedder", "Face"]
