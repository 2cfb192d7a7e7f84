"""How a face is turned, by its landmarks."""

import math
from collections.abc import Sequence

import numpy as np


def yaw_ratio(landmarks: Sequence[float]) -> float:
    """Return how far the nose is from the middle of the eyes along their line, in distances between them.

    0 is frontal, negative to the left; infinite where the eyes coincide or a number is not finite.
    """
    x_left, y_left, x_right, y_right, x_nose, y_nose = (float(number) for number in landmarks[:6])
    dx, dy = x_right - x_left, y_right - y_left
    length = dx * dx + dy * dy
    along = (x_nose - (x_left + x_right) / 2) * dx + (y_nose - (y_left + y_right) / 2) * dy
    return along / length if length > 0 and math.isfinite(along) and math.isfinite(length) else math.inf


def pitch_ratio(landmarks: Sequence[float]) -> float:
    """Return where the nose is on the way from the middle of the eyes (0) to that of the mouth (1); NaN if nowhere."""
    points = np.asarray(landmarks, np.float64).reshape(5, 2)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    axis = mouth - eyes
    length = float(axis @ axis)
    return float((points[2] - eyes) @ axis) / length if length > 0 else float("nan")
