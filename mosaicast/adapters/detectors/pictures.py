"""Bringing any picture to a detector's input size, and its boxes back, exactly."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors.port import RawFace
from mosaicast.adapters.detectors.width import WIDTH
from mosaicast.core.types import Box
from mosaicast.imaging.crops import map_landmarks
from mosaicast.imaging.types import Landmarks, Picture

_MULTIPLE = 32
"""The networks halve their input five times."""
_LONGEST_SIDE = 1600
"""A strip gets no longer than this."""
_LARGEST_GROWTH = 2.0
"""A thumbnail is enlarged this much: its faces are small, and more shows nothing new."""


class Fitted(NamedTuple):
    """A picture on a canvas: content at the top left, black beside it."""

    canvas: Picture
    """BGR [h, w, 3], sides multiples of 32."""
    scale_x: float
    """Canvas pixels per pixel of the picture."""
    scale_y: float
    """Not quite `scale_x`: sizes are whole pixels."""

    def box_of(self, box: Box) -> Box:
        """Return a box of the canvas in pixels of the picture."""
        return Box(box.x1 / self.scale_x, box.y1 / self.scale_y, box.x2 / self.scale_x, box.y2 / self.scale_y)

    def landmarks_of(self, landmarks: Landmarks) -> Landmarks:
        """Return landmarks of the canvas in pixels of the picture."""
        even = map_landmarks(landmarks, 0.0, 0.0, 1 / self.scale_x)
        ratio = self.scale_x / self.scale_y
        x1, y1, x2, y2, x3, y3, x4, y4, x5, y5 = even
        return x1, y1 * ratio, x2, y2 * ratio, x3, y3 * ratio, x4, y4 * ratio, x5, y5 * ratio


def to_bgr(picture: NDArray[np.uint8]) -> Picture:
    """Return any of [H, W], [H, W, 1], [H, W, 3] and [H, W, 4] as [H, W, 3]."""
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    return picture[:, :, :3]


def target_size(width: int, height: int, width_16x9: int = WIDTH) -> tuple[int, int]:
    """Return the width and height that a picture is scaled to, its shape kept, before it is padded.

    Args:
        width_16x9: what a 16:9 picture's width becomes.
    """
    pixels = width_16x9 * width_16x9 * 9 / 16
    scale = min(math.sqrt(pixels / (width * height)), _LONGEST_SIDE / max(width, height), _LARGEST_GROWTH)
    return max(1, round(width * scale)), max(1, round(height * scale))


def fit(picture: NDArray[np.uint8], width_16x9: int = WIDTH) -> Fitted | None:
    """Scale a picture for detection and pad it at the right and below; None for one without pixels."""
    if picture.size == 0:
        return None
    bgr = to_bgr(picture)
    height, width = bgr.shape[:2]
    new_width, new_height = target_size(width, height, width_16x9)
    canvas = np.zeros((_padded(new_height), _padded(new_width), 3), np.uint8)
    canvas[:new_height, :new_width] = _scaled(bgr, new_width, new_height)
    return Fitted(canvas, new_width / width, new_height / height)


def _scaled(picture: Picture, width: int, height: int) -> Picture:
    """Scale by averaging where it is fast (whole factors) or needed (large ones), else bilinear: 5 times faster."""
    if picture.shape[:2] == (height, width):
        return picture
    method = cv2.INTER_AREA if picture.shape[1] >= 2 * width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def _padded(side: int) -> int:
    return math.ceil(side / _MULTIPLE) * _MULTIPLE


def alike(fitted: Sequence[Fitted | None]) -> Iterator[tuple[list[int], list[Picture]]]:
    """Yield the places and canvases of pictures whose canvases have one size: only those make a batch."""
    groups: dict[tuple[int, ...], list[tuple[int, Picture]]] = defaultdict(list)
    for place, one in enumerate(fitted):
        if one is not None:
            groups[one.canvas.shape].append((place, one.canvas))
    for group in groups.values():
        yield [place for place, _ in group], [canvas for _, canvas in group]


def inside(faces: Sequence[RawFace], fitted: Fitted | None, shape: Sequence[int]) -> list[RawFace]:
    """Bring faces of a canvas back to its picture of this shape, without those that lie wholly in the padding."""
    if fitted is None:
        return []
    height, width = shape[:2]
    mapped = [RawFace(fitted.box_of(f.box), f.score, fitted.landmarks_of(f.landmarks)) for f in faces]
    return [f for f in mapped if f.box.x1 < width and f.box.y1 < height and f.box.x2 > 0 and f.box.y2 > 0]
