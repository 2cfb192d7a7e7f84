"""Any ultralytics face detector, from a file that the operator names.

A `.pt` file is a pickle and could run code, so it is only read through ultralytics' allow-list of classes
(`torch.load(weights_only=True)`); a folder `*_openvino_model` holds no code.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mosaicast.adapters.detectors.pictures import to_bgr
from mosaicast.adapters.detectors.port import RawFace
from mosaicast.adapters.detectors.width import WIDTH
from mosaicast.adapters.models import NetworkProfile, load, profile_of
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.placement import Placement
from mosaicast.adapters.models.registry import Operator
from mosaicast.adapters.models.torch_device import Device, extra_missing, pick_device
from mosaicast.core.types import Box
from mosaicast.imaging.types import Landmarks

MODEL = "yolo-face"
"""In the list of models."""

_MULTIPLE = 32
"""YOLO's largest stride."""
_NMS_IOU = 0.5
_MOST_FACES = 1000
_TYPICAL = ((0.30, 0.38), (0.70, 0.38), (0.50, 0.60), (0.34, 0.78), (0.66, 0.78))
"""Where landmarks lie in the box of an upright face, shares of width and height; from CenterFace's means."""


class UltralyticsYolo:
    """A YOLO with a class named `face`, or with one class; with five keypoints they are the landmarks.

    Raises:
        ModelUnavailableError: the extra `gpu`, the file or the device is missing.
        ModelBrokenError: the file has the wrong checksum, is no detector of faces, or may not be read safely.
    """

    name = "ultralytics"

    def __init__(self, weights: Path | None, width_16x9: int = WIDTH, device: Device = "auto") -> None:
        network = of_file(weights)
        self._side = math.ceil(width_16x9 / _MULTIPLE) * _MULTIPLE
        self._device = pick_device(device, "ultralytics")
        self._runtime = "torch" if network.path.suffix == ".pt" else "openvino"
        self._model = _load(network.path)
        self._classes = _face_classes(getattr(self._model, "names", None))

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return Placement(self._runtime, self._device if self._runtime == "torch" else "cpu", "f32")

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which it looks at such a picture: it scales the longer side."""
        scale = self._side / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        """Return the faces of each picture, best first; see the port.

        Raises:
            InferenceError: the library failed.
        """
        found: list[list[RawFace]] = [[] for _ in batch]
        places = [place for place, picture in enumerate(batch) if picture.size]
        if not places:
            return found
        pictures = [np.ascontiguousarray(to_bgr(batch[place])) for place in places]
        for place, faces in zip(places, self._run(pictures, threshold), strict=True):
            found[place] = faces
        return found

    def _run(self, pictures: list[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        try:
            results = self._model.predict(
                pictures, conf=threshold, iou=_NMS_IOU, imgsz=self._side, device=self._device,
                classes=self._classes, max_det=_MOST_FACES, verbose=False, save=False,
            )  # fmt: skip
            return [_faces(result) for result in results]
        except (IndexError, RuntimeError, TypeError, ValueError) as exc:
            raise InferenceError("the detector failed on a batch") from exc


def of_file(weights: Path | None) -> NetworkProfile:
    """Return what the list says of the operator's detector, its file held against the checksum that lies beside it.

    Raises:
        ModelUnavailableError: none is named, or it is not there.
        ModelBrokenError: it has the wrong checksum.
    """
    if weights is None or not weights.exists():
        raise ModelUnavailableError("the detector ultralytics needs an existing file in MOSAICAST_DETECTOR__WEIGHTS")
    own = Operator(weights.name, "name another one in MOSAICAST_DETECTOR__WEIGHTS")
    return profile_of(msgspec.structs.replace(load().get(MODEL), source=own), weights.parent)


def import_library() -> tuple[Any, Any]:
    """Import ultralytics and return its `YOLO` and its module `tasks`.

    Raises:
        ModelUnavailableError: it is not installed.
    """
    # Read when ultralytics is imported: no packages are installed and nobody is called at run time.
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    open_picture = Image.open
    try:
        from ultralytics import YOLO
        from ultralytics.nn import tasks
    except ImportError as exc:
        raise extra_missing("ultralytics") from exc
    finally:
        Image.open = open_picture  # ultralytics puts its own in place, for the whole process
    return YOLO, tasks


def _load(weights: Path) -> Any:
    yolo, tasks = import_library()
    if not (weights.suffix == ".pt" or weights.name.endswith("_openvino_model")):
        raise ModelBrokenError("only a .pt file or an *_openvino_model folder is read")
    # An ultralytics that lacks the switch, or a torch before 2.6, would quietly read the pickle whole.
    if not (hasattr(tasks, "SAFE_LOAD") and tasks._SafeLoad.SUPPORTED):
        raise ModelUnavailableError("this ultralytics or torch cannot read weights without running code from them")
    tasks.SAFE_LOAD = True
    try:
        return yolo(str(weights))
    except Exception as exc:  # the library raises bare and own exceptions alike for a bad file
        raise ModelBrokenError("the file does not read as an ultralytics detector") from exc


def _face_classes(names: object) -> list[int]:
    """Return the class numbers that are faces.

    Raises:
        ModelBrokenError: no class is a face; else cars would be masked and faces not.
    """
    known = {int(number): str(name).lower() for number, name in names.items()} if isinstance(names, dict) else {}
    faces = [number for number, name in known.items() if "face" in name]
    if not faces and len(known) == 1:
        faces = list(known)
    if not faces:
        raise ModelBrokenError("the detector has several classes and none is called face")
    return faces


def _faces(result: Any) -> list[RawFace]:
    rows = np.asarray(result.boxes.xyxy.cpu(), np.float64)
    scores = np.asarray(result.boxes.conf.cpu(), np.float64)
    points = _keypoints(result)
    if not (np.isfinite(rows).all() and np.isfinite(scores).all()):
        raise InferenceError("a box is not finite")
    faces = []
    for place, (x1, y1, x2, y2) in enumerate(rows.tolist()):
        box = Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
        marks = estimated_landmarks(box) if points is None else _landmarks(points[place])
        faces.append(RawFace(box, min(1.0, float(scores[place])), marks))
    return sorted(faces, key=lambda face: -face.score)


def _keypoints(result: Any) -> NDArray[np.float64] | None:
    """Return five keypoints a face, [n, 5, 2], if the model gives them."""
    if result.keypoints is None:
        return None
    points = np.asarray(result.keypoints.xy.cpu(), np.float64)
    return points if points.shape[1:] == (5, 2) and np.isfinite(points).all() else None


def _landmarks(points: NDArray[np.float64]) -> Landmarks:
    a, b, c, d, e, f, g, h, i, j = (float(number) for number in points.ravel())
    return a, b, c, d, e, f, g, h, i, j


def estimated_landmarks(box: Box) -> Landmarks:
    """Return where landmarks lie in the box of a typical upright face: enough to cut a crop, weak for recognition."""
    return _landmarks(np.array([(box.x1 + x * box.width, box.y1 + y * box.height) for x, y in _TYPICAL]))
