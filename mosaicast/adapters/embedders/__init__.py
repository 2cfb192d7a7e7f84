"""Face embedders behind one port."""

from mosaicast.adapters.embedders.factory import make_embedder
from mosaicast.adapters.embedders.port import Embedded, Embedder, Face, Quality

__all__ = ["Embedded", "Embedder", "Face", "Quality", "make_embedder"]
