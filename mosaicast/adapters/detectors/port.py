"""What the detector service and the api ask of a face detector: the port of the pipeline."""

from mosaicast.pipeline.ports import Detector, RawFace

__all__ = ["Detector", "RawFace"]
