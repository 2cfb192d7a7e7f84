"""Whether a network on a GPU says what it says on a CPU: boxes within a pixel, vectors at a cosine of .999."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mosaicast.pipeline.ports import RawFace

LARGEST_PX = 1.0
"""By so much a side of a box may differ; the delay line grows each box by 15 %."""
LEAST_COSINE = 0.999
"""Templates made on a CPU are searched for with vectors made on a GPU; dlib's people are told apart in steps of .01."""


def least_cosine(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Return how alike the least alike of vectors of length 1 are, row by row; 1 for none."""
    return float((found.astype(np.float64) * wanted).sum(axis=1).min()) if len(found) else 1.0


def farthest_side_px(found: Sequence[RawFace], wanted: Sequence[RawFace]) -> float:
    """Return by how many pixels a side of a box differs at most from the nearest box; infinity where a face is missing.

    Args:
        found, wanted: faces of one picture, in its pixels.
    """
    if not found and not wanted:
        return 0.0
    if not found or not wanted:
        return float("inf")
    one, other = (np.array([list(face.box) for face in faces]) for faces in (found, wanted))
    apart = np.abs(one[:, None] - other[None]).max(axis=2)
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))
