"""What the detector service and the api ask of a face detector."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box
from mosaicast.imaging.crops import Landmarks


class RawFace(NamedTuple):
    """One face in pixels of the picture that was given."""

    box: Box
    """May reach over the picture's edge, and always shares pixels with it."""
    score: float
    """0 to 1; two detectors' scores do not compare."""
    landmarks: Landmarks


class Detector(Protocol):
    """Finds faces. One instance belongs to one thread."""

    @property
    def name(self) -> str:
        """Name of the model, fit for a metric label and a message."""

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which it looks at such a picture; more pixels tell it nothing more."""

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        """Return the faces of each picture, best first.

        Args:
            batch: BGR [H, W, 3]; grey ([H, W], [H, W, 1]) and BGRA are understood too. Any sizes, mixed.
            threshold: lowest score of a face that is returned.

        Raises:
            InferenceError: no answer about any picture of this batch. It is never raised as "no face".
        """
