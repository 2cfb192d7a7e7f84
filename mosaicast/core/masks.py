"""Shaping masks to the frame."""

from collections.abc import Iterable

from mosaicast.core.regions import Region
from mosaicast.core.types import Box

EDGE_REACH = 0.2
"""Share of a mask's longer side: a mask that ends so near the edge goes on to it. The edge cuts
faces that enter or leave, and detectors box only a part of them: a profile that walked in, a face width in 0.1 s, was
boxed up to 30 px inside of where its visible part ended."""
EDGE_GROWTH = 0.2
"""Share of its longer side by which such a mask grows on all sides: these boxes were a quarter too low."""


def reach_edges(regions: Iterable[Region], width: int, height: int) -> tuple[Region, ...]:
    """Return the regions, those near the frame's edges grown and stretched to them; pixels of the frame."""
    return tuple(region.stretched(_reaching(region.bounds, width, height)) for region in regions)


def _reaching(box: Box, width: int, height: int) -> Box:
    side = max(box.width, box.height)
    # A box without a sane size reaches nothing: the kernel clips it as it is.
    if not side > 0:
        return box
    left, top = box.x1 < EDGE_REACH * side, box.y1 < EDGE_REACH * side
    right, bottom = width - box.x2 < EDGE_REACH * side, height - box.y2 < EDGE_REACH * side
    by = EDGE_GROWTH * side if left or top or right or bottom else 0.0
    return Box(
        min(box.x1 - by, 0.0) if left else box.x1 - by,
        min(box.y1 - by, 0.0) if top else box.y1 - by,
        max(box.x2 + by, float(width)) if right else box.x2 + by,
        max(box.y2 + by, float(height)) if bottom else box.y2 + by,
    )
