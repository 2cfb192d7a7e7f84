"""From photos to templates: one verdict for each photo, one vector for each good one."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import Detector, RawFace
from mosaicast.adapters.embedders import Embedder, Face
from mosaicast.imaging.crops import crop_square, sharpness
from services.api.photos import PhotoError

ENROL_THRESHOLD = 0.5
"""Detection score for enrolling: un-masking wants certainty, so it is far above the 0.2 that masks."""
SMALLEST_FACE_PX = 60
LEAST_SHARPNESS = 15.0
"""Variance of the Laplacian at 112 px: below, even large faces of the test sets embed badly."""
RIVAL_SHARE = 0.2
"""Another face is somebody in the background while its area is below this share of the largest."""

Verdict = Literal["ok", "no_face", "several_faces", "too_small", "blurred", "unreadable", "too_large"]
_DETAILS: dict[Verdict, str] = {
    "ok": "",
    "no_face": "there is no face in it",
    "several_faces": "there are several faces in it; send one with that person alone",
    "too_small": f"the face is smaller than {SMALLEST_FACE_PX} pixels",
    "blurred": "the face is blurred",
}


@dataclass(frozen=True, slots=True)
class PhotoVerdict:
    """What was found in one photo."""

    file: str
    verdict: Verdict
    detail: str


class Decoder(Protocol):
    """Reads photos of strangers."""

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return BGR uint8 [H, W, 3]. Raises PhotoError."""


class Enroller:
    """Judges photos and makes templates. Thread-safe: the models belong to one request at a time.

    Args:
        make_detector: called once, at the first photo.
        make_embedder: the same.
    """

    def __init__(
        self, decoder: Decoder, make_detector: Callable[[], Detector], make_embedder: Callable[[], Embedder]
    ) -> None:
        self._decoder = decoder
        self._make_detector, self._make_embedder = make_detector, make_embedder
        self._lock = threading.Lock()
        self._models: tuple[Detector, Embedder] | None = None

    def judge(self, photos: Sequence[tuple[str, bytes]]) -> tuple[list[PhotoVerdict], NDArray[np.float32]]:
        """Return a verdict for each (file name, content), and one vector for each good photo: float32 [n, dimension].

        Raises:
            ModelError: a model failed: ours or the operator's fault.
        """
        with self._lock:
            detector, embedder = self._loaded()
            verdicts, faces = [], []
            for file, data in photos:
                verdict, face = self._look(detector, file, data)
                verdicts.append(verdict)
                if face is not None:
                    faces.append(face)
            vectors = embedder.embed(faces) if faces else np.zeros((0, embedder.dimension), np.float32)
        return verdicts, vectors

    def _loaded(self) -> tuple[Detector, Embedder]:
        if self._models is None:
            self._models = self._make_detector(), self._make_embedder()
        return self._models

    def _look(self, detector: Detector, file: str, data: bytes) -> tuple[PhotoVerdict, Face | None]:
        try:
            picture = self._decoder.decode(data)
        except PhotoError as exc:
            return PhotoVerdict(file, exc.fault, exc.detail), None
        found = [face for face in detector.detect([picture], ENROL_THRESHOLD)[0] if face.score >= ENROL_THRESHOLD]
        verdict = _judge(picture, found)
        answer = PhotoVerdict(file, verdict, _DETAILS[verdict])
        if verdict != "ok":
            return answer, None
        return answer, Face(picture, max(found, key=lambda face: face.box.area).landmarks)


def _judge(picture: NDArray[np.uint8], found: Sequence[RawFace]) -> Verdict:
    if not found:
        return "no_face"
    first, *others = sorted(found, key=lambda face: -face.box.area)
    if any(other.box.area > RIVAL_SHARE * first.box.area for other in others):
        return "several_faces"
    if min(first.box.width, first.box.height) < SMALLEST_FACE_PX:
        return "too_small"
    crop = crop_square(picture, first.box)
    if crop is None or sharpness(crop.picture) < LEAST_SHARPNESS:
        return "blurred"
    return "ok"
