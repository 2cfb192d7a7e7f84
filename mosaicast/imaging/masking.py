"""Mask kernels on YUV planes, in place. Any region on any frame; nothing here raises on odd geometry.

What is painted comes from at most `BLOCKS` x `BLOCKS` averages of the region, whatever its size, quantised: none of
the styles can be reversed. The grid belongs to the region and starts on even pixels, so that chroma follows luma.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.regions import Region
from mosaicast.core.types import Box, Style

Plane = NDArray[np.uint8]
_Covered = NDArray[np.bool_] | None
"""Which pixels are painted; None: all."""

BLOCKS = 8
"""Averages across a region at most. Faces pixelated at 8 across are below what people or networks recognise."""
_QUANTUM = 8
"""Averages are rounded to 5 bits: many mosaics of a moving face would otherwise add up to more detail. To the nearest
multiple, so that grey (chroma 128) stays grey: with bins that begin at 128, noise tints it green and magenta."""
_SOLID_QUANTUM = 32
_SHRINK = 4
"""OpenCV averages by this exact factor ten times faster than by the odd ones of a grid."""


def mask_yuv420(y: Plane, u: Plane, v: Plane, regions: Sequence[Region], style: Style) -> float:
    """Paint `regions` (luma pixels) on 4:2:0 planes in place and return the painted share of the picture (0 to 1).

    Args:
        y: uint8 [H, W]; views with strides are fine.
        u: uint8 [ceil(H/2), ceil(W/2)].
        v: the same.
        regions: clipped to the frame and grown to even pixels; empty bounds count as one pixel, inverted ones as the
            same corners in order, those that are not finite as the whole of that axis. What overlaps counts twice.
        style: mosaic, blur or solid.
    """
    height, width = y.shape
    painted = sum(_paint_region(y, u, v, region, style) for region in regions)
    return min(1.0, painted / (width * height)) if width and height else 0.0


def _paint_region(y: Plane, u: Plane, v: Plane, region: Region, style: Style) -> int:
    """Paint one region and return how many luma pixels that were."""
    height, width = y.shape
    box = region.bounds
    left, right = _even_span(box.x1, box.x2, width)
    top, bottom = _even_span(box.y1, box.y2, height)
    if right <= left or bottom <= top:
        return 0
    block = _block_of(box, width, height)
    grid_wh = _blocks(right - left, block), _blocks(bottom - top, block)
    coarse = _in_chroma_pixels(region.covered(left, top, right - left, bottom - top))
    fine = None if coarse is None else coarse.repeat(2, axis=0).repeat(2, axis=1)[: bottom - top, : right - left]
    _paint(y[top:bottom, left:right], grid_wh, style, fine)
    for chroma in (u, v):
        _paint(chroma[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2], grid_wh, style, coarse)
    return (right - left) * (bottom - top) if fine is None else int(np.count_nonzero(fine))


def _in_chroma_pixels(covered: _Covered) -> _Covered:
    """Return which pixels of the chroma planes share a pixel with what is covered in luma."""
    if covered is None:
        return None
    height, width = covered.shape
    even = np.pad(covered, ((0, height % 2), (0, width % 2)))
    return even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]


def mosaic_all_yuv420(y: Plane, u: Plane, v: Plane, style: Style) -> None:
    """Paint the whole picture in place: `BLOCKS` blocks across its shorter side, for a face may be as wide."""
    height, width = y.shape
    block = _at_least_two(min(width, height) / BLOCKS)
    grid_wh = _blocks(width, block), _blocks(height, block)
    for plane in (y, u, v):
        _paint(plane, grid_wh, style, None)


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


def _paint(plane: Plane, grid_wh: tuple[int, int], style: Style, covered: _Covered) -> None:
    """Replace part of a plane, or what is covered of it, by the averages of a grid of so many columns and rows."""
    height, width = plane.shape
    if not (height and width):
        return
    painted = _painted(plane, grid_wh, style)
    if covered is None:
        plane[:] = painted
    else:
        np.copyto(plane, painted, where=covered)


def _painted(plane: Plane, grid_wh: tuple[int, int], style: Style) -> Plane:
    height, width = plane.shape
    averages = _averages(plane, grid_wh)
    if style is Style.SOLID:
        return np.broadcast_to(_rounded(averages.mean(keepdims=True), _SOLID_QUANTUM), (height, width))
    up = cv2.INTER_LINEAR if style is Style.BLUR else cv2.INTER_NEAREST
    painted = cv2.resize(_rounded(averages, _QUANTUM), (width, height), interpolation=up)
    return np.asarray(painted).reshape(height, width)


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
