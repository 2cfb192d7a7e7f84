"""What the recognizer and the api ask of a face embedder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.imaging.crops import Landmarks, Picture


@dataclass(frozen=True, slots=True)
class Face:
    """One face to embed."""

    picture: Picture
    """BGR uint8 [H, W, 3]: a crop with room around the face (see `imaging.crops.GROWTH`), or a whole photo."""
    landmarks: Landmarks
    """In pixels of `picture`."""


class Embedder(Protocol):
    """Turns faces into vectors. One instance belongs to one thread."""

    @property
    def name(self) -> str:
        """Name of the model, fit for a metric label and a message."""

    @property
    def version(self) -> str:
        """Changes whenever vectors are no longer comparable with older ones."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    @property
    def in_batches(self) -> bool:
        """Whether several faces at once cost less than one after another."""

    def embed(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """Return one vector of length 1 for each face, [n, dimension].

        A face whose landmarks do not span a face gets the zero vector: similar to nobody, so masked.

        Raises:
            InferenceError: no vector of this batch is to be trusted.
        """
