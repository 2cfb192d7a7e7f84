"""How a face is turned, by its landmarks."""

import math
from collections.abc import Sequence


def turn(landmarks: Sequence[float]) -> float:
    """Return how far the nose is from the middle of the eyes along their line, in distances between them.

    0 is frontal, negative to the left; infinite where the eyes coincide or a number is not finite.
    """
    x_left, y_left, x_right, y_right, x_nose, y_nose = (float(number) for number in landmarks[:6])
    dx, dy = x_right - x_left, y_right - y_left
    length = dx * dx + dy * dy
    along = (x_nose - (x_left + x_right) / 2) * dx + (y_nose - (y_left + y_right) / 2) * dy
    return along / length if length > 0 and math.isfinite(along) and math.isfinite(length) else math.inf
