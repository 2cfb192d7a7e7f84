"""A face detector that sees what it is told to. `tests/adapters/test_detectors.py` tries it beside the real ones."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import RawFace
from mosaicast.core.types import Box
from mosaicast.imaging.types import Landmarks
from tests.fakes.placement import HERE

LARGEST_PX = 640
"""Longest side of the pictures that it looks at."""

Sight = Callable[[NDArray[np.uint8]], Sequence[RawFace]]
"""The faces of one picture, BGR [H, W, 3] of at least one pixel; may raise InferenceError."""


class FakeDetector:
    """Gives each picture the faces that it is told to see there.

    Args:
        sees: the faces of every picture, or what finds them in one.
    """

    placement = HERE

    def __init__(self, sees: Sequence[RawFace] | Sight = (), name: str = "fake") -> None:
        self.name = name
        self.sees = sees
        self.batches: list[list[tuple[int, ...]]] = []
        """Shapes of the pictures that it was given."""
        self.thresholds: list[float] = []

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        scale = min(1.0, LARGEST_PX / max(width, height))
        return round(width * scale), round(height * scale)

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        self.batches.append([picture.shape for picture in batch])
        self.thresholds.append(threshold)
        return [self._faces(picture, threshold) for picture in batch]

    def _faces(self, picture: NDArray[np.uint8], threshold: float) -> list[RawFace]:
        if picture.size == 0:
            return []
        found = self.sees(_bgr(picture)) if callable(self.sees) else self.sees
        return sorted((face for face in found if face.score >= threshold), key=lambda face: -face.score)


def _bgr(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if channels == 3:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR), np.uint8)


def frontal(box: Box) -> Landmarks:
    """Return the landmarks of a face that fills a box and looks at the camera."""
    shares = (0.3, 0.4, 0.7, 0.4, 0.5, 0.6, 0.35, 0.8, 0.65, 0.8)
    return tuple(  # type: ignore[return-value]
        (box.y1 + share * box.height) if place % 2 else (box.x1 + share * box.width)
        for place, share in enumerate(shares)
    )


def raw_face(box: Box, score: float = 0.9) -> RawFace:
    """Return a face that fills a box and looks at the camera."""
    return RawFace(box, score, frontal(box))
