"""Cut-outs around faces: square crops for the recognizer, how sharp they are, and alignment by five landmarks.

Pixels are BGR uint8 [H, W, 3]; boxes and landmarks are x, y in pixels, (0, 0) at the top left corner of the picture.
Nothing here raises on odd boxes or landmarks: what cannot be cut is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box
from mosaicast.imaging.types import Landmarks, Picture

GROWTH = 1.6
"""Side of a crop per longer side of the box: holds what dlib's chip shows of an upright face."""
LARGEST_SIDE = 160
"""Pixels; a chip of 150 px gains nothing from more, and the JPEG of it is 4 to 9 kB."""
SHARPNESS_SIDE = 112
"""Every crop is measured at this size, so that one threshold fits near and far faces."""
_WHOLE_PIXELS = 2
"""Sizes of pictures are rounded, so that width and height are never scaled alike to the last digit."""
_LARGEST_COORDINATE = 1e6
"""Beyond it float32 of OpenCV loses whole pixels; no source is that large (the contracts allow 16384)."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A square cut-out; source = origin + crop / scale."""

    picture: Picture
    origin_x: float
    origin_y: float
    scale: float
    """Crop pixels per source pixel, at most 1: a crop is never enlarged."""

    def to_crop(self, landmarks: Sequence[float]) -> Landmarks:
        """Return ten numbers x, y, ... of the source in pixels of the crop."""
        return map_landmarks(landmarks, self.origin_x, self.origin_y, self.scale)


def map_landmarks(landmarks: Sequence[float], origin_x: float, origin_y: float, scale: float) -> Landmarks:
    """Return landmarks of the source in pixels of a crop with this origin and scale."""
    points = (np.asarray(landmarks, np.float64).reshape(5, 2) - (origin_x, origin_y)) * scale
    x1, y1, x2, y2, x3, y3, x4, y4, x5, y5 = (float(number) for number in points.ravel())
    return x1, y1, x2, y2, x3, y3, x4, y4, x5, y5


def crop_square(picture: Picture, box: Box, *, growth: float = GROWTH, largest: int = LARGEST_SIDE) -> Crop | None:
    """Cut the square around a box's centre, `growth` times its longer side, shrunk to at most `largest` pixels.

    What lies over the picture's edge is black. None if box and picture share no pixel, or the box is not finite.
    """
    if not _meets(picture, box):
        return None
    side = max(box.width, box.height) * growth
    scale = min(1.0, largest / side)
    pixels = max(1, round(side * scale))
    scale = pixels / side if scale < 1.0 else 1.0
    left, top = box.centre[0] - side / 2, box.centre[1] - side / 2
    return _cut(picture, left, top, scale, pixels)


def _meets(picture: Picture, box: Box) -> bool:
    height, width = picture.shape[:2]
    if not all(abs(number) < _LARGEST_COORDINATE for number in box):  # NaN is not smaller either
        return False
    return box.x1 < min(box.x2, width) and box.y1 < min(box.y2, height) and box.x2 > 0 and box.y2 > 0


def _cut(picture: Picture, left: float, top: float, scale: float, pixels: int) -> Crop:
    """Cut whole source pixels, then average: shifts by half a pixel would blur what is measured for sharpness."""
    x, y, side = round(left), round(top), max(1, round(pixels / scale))
    height, width = picture.shape[:2]
    inside = picture[max(0, y) : max(0, min(height, y + side)), max(0, x) : max(0, min(width, x + side))]
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[max(0, -y) : max(0, -y) + inside.shape[0], max(0, -x) : max(0, -x) + inside.shape[1]] = inside
    if side > pixels:
        canvas = np.asarray(cv2.resize(canvas, (pixels, pixels), interpolation=cv2.INTER_AREA), np.uint8)
    return Crop(canvas, float(x), float(y), canvas.shape[0] / side)


def stretched(picture: Picture, ratio: float) -> Picture:
    """Return a picture so many times as high; as it is, if that makes less than a pixel or so."""
    height, width = picture.shape[:2]
    wanted = max(1, round(height * ratio))
    if abs(wanted - height) <= _WHOLE_PIXELS:
        return picture
    return np.asarray(cv2.resize(picture, (width, wanted), interpolation=cv2.INTER_LINEAR), np.uint8)


def sharpness(picture: Picture) -> float:
    """Return the variance of the Laplacian of the grey picture at 112 x 112; 0 for an empty one.

    The usual focus measure (Pech-Pacheco et al. 2000): low means blurred.
    """
    if picture.size == 0:
        return 0.0
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    side = (SHARPNESS_SIDE, SHARPNESS_SIDE)
    shrinks = min(grey.shape) > SHARPNESS_SIDE
    grey = cv2.resize(grey, side, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the 2x3 matrix of rotation, scale and shift that carries points [n, 2] onto others best (least squares).

    Never a mirror image (Umeyama 1991, without the reflection). None if the points are not finite or coincide.
    """
    if not np.isfinite(source).all() or np.abs(source).max() > _LARGEST_COORDINATE:
        return None
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    s, t = source - mean_s, target - mean_t
    spread = float((s * s).sum())
    if spread < 1e-3:
        return None
    a = float((s * t).sum()) / spread
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]])
    return np.hstack([linear, (mean_t - linear @ mean_s)[:, None]])


def align_by_landmarks(
    picture: Picture, landmarks: Sequence[float], template: NDArray[np.float64], side: int
) -> Picture | None:
    """Turn, scale and shift a face so that its five landmarks come to lie on `template` ([5, 2], chip pixels).

    Returns:
        [side, side, 3]; what the picture does not show is black. None if the landmarks do not span a face.
    """
    points = np.asarray(landmarks, np.float64).reshape(5, 2)
    matrix = similarity(points, template)
    if picture.size == 0 or matrix is None:
        return None
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if not 1e-3 < scale < 1e3:
        return None
    picture, matrix = _shrunk_first(picture, matrix, scale)
    return np.asarray(cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


def _shrunk_first(picture: Picture, matrix: NDArray[np.float64], scale: float) -> tuple[Picture, NDArray[np.float64]]:
    """Average the picture down by a whole factor before it is warped: bilinear alone would skip pixels (aliasing)."""
    factor = int(1 / scale)
    height, width = picture.shape[:2]
    if factor < 2 or min(height, width) < 2 * factor:
        return picture, matrix
    size = (width // factor, height // factor)
    trimmed = picture[: size[1] * factor, : size[0] * factor]
    small = np.asarray(cv2.resize(trimmed, size, interpolation=cv2.INTER_AREA), np.uint8)
    # Centre of a small pixel i lies at factor * i + (factor - 1) / 2 in the large one.
    grown = matrix.copy()
    grown[:, 2] += grown[:, :2] @ np.full(2, (factor - 1) / 2)
    grown[:, :2] *= factor
    return small, grown
