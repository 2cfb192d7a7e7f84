"""Shaping masks to the frame."""

from collections.abc import Iterable

from mosaicast.core.types import Box

EDGE_REACH = 0.4
"""Share of a mask's longer side: a mask that ends so near the frame's edge goes on to it. A face that enters or leaves is
cut by the edge, and detectors put their box on the part that they understand: a profile walking in at a face width in
0.1 s was boxed up to 30 px inside of where its visible part ended."""


def reach_edges(boxes: Iterable[Box], width: int, height: int) -> tuple[Box, ...]:
    """Return the boxes, each stretched to the frame's edges that it nearly reaches; pixels of the frame."""
    return tuple(_stretched(box, width, height) for box in boxes)


def _stretched(box: Box, width: int, height: int) -> Box:
    reach = EDGE_REACH * max(box.width, box.height)
    # A box without a sane size reaches nothing: the kernel clips it as it is.
    if not reach > 0:
        return box
    return Box(
        min(box.x1, 0.0) if box.x1 < reach else box.x1,
        min(box.y1, 0.0) if box.y1 < reach else box.y1,
        max(box.x2, float(width)) if width - box.x2 < reach else box.x2,
        max(box.y2, float(height)) if height - box.y2 < reach else box.y2,
    )
