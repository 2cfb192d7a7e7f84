"""A face embedder that sees what it is told to. `tests/adapters/test_embedders.py` tries it beside the real ones."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.embedders import Embedded, Face, Quality
from tests.fakes.placement import HERE

Look = Callable[[Face], Sequence[float] | NDArray[np.float32]]
"""The numbers of one face, of any length but 0; may raise InferenceError."""


def angle_of_grey(face: Face) -> Sequence[float]:
    """A vector that points where the grey of the face says: two greys are the more alike the nearer they are."""
    angle = round(float(face.picture.mean())) / 100
    return float(np.cos(angle)), float(np.sin(angle))


class FakeEmbedder:
    """Gives each face the vector that it is told to, of length 1.

    Args:
        sees: makes the numbers of a face.
        dimension: how many `sees` makes.
    """

    placement = HERE
    version = "1"
    quality = Quality()

    def __init__(self, sees: Look = angle_of_grey, dimension: int = 2, name: str = "fake") -> None:
        self.name, self.dimension = name, dimension
        self.sees = sees
        self.in_batches = False
        self.calls: list[int] = []
        """How many faces it was given each time."""

    @property
    def faces(self) -> int:
        """How many faces it was given in all."""
        return sum(self.calls)

    def embed(self, faces: Sequence[Face]) -> Embedded:
        self.calls.append(len(faces))
        found = Embedded(np.zeros((len(faces), self.dimension), np.float32), np.zeros(len(faces), np.float32))
        for row, face in enumerate(faces):
            if _spans(face):
                numbers = np.asarray(self.sees(face), np.float32)
                found.lengths[row] = np.linalg.norm(numbers)
                found.vectors[row] = numbers / found.lengths[row]
        return found


def _spans(face: Face) -> bool:
    """Whether eyes, nose and mouth lie apart."""
    points = np.asarray(face.landmarks).reshape(5, 2)
    return bool(np.isfinite(points).all() and np.ptp(points, axis=0).all())
