"""What an epoch's pictures have in common: a source that changes it begins another epoch."""

from fractions import Fraction
from typing import Any, NamedTuple

from mosaicast.adapters.media.turning import Rotation
from mosaicast.pipeline.paint import even

LARGEST_STRETCH = 3
"""Of a pixel, of one side to the other. Formats in use have 8:3 at most. Whoever says more is not believed: what is
looked at, and what viewers see, is the picture as it is stored."""
_LARGEST_SIDE_OF_RATIO = 65535
"""As H.264 can say it (ITU-T H.264, E.2.1)."""


class Shape(NamedTuple):
    """How the pictures lie and look."""

    size_wh: tuple[int, int] = (0, 0)
    """Of the upright picture, pixels."""
    rotation: Rotation = 0
    """By how many degrees counterclockwise the stored picture is turned to be upright."""
    sample_aspect: tuple[int, int] | None = None
    """Width to height of a pixel of the upright picture; None: square, or nobody says."""


def shape_of(stream: Any, rotation: Rotation) -> Shape:
    """Return the shape of what a stream's decoder gives now.

    Args:
        stream: PyAV's video stream.
        rotation: of the newest picture.
    """
    context = stream.codec_context
    size_wh = int(context.width or 0), int(context.height or 0)
    if rotation:
        size_wh = even(*size_wh)  # what is turned is converted first
    aspect = _ratio(context.sample_aspect_ratio or stream.sample_aspect_ratio)
    if rotation in (90, 270):
        return Shape(size_wh[::-1], rotation, None if aspect is None else aspect[::-1])
    return Shape(size_wh, rotation, aspect)


def _ratio(aspect: Fraction | None) -> tuple[int, int] | None:
    if not aspect or aspect < 0 or aspect == 1:
        return None
    stretch = max(aspect, 1 / aspect)
    if stretch > LARGEST_STRETCH or max(aspect.numerator, aspect.denominator) > _LARGEST_SIDE_OF_RATIO:
        return None  # nobody means that
    return aspect.numerator, aspect.denominator
