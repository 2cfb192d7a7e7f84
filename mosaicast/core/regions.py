"""Where a mask lies. Today every region is a `Box`; a quad (plates, cards) and a silhouette (bodies) can join it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box


class Region(Protocol):
    """Part of a picture that is painted, in source pixels; it may reach over the frame's edge."""

    @property
    def bounds(self) -> Box:
        """The box around it. The blocks of its mosaic are laid out in this box, whatever the region's shape."""

    def stretched(self, bounds: Box) -> "Region":
        """Return it with other bounds: each side moved there, what lies between moved in proportion."""

    def covered(self, left: int, top: int, width: int, height: int) -> NDArray[np.bool_] | None:
        """Return which pixels of a rectangle of the frame belong to it, bool [height, width]; None: all of them.

        A pixel that it only touches belongs to it. What lies outside of the bounds is not painted either way.
        """
