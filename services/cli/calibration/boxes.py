"""Labelled boxes of faces, turned into the scores of what a detector finds rightly and wrongly.

`annotations.json` in the folder says what is true:

    {"images": [{"file": "images/a.jpg", "faces": [{"box_xywh": [x, y, width, height], "ignore": false}]}]}

Files are relative to the folder; boxes are in pixels of the picture turned upright. `ignore` may be left out, and
`"subset": "ignore"`, as WIDER FACE's lists have it, means the same: the face counts neither as found nor as missed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import Detector, RawFace
from mosaicast.adapters.media.photo_file import PhotoError
from mosaicast.core.types import Box
from services.cli.calibration.people import CalibrationError, Progress, Reader

Scores = NDArray[np.float64]

LEAST_SCORE = 0.05
"""What the detector is asked for; below, nobody would set a threshold."""
MATCH_IOU = 0.5
"""A found box is a true one from this intersection over union on, as in PASCAL VOC and WIDER FACE."""
FILE = "annotations.json"

Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Size = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class _Face(msgspec.Struct, frozen=True):
    box_xywh: tuple[Number, Number, Size, Size]
    ignore: bool = False
    subset: str = ""


class _Image(msgspec.Struct, frozen=True):
    file: str
    faces: tuple[_Face, ...] = ()


class _Annotations(msgspec.Struct, frozen=True):
    images: tuple[_Image, ...]


@dataclass(frozen=True, slots=True)
class Detections:
    """Scores of everything that was found in labelled pictures."""

    detector: str
    true: Scores
    false: Scores
    worst_false: Scores
    """The best score of something that is no face, one for each picture; 0 where there is none."""
    missed: int
    """True faces without any box, down to `LEAST_SCORE`."""
    ignored: int
    """True faces that do not count: small, or marked."""
    pictures: int
    unreadable: Sequence[str]


def from_annotations(
    folder: Path, reader: Reader, detector: Detector, smallest_px: float, progress: Progress
) -> Detections:
    """Look for faces in every picture that the folder's `annotations.json` names.

    Args:
        smallest_px: true faces whose shorter side is below are ignored.

    Raises:
        CalibrationError: the list does not read, or there is nothing to count.
        ModelError: the detector failed.
    """
    truth = _truth(folder)
    true: list[float] = []
    false: list[list[float]] = []
    counts: Counter[str] = Counter()
    unreadable = []
    for path in progress(list(truth)):
        try:
            photo = reader.read(path)
        except PhotoError as exc:
            unreadable.append(f"{path.name}: {exc}")
            continue
        found = detector.detect([photo.picture], LEAST_SCORE)[0]
        counted, ignored = _split(truth[path], smallest_px)
        hits, wrong = match([_unscaled(face, photo.scale) for face in found], counted, ignored)
        true += hits
        false.append(wrong)
        counts.update(missed=len(counted) - len(hits), ignored=len(ignored))
    if not true:
        raise CalibrationError(f"no true face was found in {len(false)} readable pictures of {len(truth)}")
    every = [score for wrong in false for score in wrong]
    worst = np.array([max(wrong, default=0.0) for wrong in false])
    return Detections(
        detector.name, np.array(true), np.array(every), worst,
        counts["missed"], counts["ignored"], len(false), unreadable,
    )  # fmt: skip


def _truth(folder: Path) -> dict[Path, tuple[_Face, ...]]:
    if not folder.is_dir():
        raise CalibrationError(f"{folder} is not a folder")
    try:
        images = msgspec.json.decode((folder / FILE).read_bytes(), type=_Annotations).images
    except FileNotFoundError as exc:
        raise CalibrationError(f"{folder} has no {FILE}: it says where the true faces are") from exc
    except (OSError, ValueError) as exc:  # msgspec's errors are ValueErrors
        raise CalibrationError(f"{folder / FILE} does not read: {exc}") from exc
    if not images:
        raise CalibrationError(f"{folder / FILE} names no pictures")
    outside = next((one.file for one in images if not _is_inside(folder, one.file)), None)
    if outside is not None:
        raise CalibrationError(f"{outside!r} lies outside {folder}")
    return {folder / one.file: one.faces for one in images}


def _is_inside(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())


def _split(faces: Sequence[_Face], smallest_px: float) -> tuple[list[Box], list[Box]]:
    """Return the boxes that count, and those that are ignored."""
    counted: list[Box] = []
    ignored: list[Box] = []
    for face in faces:
        x, y, width, height = face.box_xywh
        out = face.ignore or face.subset == "ignore" or min(width, height) < smallest_px
        (ignored if out else counted).append(Box(x, y, x + width, y + height))
    return counted, ignored


def _unscaled(face: RawFace, scale: float) -> tuple[Box, float]:
    return Box(*(number / scale for number in face.box)), face.score


def match(
    found: Sequence[tuple[Box, float]], counted: Sequence[Box], ignored: Sequence[Box]
) -> tuple[list[float], list[float]]:
    """Return the scores of found boxes that are true ones, and of those that are not.

    The best score takes the true box that it overlaps most, each only once; what lies for
    the better half on an ignored face is neither.
    """
    free = list(counted)
    hits, wrong = [], []
    for box, score in sorted(found, key=lambda one: -one[1]):
        best = max(free, key=lambda truth: overlap(box, truth), default=None)
        if best is not None and overlap(box, best) >= MATCH_IOU:
            free.remove(best)
            hits.append(score)
        elif not any(_shared(box, one) >= MATCH_IOU * box.area for one in ignored):
            wrong.append(score)
    return hits, wrong


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes; 0 for boxes without area."""
    shared = _shared(a, b)
    union = a.area + b.area - shared
    return shared / union if union > 0 else 0.0


def _shared(a: Box, b: Box) -> float:
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    return max(0.0, width) * max(0.0, height)
