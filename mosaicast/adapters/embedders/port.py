"""What the recognizer and the api ask of a face embedder: the port of the pipeline, and where it runs."""

from typing import Protocol

from mosaicast.adapters.models.placement import Placement
from mosaicast.pipeline import ports
from mosaicast.pipeline.ports import Embedded, Face, Quality

__all__ = ["FACENET_CASIA", "Embedded", "Embedder", "Face", "Quality"]

FACENET_CASIA = "facenet-casia"
"""The network of the list that two libraries can run."""


class Embedder(ports.Embedder, Protocol):
    """Turns faces into vectors. One instance belongs to one thread."""

    @property
    def placement(self) -> Placement:
        """What runs it on this machine."""
