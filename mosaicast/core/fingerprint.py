"""A small fingerprint of a picture: it binds a verdict to the sampled picture, not to a time only."""

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import FINGERPRINT_BYTES, FINGERPRINT_WH

LARGEST_DIFFERENCE = 2
"""Grey levels that one cell may differ by. Ingest and the compositor decode the same bytes, and decoders of today's
codecs are exact to the bit. Two levels are for converted formats, whose scaler may round differently on another
processor. What a lost packet changes: `python -m bench.fingerprints`."""


def fingerprint(luma: NDArray[np.uint8]) -> bytes:
    """Return the averages of 16 x 9 cells of a luma thumbnail, row by row, 144 bytes.

    Args:
        luma: uint8 [height, width], multiples of 9 and 16; both sides of the comparison make it the same way.

    Raises:
        ValueError: the thumbnail does not divide into the cells.
    """
    across, down = FINGERPRINT_WH
    height, width = luma.shape
    if height % down or width % across:
        raise ValueError(f"{width} x {height} does not divide into {across} x {down} cells")
    cells = luma.reshape(down, height // down, across, width // across)
    # Whole numbers: the same on every processor.
    averages = cells.sum(axis=(1, 3), dtype=np.uint32) * across * down // luma.size
    return bytes(averages.astype(np.uint8))


def cells(data: bytes) -> NDArray[np.uint8] | None:
    """Return a fingerprint's cells, uint8 [9, 16]; None if it has another length."""
    if len(data) != FINGERPRINT_BYTES:
        return None
    return np.frombuffer(data, np.uint8).reshape(FINGERPRINT_WH[::-1])


def difference(one: bytes, other: bytes) -> int:
    """Return by how many grey levels the worst cell of two fingerprints differs, 0 to 255.

    An empty or broken fingerprint is as different as can be.
    """
    if len(one) != FINGERPRINT_BYTES or len(other) != FINGERPRINT_BYTES:
        return 255
    if one == other:
        return 0
    a, b = (np.frombuffer(data, np.uint8).astype(np.int16) for data in (one, other))
    return int(np.abs(a - b).max())


def same_picture(one: bytes, other: bytes) -> bool:
    """Return whether two fingerprints speak of the same picture, decoded twice."""
    return difference(one, other) <= LARGEST_DIFFERENCE
