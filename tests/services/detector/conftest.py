"""Frames and detectors for the detector's tests."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.contracts.messages import SampledFrame, TimeBase
from mosaicast.core.types import Box

BROKEN = 13
"""A picture whose first pixel has this blue (about) makes the fake model fail."""


@pytest.fixture
def jpeg_of() -> Callable[[np.ndarray], bytes]:
    def encode(picture: np.ndarray) -> bytes:
        return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])

    return encode


@pytest.fixture
def make_frame(jpeg_of: Callable[[np.ndarray], bytes]) -> Callable[..., SampledFrame]:
    blank = jpeg_of(np.full((36, 64, 3), 128, np.uint8))

    def make(seq: int = 0, **changes: object) -> SampledFrame:
        """One frame; 10 a second, so that pts (in tenths) is the number unless given."""
        fields: dict[str, object] = {
            "stream_id": "s", "epoch": 1, "seq": seq, "pts": seq, "time_base": TimeBase(1, 10),
            "width": 64, "height": 36, "fingerprint": bytes(144), "jpeg": blank, "read_ms": 1, **changes,
        }  # fmt: skip
        return SampledFrame(**fields)  # type: ignore[arg-type]

    return make


class FakeDetector:
    """Finds what it is told to, in pictures' own pixels."""

    name = "fake"

    def __init__(self, faces: Sequence[RawFace] = ()) -> None:
        self.faces = list(faces)
        self.batches: list[list[tuple[int, ...]]] = []
        self.thresholds: list[float] = []
        self.unanswered = 0

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return min(width, 640), min(height, 640)

    def detect(self, batch: Sequence[np.ndarray], threshold: float) -> list[list[RawFace]]:
        self.batches.append([picture.shape for picture in batch])
        self.thresholds.append(threshold)
        if any(abs(int(picture[0, 0, 0]) - BROKEN) < 4 for picture in batch):
            raise InferenceError("told to fail")
        return [[face for face in self.faces if face.score >= threshold] for _ in batch]


@pytest.fixture
def fake_detector() -> Callable[..., FakeDetector]:
    return FakeDetector


@pytest.fixture
def make_face() -> Callable[..., RawFace]:
    def make(x1: float, y1: float, x2: float, y2: float, score: float = 0.5) -> RawFace:
        return RawFace(Box(x1, y1, x2, y2), score, (x1, y1, x2, y1, (x1 + x2) / 2, (y1 + y2) / 2, x1, y2, x2, y2))

    return make
