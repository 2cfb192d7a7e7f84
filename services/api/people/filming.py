"""Following the faces of a video that somebody sent: stretches of one face each, and the looks at it that are good."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import cv2
import numpy as np

from mosaicast.adapters.detectors.factory import enroll_score, mask_score
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.clip import ClipSample
from mosaicast.core.looks import Stretches, Thinned
from mosaicast.core.mask_policy import MAX_GAP_S
from mosaicast.core.pose import pitch_ratio, yaw_ratio
from mosaicast.core.tracking import Tracked, Tracker
from mosaicast.core.types import Box, MediaTime, TrackId
from mosaicast.imaging.crops import crop_square, map_landmarks, sharpness
from mosaicast.imaging.types import Picture
from services.api.people.enrollment import (
    KEPT_QUALITY,
    LEAST_BRIGHTNESS,
    SMALLEST_FACE_PX,
    brightness,
    smaller_side,
    thumbnail,
)
from services.api.people.face_models import FaceModels

if TYPE_CHECKING:
    from mosaicast.adapters.detectors import RawFace

LONGEST_S = 90.0
"""Of work on one video. What was seen by then counts: on two cores that have other work too, half a minute of 1080p
takes so long."""
LOOKED_AT_PX = 1280
"""Faces are looked for in pictures of this length, as in a stream's."""
LOOK_GROWTH = 2.0
"""What is kept of a look is the square of so many times the face. Less than of a photo: others are in the picture, and
nobody else may be in what is kept."""
LOOK_SIDE = 512
"""At most so many pixels: more of it a stream does not show."""
LOOK_SHARPNESS = 80.0
"""Variance of the Laplacian at 112 px (`imaging.crops.sharpness`), as it is: networks find blurred faces alike, whoever
they are, and a template of one lets every other one pass. Of who talks to the camera 19 of 20 looks have more."""
LOOK_YAW = 0.8
"""The largest `core.pose.yaw_ratio`: as of a clear track's re-check, a side view whose both eyes are seen."""
LOOK_PITCH = (0.25, 0.85)
FRONT_YAW = 0.2
"""Up to here a face counts as seen from the front."""
LOOKS_A_SIDE = 15
"""Of a stretch, evenly over its time. Each costs some embeddings."""
MOST_STRETCHES = 200
"""Of a video; later faces are left out. A crowd of thirty that is cut every second has more."""
MOST_WITH_LOOKS = 24
"""Stretches of which looks are kept: what they hold is memory."""

Side = Literal["front", "left", "right"]
"""Which way a face looks in the picture."""
SIDES: tuple[Side, ...] = ("front", "left", "right")
LookFault = Literal["too_small", "blurred", "too_dark", "turned_away", "not_alone"]


class Filmed(Protocol):
    """Reads videos of strangers."""

    def samples(self, data: bytes) -> Iterator[ClipSample]:
        """Yield the samples of a video. Raises ClipError."""


@dataclass(frozen=True, slots=True)
class Look:
    """One good look at a face."""

    time_s: float
    yaw: float
    photo: bytes
    """JPEG, to be kept: see `LOOK_GROWTH`."""
    thumbnail: bytes
    """JPEG of the aligned face."""

    @property
    def side(self) -> Side:
        """Which way the face looks in the picture."""
        return side_of(self.yaw)


@dataclass(slots=True)
class Stretch:
    """What was seen of one face without a break."""

    track_id: TrackId
    first_s: float
    last_s: float
    samples: int = 0
    area: float = 0.0
    """Of the largest box, square pixels."""
    faults: Counter[LookFault] = field(default_factory=Counter)
    kept: dict[Side, Thinned[Look]] = field(default_factory=lambda: {side: Thinned(LOOKS_A_SIDE) for side in SIDES})

    @property
    def looks(self) -> list[Look]:
        """The good looks, in order of time."""
        return sorted((look for kept in self.kept.values() for look in kept.items), key=lambda look: look.time_s)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.last_s - self.first_s


@dataclass(slots=True)
class Seen:
    """What was seen in a video."""

    stretches: list[Stretch] = field(default_factory=list)
    looked_at_s: float = 0.0


def side_of(yaw: float) -> Side:
    """Return which way a face looks by its `core.pose.yaw_ratio`."""
    if abs(yaw) <= FRONT_YAW:
        return "front"
    return "left" if yaw < 0 else "right"


def follow(decoder: Filmed, models: FaceModels, data: bytes, now_s: Callable[[], float]) -> Seen:
    """Return what is seen in a video.

    Args:
        now_s: monotonic seconds; after `LONGEST_S` what was seen is enough.

    Raises:
        ClipError: the file is no video that is read.
        ModelError: a model failed.
    """
    following, began_s = _Following(models), now_s()
    for sample in decoder.samples(data):
        following.take(sample)
        if now_s() - began_s > LONGEST_S:
            break
    return following.seen


