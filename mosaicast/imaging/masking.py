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
"""Averages are rounded to 5 bits: many mosaics of a moving face would otherwise add up to more detail. To the nearest
multiple, so that grey (chroma 128) stays grey: with bins that begin at 128, noise tints it green and magenta."""
_SOLID_QUANTUM = 32
_SHRINK = 4
"""OpenCV averages by this exact factor ten times faster than by the odd ones of a grid."""


def mask_yuv420(y: Plane, u: Plane, v: Plane, boxes: Sequence[Box], style: Style) -> float:
    """Paint `boxes` (luma pixels) on 4:2:0 planes in place and return the painted share of the picture (0 to 1).

    Args:
        y: uint8 [H, W]; views with strides are fine.
        u: uint8 [ceil(H/2), ceil(W/2)].
        v: the same.
        boxes: clipped to the frame and grown to even pixels; an empty one counts as one pixel, an inverted one as the
            same corners in order, one that is not finite as the whole of that axis. What overlaps counts twice.
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
        grid_wh = _blocks(right - left, block), _blocks(bottom - top, block)
        _paint(y[top:bottom, left:right], grid_wh, style)
        for chroma in (u, v):
            _paint(chroma[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2], grid_wh, style)
        painted += (right - left) * (bottom - top)
    return min(1.0, painted / (width * height)) if width and height else 0.0


def mosaic_all_yuv420(y: Plane, u: Plane, v: Plane, style: Style) -> None:
    """Paint the whole picture in place: `BLOCKS` blocks across its shorter side, for a face may be as wide."""
    height, width = y.shape
    block = _at_least_two(min(width, height) / BLOCKS)
    grid_wh = _blocks(width, block), _blocks(height, block)
    for plane in (y, u, v):
        _paint(plane, grid_wh, style)


def _block_of(box: Box, width: int, height: int) -> float:
    """Return the least side of a block in luma pixels, from the whole box: the part in the frame may be half a face."""
    longest = max(_even_length(box.x1, box.x2, width), _even_length(box.y1, box.y2, height))
    return _at_least_two(longest / BLOCKS)


def _even_length(start: float, end: float, size: int) -> int:
    if not (math.isfinite(start) and math.isfinite(end)):
        return size
    return math.ceil(max(start, end) / 2) * 2 - math.floor(min(start, end) / 2) * 2


def _blocks(length: int, block: float) -> int:
    return max(1, int(length / block))


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


def _paint(region: Plane, grid_wh: tuple[int, int], style: Style) -> None:
    """Replace a region by the averages of a grid of so many columns and rows."""
    height, width = region.shape
    if not (height and width):
        return
    averages = _averages(region, grid_wh)
    if style is Style.SOLID:
        region[:] = _rounded(averages.mean(keepdims=True), _SOLID_QUANTUM)
        return
    up = cv2.INTER_LINEAR if style is Style.BLUR else cv2.INTER_NEAREST
    painted = cv2.resize(_rounded(averages, _QUANTUM), (width, height), interpolation=up)
    region[:] = np.asarray(painted).reshape(height, width)


def _averages(region: Plane, grid_wh: tuple[int, int]) -> Plane:
    height, width = region.shape
    if min(width // grid_wh[0], height // grid_wh[1]) >= _SHRINK * 4:
        # The up to 3 pixels at the far edges that are left out do not change an average of 16 or more.
        width, height = width // _SHRINK, height // _SHRINK
        even = region[: height * _SHRINK, : width * _SHRINK]
        region = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))
    averages = np.asarray(cv2.resize(region, grid_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return averages.reshape(grid_wh[::-1])


def _rounded(values: NDArray[np.uint8] | NDArray[np.float64], quantum: int) -> Plane:
    nearest = (values.astype(np.int32) + quantum // 2) // quantum * quantum
    return np.minimum(nearest, 255).astype(np.uint8)
