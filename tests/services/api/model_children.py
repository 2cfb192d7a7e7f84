"""Face models for children of the tests; a module of its own, because a child imports all that is around it."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.embedders import Face
from mosaicast.adapters.models.errors import InferenceError, ModelUnavailableError
from mosaicast.core.types import Box
from services.api.people.face_models import LocalModels
from tests.fakes.detector import FakeDetector, raw_face
from tests.fakes.embedder import FakeEmbedder


def wide_as_the_first_pixel(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
    """See a face as wide as the first pixel says, as high as the picture, and one that is too doubtful."""
    box = Box(0, 0, float(picture[0, 0, 0]), float(picture.shape[0]))
    return [raw_face(box, score) for score in (0.9, 0.1)]


def death(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
    os.abort()


def failure(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
    raise InferenceError("as told")


def always_the_same(face: Face) -> Sequence[float]:
    return 1.0, 0.0, 0.0


def embedder() -> FakeEmbedder:
    return FakeEmbedder(always_the_same, 3)


def fakes() -> LocalModels:
    return LocalModels(FakeDetector(wide_as_the_first_pixel), [embedder()])


def mortal() -> LocalModels:
    return LocalModels(FakeDetector(death), [embedder()])


def failing() -> LocalModels:
    return LocalModels(FakeDetector(failure), [embedder()])


def missing() -> LocalModels:
    raise ModelUnavailableError("as told")
