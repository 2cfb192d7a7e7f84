"""Frames and detectors for the detector's tests."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.contracts.messages import SampledFrame, TimeBase
from mosaicast.core.types import Box
from tests.fakes.detector import FakeDetector

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


@pytest.fixture
def fake_detector() -> Callable[..., FakeDetector]:
    def make(faces: Sequence[RawFace] = ()) -> FakeDetector:
        """One that finds these faces in every picture that is not broken."""

        def sees(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
            if abs(int(picture[0, 0, 0]) - BROKEN) < 4:
                raise InferenceError("told to fail")
            return faces

        return FakeDetector(sees)

    return make


@pytest.fixture
def make_face() -> Callable[..., RawFace]:
    def make(x1: float, y1: float, x2: float, y2: float, score: float = 0.5) -> RawFace:
        return RawFace(Box(x1, y1, x2, y2), score, (x1, y1, x2, y1, (x1 + x2) / 2, (y1 + y2) / 2, x1, y2, x2, y2))

    return make
