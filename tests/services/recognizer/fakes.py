"""What is around the recognizer, without models, stores or a bus."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import cv2
import numpy as np

from mosaicast.adapters.embedders import Face
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable, OwnerUnavailable
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.contracts.messages import Detections, FaceCrop, FaceDetection, StreamSpec, TimeBase
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.identity import Match
from mosaicast.core.types import Box, PersonId

BROKEN = 250
"""A grey on which the fake model fails."""


def grey(value: int) -> bytes:
    """A crop of one grey, as JPEG: the fake model's vector is that grey."""
    return bytes(cv2.imencode(".jpg", np.full((160, 160, 3), value, np.uint8))[1])


def face(x: float = 100.0, value: int = 100, side: float = 80.0, jpeg: bytes | None = None, **changes) -> FaceDetection:
    """A frontal, sharp face with its left edge at x."""
    box = Box(x, 50.0, x + side, 50.0 + side)
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    landmarks = tuple(n for a, b in points for n in (x + a * side, 50.0 + b * side))
    crop = FaceCrop(jpeg=grey(value) if jpeg is None else jpeg, origin_x=x - 24, origin_y=26.0, scale=1.25)
    fields = {"box": box, "score": 0.9, "landmarks": landmarks, "sharpness": 100.0, "crop": crop, **changes}
    return FaceDetection(**fields)


def detections(seq: int, *faces: FaceDetection, stream_id: str = "s1", epoch: int = 1, **changes) -> Detections:
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


def received(message: object, key: str = "s1", partition: int = 0) -> SimpleNamespace:
    return SimpleNamespace(message=message, key=key, partition=partition)


class FakeReader:
    """Hands over what was put, once."""

    def __init__(self) -> None:
        self.waiting: list[SimpleNamespace] = []

    def put(self, message: object, key: str = "s1", partition: int = 0) -> None:
        self.waiting.append(received(message, key, partition))

    def poll(self, timeout_s: float) -> Sequence[SimpleNamespace]:
        waiting, self.waiting = self.waiting, []
        return waiting


class FakeProducer:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, object]] = []

    def send(self, topic, message, *, key=None) -> bool:
        self.sent.append((topic.name, message))
        return True

    def of(self, topic: str) -> list:
        return [message for name, message in self.sent if name == topic]


class FakeEmbedder:
    """The vector of a face points where its grey says."""

    name, version, dimension = "fake", "1", 2

    def __init__(self) -> None:
        self.faces = 0

    in_batches = False

    def embed(self, faces: Sequence[Face]) -> np.ndarray:
        self.faces += len(faces)
        values = [float(one.picture.mean()) for one in faces]
        if any(abs(value - BROKEN) < 2 for value in values):
            raise InferenceError("told to fail")
        angles = np.array([round(value) / 100 for value in values])
        spans_a_face = np.array([[round(value) > 0] for value in values])
        return (np.stack([np.cos(angles), np.sin(angles)], axis=1) * spans_a_face).astype(np.float32)


def greys(vectors: np.ndarray) -> list[int]:
    """What the fake model saw."""
    return [round(100 * float(np.arctan2(y, x))) for x, y in vectors]


class FakeGallery:
    """People by owner and grey: whoever has a person's grey is like him."""

    def __init__(self, **people: Mapping[str, int]) -> None:
        self.people: dict[str, dict[str, int]] = {owner: dict(own) for owner, own in people.items()}
        self.away = self.changed = False
        self.damaged: set[str] = set()
        self.forgotten: list[str] = []
        self.calls: list[str] = []
        self.searched: list[tuple[str, list[int]]] = []

    def _asked(self, call: str) -> None:
        self.calls.append(call)
        if self.away:
            raise GalleryUnavailable("told_to_fail")

    def search(self, owner: str, vectors: np.ndarray) -> list[list[Match]]:
        self._asked("search")
        self.searched.append((owner, greys(vectors)))
        return [
            [Match(PersonId(person), 0.99) for person, value in self.people[owner].items() if value == grey]
            for grey in greys(vectors)
        ]

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        self._asked(f"refresh {owner}")
        if owner in self.damaged:
            raise OwnerUnavailable("told_to_fail")
        return {PersonId(person): str(value) for person, value in self.people.get(owner, {}).items()}

    def forget(self, owner: str) -> None:
        self.forgotten.append(owner)

    def check(self) -> bool:
        self._asked("check")
        changed, self.changed = self.changed, False
        return changed


class Clock:
    """Time that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
