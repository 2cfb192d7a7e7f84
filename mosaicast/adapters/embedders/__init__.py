"""Face embedders behind one port."""

from mosaicast.adapters.embedders.factory import make_embedder
from mosaicast.adapters.embedders.port import Embedder, Face

__all__ = ["Embedder", "Face", "make_embedder"]