class _Following:
    def __init__(self, models: FaceModels) -> None:
        self.seen = Seen()
        self._models = models
        self._tracker, self._stretches = Tracker(), Stretches()
        self._numbers: dict[int, Stretch] = {}
        self._with_looks: set[int] = set()
        self._newest: MediaTime | None = None
        self._broken = True

    def take(self, sample: ClipSample) -> None:
        """Take in the next sample."""
        self.seen.looked_at_s = float(sample.time)
        if sample.mixed:  # a face of two people is nobody's
            self._broken = True
            return
        late = self._newest is not None and sample.time - self._newest > MAX_GAP_S
        self._newest = sample.time
        faces = _found(self._models, sample.picture)
        tracked = self._tracker.update(
            sample.time, [face.box for face in faces], [face.score for face in faces], scene_cut=sample.cut
        )
        numbers = self._stretches.update(tracked, broken=self._broken or late or sample.cut)
        self._broken = False
        for one, number in zip(tracked, numbers, strict=True):
            if number is not None:
                self._note(number, one, sample, faces)

    def _note(self, number: int, one: Tracked, sample: ClipSample, faces: "Sequence[RawFace]") -> None:
        time_s = float(sample.time)
        stretch = self._numbers.get(number)
        if stretch is None:
            if len(self._numbers) >= MOST_STRETCHES:
                return
            stretch = self._numbers[number] = Stretch(one.track_id, time_s, time_s)
            self.seen.stretches.append(stretch)
        stretch.last_s, stretch.samples = time_s, stretch.samples + 1
        stretch.area = max(stretch.area, one.box.area)
        fault = look_fault(sample.picture, faces, one.index)
        if fault is not None:
            stretch.faults[fault] += 1
        elif number in self._with_looks or len(self._with_looks) < MOST_WITH_LOOKS:
            self._with_looks.add(number)
            yaw = yaw_ratio(faces[one.index].landmarks)
            kept = stretch.kept[side_of(yaw)]
            kept.add(_look(sample, faces[one.index], yaw) if kept.wants_next else None)


def look_fault(picture: Picture, faces: "Sequence[RawFace]", index: int) -> LookFault | None:
    """Return why one of a picture's faces can't be used; None: it can."""
    face = faces[index]
    yaw, pitch = yaw_ratio(face.landmarks), pitch_ratio(face.landmarks)
    if smaller_side(face.box) < SMALLEST_FACE_PX:
        return "too_small"
    if not (abs(yaw) <= LOOK_YAW and LOOK_PITCH[0] <= pitch <= LOOK_PITCH[1]):
        return "turned_away"
    if brightness(picture, face.box) < LEAST_BRIGHTNESS:
        return "too_dark"
    crop = crop_square(picture, face.box)
    if face.score < enroll_score() or crop is None or sharpness(crop.picture) < LOOK_SHARPNESS:
        return "blurred"
    square = kept_square(face.box)
    others = (other.box for place, other in enumerate(faces) if place != index)
    return "not_alone" if any(_meet(square, other) for other in others) else None


def kept_square(box: Box) -> Box:
    """Return what is kept around a face."""
    (x, y), reach = box.centre, max(box.width, box.height) * LOOK_GROWTH / 2
    return Box(x - reach, y - reach, x + reach, y + reach)


def _meet(one: Box, other: Box) -> bool:
    return one.x1 < other.x2 and other.x1 < one.x2 and one.y1 < other.y2 and other.y1 < one.y2


def _found(models: FaceModels, picture: Picture) -> "list[RawFace]":
    """Return the faces in a picture, in its pixels."""
    height, width = picture.shape[:2]
    scale = min(1.0, LOOKED_AT_PX / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        return [_grown(face, scale) for face in models.find_filmed(small, mask_score())]
    return models.find_filmed(picture, mask_score())


def _grown(face: "RawFace", scale: float) -> "RawFace":
    box = Box(*(edge / scale for edge in face.box))
    return face._replace(box=box, landmarks=map_landmarks(face.landmarks, 0, 0, 1 / scale))


def _look(sample: ClipSample, face: "RawFace", yaw: float) -> Look | None:
    kept = crop_square(sample.picture, face.box, growth=LOOK_GROWTH, largest=LOOK_SIDE)
    shown = thumbnail(sample.picture, face.landmarks)
    if kept is None or shown is None:
        return None
    return Look(float(sample.time), yaw, jpeg.encode(kept.picture, KEPT_QUALITY), shown)
