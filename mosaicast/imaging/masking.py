"""Mask kernels on YUV planes, in place. Any box on any frame; nothing here raises on odd geometry.

What is painted comes from at most `BLOCKS` x `BLOCKS` averages of the region, whatever its size, quantised: none of
the styles can be reversed. The grid belongs to the region and starts on even pixels, so that chroma follows luma.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box, Style

Plane = NDArray[np.uint8]

BLOCKS = 8
"""Averages across a region at most. Faces pixelated at 8 across are below what people or networks recognise."""
_QUANTUM = 8
"""Averages keep their upper 5 bits: many mosaics of a moving face would otherwise add up to more detail."""
_SOLID_QUANTUM = 32


def mask_yuv420(y: Plane, u: Plane, v: Plane, boxes: Sequence[Box], style: Style) -> float:
    """Paint `boxes` (luma pixels) on 4:2:0 planes in place and return the painted share of the picture (0 to 1).

    Args:
        y: uint8 [H, W]; views with strides are fine.
        u: uint8 [ceil(H/2), ceil(W/2)].
        v: the same.
        boxes: clipped to the frame and grown to even pixels; empty and inverted ones count as one pixel.
        style: mosaic, blur or solid.
    """
    height, width = y.shape
    painted = 0
    for box in boxes:
        left, right = _even_span(box.x1, box.x2, width)
        top, bottom = _even_span(box.y1, box.y2, height)
        if right <= left or bottom <= top:
            continue
        block = _block_of(box, width, height)
        _paint(y[top:bottom, left:right], block, style)
        for chroma in (u, v):
            _paint(chroma[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2], block / 2, style)
        painted += (right - left) * (bottom - top)
    return min(1.0, painted / (width * height)) if width and height else 0.0


def mosaic_all_yuv420(y: Plane, u: Plane, v: Plane, style: Style) -> None:
    """Paint the whole picture in place: `BLOCKS` blocks across its shorter side, for a face may be as wide."""
    height, width = y.shape
    if not (width and height):
        return
    block = _at_least_two(min(width, height) / BLOCKS)
    _paint(y, block, style)
    for chroma in (u, v):
        _paint(chroma, block / 2, style)


def _block_of(box: Box, width: int, height: int) -> float:
    """Return the block's side in luma pixels, from the whole box: the part in the frame may be half a face."""
    sides = (abs(box.width), abs(box.height))
    longest = max(side if math.isfinite(side) else max(width, height) for side in sides)
    return _at_least_two(longest / BLOCKS)


def _at_least_two(side: float) -> float:
    return max(2.0, float(math.ceil(side)))


def _even_span(start: float, end: float, size: int) -> tuple[int, int]:
    # A box that says nothing finite hides where it is: the whole span is painted.
    if not (math.isfinite(start) and math.isfinite(end)):
        return 0, size
    low, high = min(start, end), max(start, end, min(start, end) + 1)
    first = max(0, min(size, math.floor(low))) // 2 * 2
    last = max(0, min(size, math.ceil(high)))
    return first, min(size, (last + 1) // 2 * 2)


def _paint(region: Plane, block: float, style: Style) -> None:
    """Replace a region by its averages over blocks of at least `block` pixels."""
    height, width = region.shape
    if not (height and width):
        return
    grid_wh = max(1, int(width / block)), max(1, int(height / block))
    averages = np.asarray(cv2.resize(region, grid_wh, interpolation=cv2.INTER_AREA)).reshape(grid_wh[::-1])
    averages = averages // _QUANTUM * _QUANTUM + _QUANTUM // 2
    if style is Style.SOLID:
        region[:] = int(averages.mean()) // _SOLID_QUANTUM * _SOLID_QUANTUM + _SOLID_QUANTUM // 2
        return
    up = cv2.INTER_LINEAR if style is Style.BLUR else cv2.INTER_NEAREST
    region[:] = np.asarray(cv2.resize(averages, (width, height), interpolation=up)).reshape(height, width)
