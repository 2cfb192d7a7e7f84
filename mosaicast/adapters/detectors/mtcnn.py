"""MTCNN (Zhang et al. 2016) with the weights inside the package `facenet-pytorch`; on CUDA if there is one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors.pictures import alike, fit, inside, target_size
from mosaicast.adapters.detectors.port import RawFace
from mosaicast.adapters.detectors.width import WIDTH
from mosaicast.adapters.models import profile_of
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.adapters.models.placement import Placement
from mosaicast.adapters.models.torch_device import Device, extra_missing, pick_device
from mosaicast.core.types import Box

MODEL = "mtcnn"

_SMALLEST_FACE = 10
"""Pixels of the canvas: 20 px in 720p."""
_FIRST_STAGES = (0.6, 0.6)
"""Scores that the two proposing networks ask for; the authors' 0.6 and 0.7, lowered because this decides masking."""


class Mtcnn:
    """Same recall as CenterFace on large faces and 20 times its price on a CPU: for GPUs.

    Raises:
        ModelUnavailableError: the extra `gpu` is not installed, or the device is not there.
        ModelBrokenError: the package carries other weights.
    """

    name = MODEL

    def __init__(self, width_16x9: int = WIDTH, device: Device = "auto") -> None:
        self._width = width_16x9
        self._device = pick_device(device, MODEL)
        try:
            from facenet_pytorch import MTCNN
        except ImportError as exc:
            raise extra_missing(MODEL) from exc
        profile_of(MODEL)  # the library reads its own files, without a look at what they are
        self._net = MTCNN(min_face_size=_SMALLEST_FACE, keep_all=True, select_largest=False, device=self._device).eval()

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return Placement("torch", self._device, "f32")

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which it looks at such a picture."""
        return target_size(width, height, self._width)

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        """Return the faces of each picture, best first; see the port.

        Raises:
            InferenceError: the library failed.
        """
        fitted = [fit(picture, self._width) for picture in batch]
        found: list[list[RawFace]] = [[] for _ in batch]
        for places, canvases in alike(fitted):
            for place, faces in zip(places, self._run(canvases, threshold), strict=True):
                found[place] = inside(faces, fitted[place], batch[place].shape)
        return found

    def _run(self, canvases: list[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        self._net.thresholds = [*_FIRST_STAGES, threshold]
        rgb = np.ascontiguousarray(np.stack(canvases)[..., ::-1])
        try:
            boxes, scores, points = self._net.detect(rgb, landmarks=True)
        except (IndexError, RuntimeError, TypeError, ValueError) as exc:
            raise InferenceError("MTCNN failed on a batch") from exc
        return [_faces(*one) for one in zip(boxes, scores, points, strict=True)]


def _faces(boxes: Any, scores: Any, points: Any) -> list[RawFace]:
    """Turn the library's arrays (or None for nobody) into faces, best first."""
    if boxes is None:
        return []
    values = np.concatenate([np.asarray(boxes, np.float64), np.asarray(points, np.float64).reshape(-1, 10)], axis=1)
    if not np.isfinite(values).all():
        raise InferenceError("a box is not finite")
    faces = [_face(row, float(score)) for row, score in zip(values.tolist(), scores, strict=True)]
    return sorted(faces, key=lambda face: -face.score)


def _face(row: list[float], score: float) -> RawFace:
    x1, y1, x2, y2, a, b, c, d, e, f, g, h, i, j = row
    return RawFace(Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)), min(1.0, score), (a, b, c, d, e, f, g, h, i, j))
