"""Painting a decoded frame as its plan says."""

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.masks import reach_edges
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Disposition, Style
from mosaicast.imaging.masking import mask_yuv420, mosaic_all_yuv420
from mosaicast.pipeline.ports import Frame

FORMAT = "yuv420p"
_THE_SAME = frozenset({FORMAT, "yuvj420p"})
"""Both have the same planes; the second name says that the range is full, which the frame says of itself too."""
_MATRIX = "colorspace"
COLOURS = ("color_range", "color_primaries", "color_trc", _MATRIX)
"""What a frame says of its colours, as PyAV calls it."""
_RGB, _UNSPECIFIED = 0, 2
"""AVCOL_SPC_RGB: no 4:2:0 picture has that matrix. AVCOL_SPC_UNSPECIFIED."""
_SCALED = frozenset({_RGB, 1, _UNSPECIFIED, 4, 5, 6, 7, 9, 10})
"""Matrices that FFmpeg's scaler knows. It refuses pictures of others (YCgCo, ICtCp), which have no JPEG then: nobody
looks for faces in them, so all of them is mosaicked."""


def to_yuv420(frame: Frame) -> Frame:
    """Return the frame as 4:2:0, 8 bit, with even sides: what x264 and every player take. Its colours stay as they
    are: range, matrix, primaries and transfer.

    A converted frame is a copy; otherwise it is the decoder's own.
    """
    width, height = even(frame.width, frame.height)
    if frame.format.name in _THE_SAME and (width, height) == (frame.width, frame.height):
        return frame
    told = {name: getattr(frame, name) for name in COLOURS}
    if told[_MATRIX] not in _SCALED:
        setattr(frame, _MATRIX, _UNSPECIFIED)  # no matrix is needed: none is changed
    converted = frame.reformat(width=width, height=height, format=FORMAT)
    # The scaler names some matrices otherwise (BT.470BG as SMPTE 170M).
    for name, value in told.items():
        setattr(frame, name, value)
        setattr(converted, name, value)
    if told[_MATRIX] == _RGB:
        setattr(converted, _MATRIX, _UNSPECIFIED)
    return converted


def even(width: int, height: int) -> tuple[int, int]:
    """Return the size that a frame of this size has as 4:2:0."""
    return max(2, width // 2 * 2), max(2, height // 2 * 2)


def paint(frame: Frame, plan: FramePlan, style: Style) -> None:
    """Paint a 4:2:0 frame in place.

    The frame is made writable first: the decoder predicts later pictures from it, and masks would smear.
    """
    if plan.disposition is Disposition.CLEAR:
        return
    frame.make_writable()
    y, u, v = (_plane(frame, index) for index in range(3))
    if plan.disposition is Disposition.FULL_MOSAIC:
        mosaic_all_yuv420(y, u, v, style)
    else:
        mask_yuv420(y, u, v, reach_edges(plan.regions, frame.width, frame.height), style)


def _plane(frame: Frame, index: int) -> NDArray[np.uint8]:
    plane = frame.planes[index]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
