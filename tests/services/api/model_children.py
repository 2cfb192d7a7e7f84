"""Face models for children of the tests; a module of its own, because a child imports all that is around it."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.embedders import Face
from mosaicast.adapters.models.errors import InferenceError, ModelUnavailableError
from mosaicast.core.types import Box
from services.api.people.face_models import LocalModels


class FakeDetector:
    """Finds a face as wide as the first pixel says, as high as the picture, and one that is too doubtful."""

    name = "fake"

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        box = Box(0, 0, float(batch[0][0, 0, 0]), float(batch[0].shape[0]))
        return [[RawFace(box, score, (0.0,) * 10) for score in (0.9, threshold - 0.1)]]


class FakeEmbedder:
    """Sees the same in every face."""

    name, version, dimension = "fake", "1", 3

    in_batches = False

    def embed(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        return np.eye(3, dtype=np.float32)[[0] * len(faces)]


class DyingDetector(FakeDetector):
    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> Any:
        os.abort()


class FailingDetector(FakeDetector):
    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> Any:
        raise InferenceError("as told")


def fakes() -> LocalModels:
    return LocalModels(FakeDetector(), [FakeEmbedder()])


def mortal() -> LocalModels:
    return LocalModels(DyingDetector(), [FakeEmbedder()])


def failing() -> LocalModels:
    return LocalModels(FailingDetector(), [FakeEmbedder()])


def missing() -> LocalModels:
    raise ModelUnavailableError("as told")
