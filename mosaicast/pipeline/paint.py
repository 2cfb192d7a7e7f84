"""Painting a decoded frame as its plan says."""

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.masks import reach_edges
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Disposition, Style
from mosaicast.imaging.masking import mask_yuv420, mosaic_all_yuv420
from mosaicast.pipeline.ports import Frame

FORMAT = "yuv420p"


def to_yuv420(frame: Frame) -> Frame:
    """Return the frame as 4:2:0, 8 bit, with even sides: what x264 and every player take.

    A converted frame is a copy; otherwise it is the decoder's own.
    """
    width, height = max(2, frame.width // 2 * 2), max(2, frame.height // 2 * 2)
    if frame.format.name == FORMAT and (width, height) == (frame.width, frame.height):
        return frame
    return frame.reformat(width=width, height=height, format=FORMAT)


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
