"""Finding the face of a photo, as large as its file has it: a phone's photo is shrunk to be looked at as a whole."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mosaicast.adapters.detectors.factory import enroll_score
from mosaicast.adapters.media.photo_file import Decoded, PhotoError
from mosaicast.core.guard import overlap
from mosaicast.core.types import Box
from mosaicast.imaging.crops import map_landmarks
from mosaicast.imaging.types import Picture
from services.api.people.face_models import FaceModels

if TYPE_CHECKING:
    from mosaicast.adapters.detectors import RawFace

RIVAL_SHARE = 0.2
"""Another face is somebody in the background while its area is below this share of the largest."""
ENOUGH_PX = 340.0
"""A face of so many pixels is not looked for at a larger size: more of it would not be kept."""
NEAR_GROWTH = 3.6
"""What is decoded at full size is a square of so many times the face; three times is kept, and the face moves a little
when it is found anew."""
TILE_SIDE = 800
"""A photo in which no face is found is looked at again in squares of so many pixels, which overlap by half. The
detector shrinks a whole one of 1600 to a third, such a square to two thirds."""
SAME_FACE = 0.3
"""Boxes that overlap by this share of what both cover are of one face."""


class Decoder(Protocol):
    """Reads photos of strangers."""

    def decode(self, data: bytes, part: Box | None = None) -> Decoded:
        """Return the pixels, or those of a part, in pixels of the file, at full size. Raises PhotoError."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A photo, or what is around its largest face."""

    photo: Decoded
    faces: "Sequence[RawFace]"
    """The one that counts first; in pixels of the picture."""


def find(decoder: Decoder, models: FaceModels, data: bytes) -> Sight:
    """Return the largest face of a photo, at the file's full size, and the faces around it.

    Raises:
        PhotoError: the file is no photo.
        ModelError: a model failed.
    """
    photo = decoder.decode(data)
    faces = largest_first(models.find(photo.picture, enroll_score())) or in_tiles(models, photo.picture)
    sight = Sight(photo, faces)
    if not faces or photo.scale >= 1 or has_rivals(faces) or _longer(faces[0].box) >= ENOUGH_PX:
        return sight
    return _nearer(decoder, models, data, sight) or sight


def largest_first(faces: "Sequence[RawFace]") -> "list[RawFace]":
    """Return faces in the order of their size."""
    return sorted(faces, key=lambda face: -face.box.area)


def has_rivals(faces: "Sequence[RawFace]") -> bool:
    """Whether there is a face beside the first that may be the one meant."""
    return any(other.box.area > RIVAL_SHARE * faces[0].box.area for other in faces[1:])


def in_tiles(models: FaceModels, picture: Picture) -> "list[RawFace]":
    """Return the faces that are found in overlapping squares of a picture, each once, the largest first."""
    if max(picture.shape[:2]) <= TILE_SIDE:
        return []
    found = [
        _moved(face, left, top)
        for left, top in _corners(picture.shape[1], picture.shape[0])
        for face in models.find(picture[top : top + TILE_SIDE, left : left + TILE_SIDE], enroll_score())
    ]
    kept: list[RawFace] = []
    for face in sorted(found, key=lambda one: -one.score):
        if all(overlap(face.box, other.box) < SAME_FACE for other in kept):
            kept.append(face)
    return largest_first(kept)


def _corners(width: int, height: int) -> Iterator[tuple[int, int]]:
    for top in _starts(height):
        for left in _starts(width):
            yield left, top


def _starts(length: int) -> list[int]:
    if length <= TILE_SIDE:
        return [0]
    count = math.ceil(2 * length / TILE_SIDE) - 1
    return [round(start) for start in np.linspace(0, length - TILE_SIDE, count)]


def _nearer(decoder: Decoder, models: FaceModels, data: bytes, sight: Sight) -> Sight | None:
    """Decode what is around the first face at full size, and find it anew there; None: it can't be."""
    wanted = _in_file(sight.faces[0].box, sight.photo)
    side, (x, y) = NEAR_GROWTH * _longer(wanted), wanted.centre
    try:
        near = decoder.decode(data, Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    except PhotoError:
        return None  # it was read when it was shrunk; at full size it takes too much memory
    faces = largest_first(models.find(near.picture, enroll_score()))
    alike = [overlap(_in_file(face.box, near), wanted) for face in faces]
    if max(alike, default=0.0) < SAME_FACE:
        return None
    first = faces[int(np.argmax(alike))]
    return Sight(near, [first, *(face for face in faces if face is not first)])


def _in_file(box: Box, photo: Decoded) -> Box:
    """Return a box of the picture in pixels of the file."""
    left, top = photo.part.x1, photo.part.y1
    return Box(*(edge / photo.scale + start for edge, start in zip(box, (left, top, left, top), strict=True)))


def _moved(face: "RawFace", left: int, top: int) -> "RawFace":
    x1, y1, x2, y2 = face.box
    moved = Box(x1 + left, y1 + top, x2 + left, y2 + top)
    return face._replace(box=moved, landmarks=map_landmarks(face.landmarks, -left, -top, 1.0))


def _longer(box: Box) -> float:
    return max(box.width, box.height)
