"""Face detectors behind one port."""

from mosaicast.adapters.detectors.factory import make_detector, require_detector
from mosaicast.adapters.detectors.port import Detector, RawFace

__all__ = ["Detector", "RawFace", "make_detector", "require_detector"]
