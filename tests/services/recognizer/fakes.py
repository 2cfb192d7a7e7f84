"""What is around the recognizer, without models, stores or a bus."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from mosaicast.adapters.embedders import Embedded, Face
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.contracts.messages import Detections, FaceCrop, FaceDetection, StreamSpec, TimeBase
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.types import Box
from tests.fakes.embedder import FakeEmbedder, angle_of_grey
from tests.fakes.gallery import MemoryGallery

BROKEN = 250
"""A grey on which the fake model fails."""


def grey(value: int) -> bytes:
    """A crop of one grey, as JPEG: the fake model's vector is that grey."""
    return bytes(cv2.imencode(".jpg", np.full((160, 160, 3), value, np.uint8))[1])


def face(
    x: float = 100.0, value: int = 100, side: float = 80.0, jpeg: bytes | None = None, **changes: Any
) -> FaceDetection:
    """A frontal, sharp face with its left edge at x."""
    box = Box(x, 50.0, x + side, 50.0 + side)
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    landmarks = tuple(n for a, b in points for n in (x + a * side, 50.0 + b * side))
    crop = FaceCrop(jpeg=grey(value) if jpeg is None else jpeg, origin_x=x - 24, origin_y=26.0, scale=1.25)
    fields = {"box": box, "score": 0.9, "landmarks": landmarks, "sharpness": 100.0, "crop": crop, **changes}
    return FaceDetection(**fields)


def detections(seq: int, *faces: FaceDetection, stream_id: str = "s1", epoch: int = 1, **changes: Any) -> Detections:
    """What was seen in sample `seq`, ten a second."""
    fields = {
        "stream_id": stream_id, "epoch": epoch, "seq": seq, "pts": seq, "time_base": TimeBase(1, 10),
        "width": 1280, "height": 720, "model": "fake", "fingerprint": bytes(144), "after_seq": seq - 1,
        "faces": faces, "read_ms": 5, **changes,
    }  # fmt: skip
    return Detections(**fields)


def spec(stream_id: str = "s1", owner_id: str = "o1", revision: int = 1, **until_ms: int) -> StreamSpec:
    """A stream on which Ana, Ben and Carl may be seen for ever, unless told otherwise."""
    visible_until = dict.fromkeys(("ana", "ben", "carl"), FOREVER_MS) | until_ms
    return StreamSpec(stream_id=stream_id, owner_id=owner_id, revision=revision, visible_until=visible_until)


class GreyEmbedder(FakeEmbedder):
    """The vector of a face points where its grey says; a black one spans no face."""

    def __init__(self) -> None:
        super().__init__(_seen)

    def embed(self, faces: Sequence[Face]) -> Embedded:
        spans_a_face = np.array([round(float(one.picture.mean())) > 0 for one in faces], np.float32)
        found = super().embed(faces)
        return Embedded(found.vectors * spans_a_face[:, None], found.lengths * spans_a_face)


def _seen(face: Face) -> Sequence[float]:
    if abs(float(face.picture.mean()) - BROKEN) < 2:
        raise InferenceError("told to fail")
    return angle_of_grey(face)


def greys(vectors: np.ndarray) -> list[int]:
    """What the fake model saw."""
    return [round(100 * float(np.arctan2(y, x))) for x, y in vectors]


class GreyGallery(MemoryGallery):
    """People by owner and grey: whoever has a person's grey is 0.999 like him, and nobody else is."""

    def __init__(self, **people: Mapping[str, int]) -> None:
        super().__init__(2, least=0.998)
        for owner, own in people.items():
            self.enrol(owner, **own)

    def enrol(self, owner: str, **greys: int) -> None:
        """Give people these greys, in place of what they had."""
        for person, grey in greys.items():
            self.held.pop((owner, person), None)
            angle = (grey + 5) / 100
            self.upsert_templates(owner, person, np.array([[np.cos(angle), np.sin(angle)]], np.float32))

    @property
    def seen(self) -> list[tuple[str, list[int]]]:
        """Owners and greys that were searched for."""
        return [(owner, greys(vectors)) for owner, vectors in self.searched]
