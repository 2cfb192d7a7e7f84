"""The kernels paint the same bytes as ever: hashes that were taken when a region could only be a box."""

import hashlib

import numpy as np
import pytest

from mosaicast.core.types import Box, Style
from mosaicast.imaging.masking import mask_yuv420

SIZES_WH = ((427, 241), (640, 360), (64, 36))
BOXES = (
    Box(10, 20, 90, 130),
    Box(60.4, 33.3, 71.9, 40.2),
    Box(-40, 12, 31.5, 96),
    Box(300, 150, 700, 500),
    Box(25, 30, 5, 10),
    Box(7, 7, 7, 7),
)
GOLDEN = {
    ((427, 241), Style.MOSAIC): "c6048a04ea8ea5c3",
    ((427, 241), Style.BLUR): "721890c3d820d696",
    ((427, 241), Style.SOLID): "01c35fb46721f942",
    ((640, 360), Style.MOSAIC): "23f40b00aff62ebf",
    ((640, 360), Style.BLUR): "b5366e93af80b2dc",
    ((640, 360), Style.SOLID): "a62d2e590a56b204",
    ((64, 36), Style.MOSAIC): "9fdab213dd233628",
    ((64, 36), Style.BLUR): "b6f37653a667b59c",
    ((64, 36), Style.SOLID): "ee72590896f31571",
}


def painted(size_wh: tuple[int, int], style: Style) -> str:
    """Return the hash of three noisy planes and of the painted share, after every box was painted on them."""
    rng, (width, height) = np.random.default_rng(7), size_wh
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (rng.integers(0, 256, size, np.uint8) for size in ((height, width), half, half))
    share = mask_yuv420(y, u, v, BOXES, style)
    return hashlib.sha256(b"".join((y.tobytes(), u.tobytes(), v.tobytes(), f"{share:.9f}".encode()))).hexdigest()[:16]


@pytest.mark.parametrize("style", tuple(Style))
@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_boxes_are_painted_to_the_byte_as_before(size_wh: tuple[int, int], style: Style) -> None:
    assert painted(size_wh, style) == GOLDEN[size_wh, style]
