"""The words that every part shares: ids, media time, boxes, decisions, verdicts."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, NewType

StreamId = NewType("StreamId", str)
OwnerId = NewType("OwnerId", str)
PersonId = NewType("PersonId", str)
Epoch = NewType("Epoch", int)
"""One uninterrupted reading of a source; a later reading has a higher number."""
TrackId = NewType("TrackId", int)
"""Identity of one track inside one stream and epoch. Never reused there."""
MediaTime = Fraction
"""Presentation time of a frame in its epoch, exact seconds."""


FINGERPRINT_WH = (16, 9)
"""Cells across and down of a picture's fingerprint (`core.fingerprint`)."""
FINGERPRINT_BYTES = FINGERPRINT_WH[0] * FINGERPRINT_WH[1]

LONGEST_BACK_S = 10.0
"""No decision speaks of an earlier time: nothing waits that long."""


class Box(NamedTuple):
    """An axis-aligned box in source pixels: left, top, right, bottom (right and bottom are outside it)."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Width in pixels; negative for an inverted box."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height in pixels; negative for an inverted box."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for an empty or inverted box."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    # A box is the plainest region (`core.regions.Region`).

    @property
    def bounds(self) -> "Box":
        """Itself."""
        return self

    def stretched(self, bounds: "Box") -> "Box":
        """Return the other bounds: a box is nothing else."""
        return bounds

    def covered(self, left: int, top: int, width: int, height: int) -> None:
        """Return None: all of a box is painted."""


class Reason(StrEnum):
    """Why a track is masked; ENROLLED is the one reason to leave it clear."""

    ENROLLED = "enrolled"
    PENDING = "pending"  # not judged yet: too few votes
    UNKNOWN = "unknown"  # judged: nobody whom the owner enrolled
    TOO_SMALL = "too_small"
    DOUBTFUL = "doubtful"  # blurred, turned away, weak margin, disagreeing votes
    CONFLICT = "conflict"  # two tracks in one frame claim the same person, or overlap with a stranger's
    JUMP = "jump"  # the track moved further than a face can
    EXPIRED = "expired"  # the consent has run out or was withdrawn
    GALLERY_UNAVAILABLE = "gallery_unavailable"


class Style(StrEnum):
    """How a region is made unrecognisable. None of them can be reversed."""

    MOSAIC = "mosaic"
    BLUR = "blur"
    SOLID = "solid"


class Disposition(StrEnum):
    """What became of one ingested video frame. Exactly one for each."""

    CLEAR = "clear"  # published with no region painted
    MASKED = "masked"  # published with at least one region painted
    FULL_MOSAIC = "full_mosaic"  # published with the whole picture painted
    DROPPED = "dropped"  # not published


@dataclass(frozen=True, slots=True)
class TrackVerdict:
    """The decision about one track at one moment."""

    track_id: TrackId
    box: Box
    clear: bool
    reason: Reason
    person_id: PersonId | None = None
    back_s: float | None = None
    """How far the decision speaks of the time before, seconds. Clear: for so long the track has surely been the person;
    None: it says nothing. Masked: for so long it may have been somebody else; None: what its reason means."""

    def __post_init__(self) -> None:
        """Hold the one rule: clear only with a person and the reason to be clear.

        Raises:
            ValueError: a clear track without an enrolled person, or a masked one with the reason `enrolled`.
        """
        if self.clear != (self.reason is Reason.ENROLLED):
            raise ValueError(f"clear={self.clear} contradicts reason {self.reason}")
        if self.clear and self.person_id is None:
            raise ValueError("a clear track names the enrolled person")


@dataclass(frozen=True, slots=True)
class Verdict:
    """All tracks of one sampled frame. An empty tuple says that the detector saw nobody."""

    time: MediaTime
    tracks: tuple[TrackVerdict, ...]
    scene_cut: bool = False
    """This frame is the first of a new scene: nothing is interpolated, led or held across its time."""
    fingerprint: bytes = b""
    """Of the sampled picture (`core.fingerprint`); an empty one is like no picture."""
    seq: int = 0
    """Number of the sample in its epoch."""
    after_seq: int = -1
    """Number of the sample that was answered before it, -1 for the first: another one in between is lost."""
