"""What the detector service and the api ask of a face detector: the port of the pipeline, and where it runs."""

from typing import Protocol

from mosaicast.adapters.models.placement import Placement
from mosaicast.pipeline import ports
from mosaicast.pipeline.ports import RawFace

__all__ = ["Detector", "RawFace"]


class Detector(ports.Detector, Protocol):
    """Finds faces. One instance belongs to one thread."""

    @property
    def placement(self) -> Placement:
        """What runs it on this machine."""
