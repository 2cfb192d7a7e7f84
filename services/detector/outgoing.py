"""Checks what goes out, for the output guard: with what time is left over, and never instead of a live frame.

Pure but for `check_picture`: time is an argument.
"""

from collections import Counter, OrderedDict
from typing import Literal, NamedTuple

from mosaicast.adapters.detectors import Detector, RawFace
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.jpeg import JpegError
from mosaicast.adapters.models.errors import ModelError
from mosaicast.contracts.messages import OutgoingFace, OutgoingFaces, OutgoingFrame
from mosaicast.core.types import Box
from services.detector.analysis import LARGEST_FACES, Failure

WIDTH = 640
"""Pixels that a 16:9 picture's width has: see `bench/guard.py` for what is seen at it, and what it costs."""
STALE_S = 1.0
"""A picture that had to wait so long is dropped: the next one tells more."""

DropReason = Literal["behind", "revoked"]


class _Waiting(NamedTuple):
    frame: OutgoingFrame
    partition: int
    since_s: float


class WaitingPictures:
    """The newest picture of each stream that waits to be checked. Not thread-safe: the caller locks."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._drops: Counter[tuple[str, DropReason]] = Counter()

    @property
    def depth(self) -> int:
        """Pictures that wait now."""
        return len(self._waiting)

    def offer(self, frame: OutgoingFrame, partition: int, now: float) -> None:
        """Add a picture as it arrives, in the place of an older one of its stream."""
        if frame.stream_id in self._waiting:
            self._drop(frame.stream_id, "behind")
        self._waiting[frame.stream_id] = _Waiting(frame, partition, now)

    def take(self, now: float) -> OutgoingFrame | None:
        """Return the one that has waited longest."""
        self.expire(now)
        return self._waiting.popitem(last=False)[1].frame if self._waiting else None

    def expire(self, now: float) -> None:
        """Drop those that have waited too long."""
        for stream_id, waiting in list(self._waiting.items()):
            if now - waiting.since_s > STALE_S:
                self._drop(stream_id, "behind")

    def forget_partitions(self, partitions: frozenset[int]) -> None:
        """Drop those of partitions that another instance owns now."""
        for stream_id, waiting in list(self._waiting.items()):
            if waiting.partition in partitions:
                self._drop(stream_id, "revoked")

    def drain_drops(self) -> Counter[tuple[str, DropReason]]:
        """Return how many were dropped since the last call, by stream and reason."""
        drops, self._drops = self._drops, Counter()
        return drops

    def _drop(self, stream_id: str, reason: DropReason) -> None:
        del self._waiting[stream_id]
        self._drops[stream_id, reason] += 1


def check_picture(detector: Detector, frame: OutgoingFrame) -> OutgoingFaces | Failure:
    """Return the faces in a picture that went out, in pixels of its frame, or why there is no answer."""
    try:
        picture = jpeg.decode(frame.jpeg)
        faces = detector.detect([picture], frame.threshold)[0]
    except JpegError as exc:
        return Failure("bad_picture", str(exc))
    except ModelError as exc:
        return Failure("model", str(exc))
    if len(faces) > LARGEST_FACES:
        return Failure("too_many", f"{len(faces)} faces")
    scale_x, scale_y = frame.width / picture.shape[1], frame.height / picture.shape[0]
    try:
        found = tuple(_face(face, scale_x, scale_y) for face in faces if face.score >= frame.threshold)
    except ValueError as exc:  # the contract refuses NaN and inverted boxes
        return Failure("model", str(exc))
    return OutgoingFaces(
        stream_id=frame.stream_id, epoch=frame.epoch, index=frame.index, faces=found, sent_ms=frame.sent_ms
    )


def _face(face: RawFace, scale_x: float, scale_y: float) -> OutgoingFace:
    x1, y1, x2, y2 = face.box
    box = Box(float(x1 * scale_x), float(y1 * scale_y), float(x2 * scale_x), float(y2 * scale_y))
    return OutgoingFace(box=box, score=face.score)
