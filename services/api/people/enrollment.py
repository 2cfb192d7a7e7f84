"""From photos to templates: one verdict for each photo; for each good one a vector of each network and a thumbnail."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from mosaicast.adapters.detectors.factory import enroll_score
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.photo_file import PhotoError
from mosaicast.adapters.models.registry import Agreement
from mosaicast.core.pose import pitch_ratio, yaw_ratio
from mosaicast.core.types import Box
from mosaicast.imaging.crops import align_by_landmarks, crop_square, sharpness
from mosaicast.imaging.types import Landmarks, Picture
from services.api.errors import DomainError, PhotosDisagreeError
from services.api.people.agreement import Likeness, agreeing, largest, likeness
from services.api.people.covering import Covered, covered
from services.api.people.face_models import FaceModels, Network, Vectors
from services.api.people.finding import Decoder, find, has_rivals
from services.api.people.naming import disagreeing

if TYPE_CHECKING:
    from mosaicast.adapters.detectors import RawFace

SMALLEST_FACE_PX = 40
"""In pixels of the file; on air a face counts from there too. 73 photos of public figures were shrunk to faces of
60, 50 and 40 px, and one enrolled at a time: of 5,114 photos of strangers none passes the product's rule at any size,
and of 142 of the same person 13, 8 and 4 do (24 as it was). A small face shows nobody else, and its person less often.
"""
SMALL_FACE_PX = 60
"""Below it the verdict warns."""
LEAST_SHARPNESS = 80.0
"""Variance of the Laplacian at 112 px, as if the face had a brightness of 128. The least of those photos has 141, and
shrunk to a face of 40 px 187. Networks find blurred faces alike, whoever they are: a template of one would let blurred
strangers pass. A blur of 2 % of the face's width leaves 40 to 130, one of 4 % 7 to 26."""
LEAST_BRIGHTNESS = 20.0
"""Mean of the grey face, of 255. The darkest of those photos, of a man with dark skin, has 60. Photos darkened to 22
with the noise of that keep 0.981 of cosine, 10 keeps 0.964: the limit is low, so that no skin is too dark."""
YAW_LIMIT = 0.5
"""Of `core.pose.yaw_ratio`. On air a face counts up to 0.35; a half profile (0.4) is of use among other photos, and
1 of 75 photos of public figures, a full profile, has more than this (0.88)."""
PITCH_RANGE = (0.35, 0.75)
"""Where the nose is between the eyes (0) and the mouth (1): 0.45 to 0.64 in those photos."""
KEPT_GROWTH, KEPT_SIDE = 3.0, 1024
"""What is kept of a photo: the square of three times the face, at most so many pixels. Enough to make templates again;
the place in the EXIF and most of the other people in the picture are not kept."""
KEPT_QUALITY = 95
THUMBNAIL_SIDE = 112
_THUMBNAIL_QUALITY = 88
_ARCFACE = np.array([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)])
"""The usual places of five landmarks in 112 px (insightface's `arcface_dst`)."""
_THUMBNAIL = (_ARCFACE - THUMBNAIL_SIDE / 2) * 0.7 + (THUMBNAIL_SIDE / 2, THUMBNAIL_SIDE / 2 - 4)
"""Drawn in, so that hair and chin are seen."""

Verdict = Literal[
    "ok",
    "no_face",
    "several_faces",
    "too_small",
    "blurred",
    "too_dark",
    "turned_away",
    "covered",
    "unreadable",
    "too_large",
    "somebody_else",
]
DETAILS: dict[Verdict, str] = {
    "ok": "it is used",
    "no_face": "there is no face to be seen clearly in it",
    "several_faces": "there are several faces in it; send one with that person alone",
    "too_small": f"the face is smaller than {SMALLEST_FACE_PX} pixels; send one from nearer",
    "blurred": "the face is blurred",
    "too_dark": "the face is too dark",
    "turned_away": "the face is turned away; look towards the camera",
    "covered": "a part of the face is covered; send one with the face free",
    "unreadable": "it can't be read",
    "too_large": "it is too large",
    "somebody_else": "the face is not the one of the other photos; it is left out",
}
COVERED: dict[Covered, str] = {
    "mouth": "mouth and nose are covered, as by a mask; send one with the face free",
    "eyes": "the eyes are covered, as by dark glasses or a bar; send one with the face free",
}
TURNED_NOTE = "it was turned upright, as its EXIF says"
SMALL_NOTE = f"its face is smaller than {SMALL_FACE_PX} pixels: add a larger one, else the person is seen less often"


