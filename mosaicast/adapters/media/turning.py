"""Pictures that are stored turned: what is analysed, masked and shown is the upright one.

FLV and MPEG-TS have no place for a rotation, and the detector finds no faces that lie sideways.
"""

from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from mosaicast.pipeline.paint import COLOURS, FORMAT, to_yuv420

Rotation = Literal[0, 90, 180, 270]
"""Degrees counterclockwise by which a player turns a picture."""


def rotation_of(frame: Any, before: Rotation) -> Rotation | None:
    """Return how a decoded frame asks to be turned; None: by an angle that is no quarter.

    Args:
        before: how the frame before was turned. FFmpeg tells what an H.264 stream says at a keyframe of that frame
            alone, though it holds for those that follow.
    """
    degrees = int(frame.rotation) % 360
    if not (degrees or frame.key_frame):
        return before
    return degrees if degrees in (0, 90, 180, 270) else None  # type: ignore[return-value]


def turned(frame: Any, rotation: Rotation) -> Any:
    """Return a frame turned counterclockwise, as 4:2:0 with 8 bits; one that is upright as it is.

    Raises:
        av.FFmpegError, ValueError, MemoryError: it can't be converted.
    """
    if not rotation:
        return frame
    even = to_yuv420(frame)
    width, height = (even.height, even.width) if rotation in (90, 270) else (even.width, even.height)
    upright = av.VideoFrame(width, height, FORMAT)
    for source, target in zip(even.planes, upright.planes, strict=True):
        _pixels(target)[:] = np.rot90(_pixels(source), rotation // 90)
    upright.pts = frame.pts
    if frame.time_base is not None:
        upright.time_base = frame.time_base
    for name in COLOURS:
        setattr(upright, name, getattr(even, name))
    return upright


def _pixels(plane: Any) -> NDArray[np.uint8]:
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