@dataclass(frozen=True, slots=True)
class GoodFace:
    """What is made from a good photo."""

    vectors: Vectors
    crowd: tuple[float, ...]
    """See `FaceModels.nearest_of_crowd`."""
    photo: bytes
    """JPEG, to be kept: see `KEPT_GROWTH`."""
    thumbnail: bytes
    """JPEG of the aligned face, `THUMBNAIL_SIDE` square."""


@dataclass(frozen=True, slots=True)
class KnownFace:
    """What is compared of a face that is kept already."""

    vectors: Vectors
    crowd: tuple[float, ...]
    """See `FaceModels.nearest_of_crowd`."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in one photo."""

    file: str
    verdict: Verdict
    detail: str
    note: str = ""
    good: GoodFace | None = None
    """Exactly for the verdict ok."""


class PhotosRefusedError(DomainError):
    """Not one photo can be used: the sender's fault.

    Args:
        judged: the verdicts, at least one.
    """

    def __init__(self, judged: Sequence[Judged]) -> None:
        super().__init__(f"no photo can be used; {judged[0].file[:100]}: {judged[0].detail}")
        self.judged = judged


class PhotosTooLargeError(PhotosRefusedError):
    """All photos are too large."""


class Enroller:
    """Judges photos and makes templates. Thread-safe if its models are."""

    def __init__(self, decoder: Decoder, models: FaceModels) -> None:
        self._decoder, self._models = decoder, models

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that templates are made with. Raises ModelError."""
        return self._models.networks

    def judge(self, file: str, data: bytes) -> Judged:
        """Judge one photo by itself.

        Raises:
            ModelError: a model failed: ours or the operator's fault.
        """
        try:
            sight = find(self._decoder, self._models, data)
        except PhotoError as exc:
            return Judged(file, exc.fault, exc.detail)
        picture, scale = sight.photo.picture, sight.photo.scale
        note = TURNED_NOTE if sight.photo.turned else ""
        verdict = judge(picture, sight.faces, scale)
        if verdict != "ok":
            return Judged(file, verdict, DETAILS[verdict], note)
        face = sight.faces[0]
        hidden = covered(picture, face.landmarks, self._models)
        if hidden is not None:
            return Judged(file, "covered", COVERED[hidden], note)
        if smaller_side(face.box) / scale < SMALL_FACE_PX:
            note = "; ".join(filter(None, (note, SMALL_NOTE)))
        good = self._use(picture, face)
        verdict = "no_face" if good is None else "ok"
        return Judged(file, verdict, DETAILS[verdict], note, good)

    def settle(self, judged: Sequence[Judged]) -> list[Judged]:
        """Point out the photos of somebody else among the good ones: those outside the largest group that agrees.

        Raises:
            PhotosDisagreeError: no group of them is the largest.
            ModelError: the models do not say what they are.
        """
        good = [index for index, one in enumerate(judged) if one.good is not None]
        faces = [one.good for one in judged if one.good is not None]
        alike = self.likeness(faces)
        if alike is None:
            return list(judged)
        groups = agreeing(alike)
        kept = largest(groups)
        if kept is None:
            raise PhotosDisagreeError(disagreeing([[judged[good[place]].file for place in group] for group in groups]))
        others = set(good) - {good[place] for place in kept}
        return [_as_somebody_else(one) if index in others else one for index, one in enumerate(judged)]

    def likeness(self, faces: Sequence[GoodFace | KnownFace]) -> Likeness | None:
        """Return how alike faces are; None: none, or the networks were never measured for it.

        Raises:
            ModelError: the models do not say what they are.
        """
        return likeness(
            [face.vectors for face in faces], [face.crowd for face in faces], [asked(one) for one in self.networks]
        )

    def known(self, photo: bytes) -> KnownFace | None:
        """Return what is compared of a kept photo; None: the detector of today finds no face in it.

        Raises:
            ModelError: a model failed.
            JpegError: it is not what was kept.
        """
        vectors = self.templates_again(photo)
        return None if vectors is None else KnownFace(vectors, self._models.nearest_of_crowd(vectors))

    def templates_again(self, photo: bytes) -> Vectors | None:
        """Return the vectors of a kept photo; None: the detector of today finds no face in it.

        Raises:
            ModelError: a model failed.
            JpegError: it is not what was kept.
        """
        return self._models.embed_largest(jpeg.decode(photo), enroll_score())

    def _use(self, picture: Picture, face: "RawFace") -> GoodFace | None:
        kept = crop_square(picture, face.box, growth=KEPT_GROWTH, largest=KEPT_SIDE)
        assert kept is not None, "judged ok, so box and picture meet"
        photo = jpeg.encode(kept.picture, KEPT_QUALITY)
        # From the kept photo, with the face found anew in it: so a reindex gives the same templates.
        known = self.known(photo)
        if known is None:
            return None
        shown = thumbnail(picture, face.landmarks)
        assert shown is not None, "landmarks of a face that is not turned away span a face"
        return GoodFace(known.vectors, known.crowd, photo, shown)


def asked(network: Network) -> Agreement | None:
    """Return what a network asks of pictures of one person; None: nobody measured it."""
    entry = network.entry
    return None if entry is None else entry.agreement


def judge(picture: Picture, found: "Sequence[RawFace]", scale: float = 1.0) -> Verdict:
    """Return the verdict on a photo from the faces in it, the one that counts first.

    Args:
        picture: the photo, or what is around the face.
        found: in pixels of the picture.
        scale: pixels of the picture per pixel of the file, in which the face's size is judged.
    """
    if not found:
        return "no_face"
    first = found[0]
    light, crop = brightness(picture, first.box), crop_square(picture, first.box)
    sharp = 0.0 if crop is None else sharpness(crop.picture) * (128.0 / max(light, 1.0)) ** 2
    frontal = (
        abs(yaw_ratio(first.landmarks)) <= YAW_LIMIT
        and PITCH_RANGE[0] <= pitch_ratio(first.landmarks) <= PITCH_RANGE[1]
    )
    faults: Sequence[tuple[Verdict, bool]] = (
        ("several_faces", has_rivals(found)),
        ("too_small", smaller_side(first.box) / scale < SMALLEST_FACE_PX),
        ("too_dark", light < LEAST_BRIGHTNESS),
        ("blurred", sharp < LEAST_SHARPNESS),
        ("turned_away", not frontal),
    )
    return next((verdict for verdict, holds in faults if holds), "ok")


def smaller_side(box: Box) -> float:
    """Return the shorter side of a box."""
    return min(box.width, box.height)


def brightness(picture: Picture, box: Box) -> float:
    """Return the mean of the grey face, 0 to 255; 0 where the box lies outside the picture."""
    x1, y1, x2, y2 = (max(0, round(edge)) for edge in box)
    face = picture[y1:y2, x1:x2]
    return float(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY).mean()) if face.size else 0.0


def thumbnail(picture: Picture, landmarks: Landmarks) -> bytes | None:
    """Return a face, aligned, as JPEG of `THUMBNAIL_SIDE`; None: its landmarks span no face."""
    aligned = align_by_landmarks(picture, landmarks, _THUMBNAIL, THUMBNAIL_SIDE)
    return None if aligned is None else jpeg.encode(aligned, _THUMBNAIL_QUALITY)


def _as_somebody_else(one: Judged) -> Judged:
    return replace(one, verdict="somebody_else", detail=DETAILS["somebody_else"], good=None)
