"""Sampled frames, the faces in them, and the decision about each."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from mosaicast.contracts.base import (
    AfterSeq,
    EpochNumber,
    Fingerprint,
    Identifier,
    Message,
    NonNegative,
    Side,
    TimeBase,
    Unit,
    finite,
)
from mosaicast.core.types import (
    LONGEST_BACK_S,
    Box,
    MediaTime,
    PersonId,
    Reason,
    TrackId,
    TrackVerdict,
    Verdict,
)


class FrameHeader(Message, frozen=True, kw_only=True):
    """Which frame a message speaks of. Its fields come first on the wire, in this order."""

    stream_id: Identifier
    epoch: EpochNumber
    seq: NonNegative
    """Counts the samples of one epoch from 0, those that were lost on the way included."""
    pts: int
    time_base: TimeBase
    width: Side
    height: Side
    """Size of the source frame."""
    scene_cut: bool = False
    """First frame of a new scene."""
    fingerprint: Fingerprint
    """Of the sampled picture: the compositor holds it against the one that it decoded."""

    @property
    def time(self) -> MediaTime:
        """Presentation time in exact seconds."""
        return self.time_base.seconds(self.pts)

    def header(self) -> dict[str, Any]:
        """Return these fields by name, for the next message about the same frame."""
        return {name: getattr(self, name) for name in FrameHeader.__struct_fields__}


class SampledFrame(FrameHeader, frozen=True, kw_only=True):
    """One decoded frame for analysis. The JPEG may be smaller than the source (at most 1280 wide). It has the shape
    that viewers see; one side is stretched where the source's pixels are not square."""

    detection_threshold: Annotated[float, Meta(ge=0.05, le=0.6)] = 0.2
    jpeg: Annotated[bytes, Meta(min_length=1)]
    read_ms: NonNegative


class FaceCrop(Message, frozen=True, kw_only=True):
    """A cut-out around a face for the recognizer, square in what viewers see; source = origin + crop / scale."""

    jpeg: Annotated[bytes, Meta(min_length=1, max_length=200_000)]
    origin_x: float
    origin_y: float
    scale: Annotated[float, Meta(gt=0.0, le=64.0)]
    """Crop pixels per source pixel."""

    def __post_init__(self) -> None:
        """Reject NaN and infinity."""
        finite(self.origin_x, self.origin_y, self.scale)


class FaceDetection(Message, frozen=True, kw_only=True):
    """One face as the detector saw it."""

    box: Box
    """May reach over the frame's edge."""
    score: Unit
    landmarks: tuple[float, float, float, float, float, float, float, float, float, float]
    """x, y of left eye, right eye (as seen in the picture), nose tip, left and right corner of the mouth."""
    sharpness: Annotated[float, Meta(ge=0.0)] = 0.0
    """Variance of the Laplacian of the grey crop at 112 x 112; 0 without a crop."""
    crop: FaceCrop | None = None
    """Absent for a face too small to be recognised."""

    def __post_init__(self) -> None:
        """Reject NaN, infinity and inverted boxes."""
        finite(*self.box, *self.landmarks, self.sharpness)
        if self.box.x2 <= self.box.x1 or self.box.y2 <= self.box.y1:
            raise ValueError("empty or inverted box")


class AnswerHeader(FrameHeader, frozen=True, kw_only=True):
    """Which frame an answer speaks of, and which one was answered before it."""

    after_seq: AfterSeq


class Detections(AnswerHeader, frozen=True, kw_only=True):
    """All faces of one sampled frame. Empty: the detector saw nobody."""

    model: Identifier
    faces: Annotated[tuple[FaceDetection, ...], Meta(max_length=2000)]
    read_ms: NonNegative


class WireTrack(Message, frozen=True, kw_only=True):
    """One track of a verdict."""

    track_id: NonNegative
    box: Box
    clear: bool
    reason: Reason
    person_id: Identifier | None = None
    back_s: Annotated[float, Meta(ge=0.0, le=LONGEST_BACK_S)] | UnsetType = UNSET
    """How far it speaks of the time before, seconds: see `core.types.TrackVerdict`. Unset, it is not on the wire."""

    def __post_init__(self) -> None:
        """Reject NaN, inverted boxes, and a clear track that says no reason to be clear."""
        finite(*self.box, 0.0 if self.back_s is UNSET else self.back_s)
        if self.box.x2 <= self.box.x1 or self.box.y2 <= self.box.y1:
            raise ValueError("empty or inverted box")
        self.to_core()

    def to_core(self) -> TrackVerdict:
        """Return the core's form."""
        person = None if self.person_id is None else PersonId(self.person_id)
        back_s = None if self.back_s is UNSET else self.back_s
        return TrackVerdict(TrackId(self.track_id), self.box, self.clear, self.reason, person, back_s)


class VerdictMessage(AnswerHeader, frozen=True, kw_only=True):
    """The decision about every track of one sampled frame."""

    tracks: Annotated[tuple[WireTrack, ...], Meta(max_length=4000)]
    read_ms: NonNegative

    def to_core(self) -> Verdict:
        """Return the core's form."""
        return Verdict(
            self.time, tuple(track.to_core() for track in self.tracks), self.scene_cut,
            self.fingerprint, self.seq, self.after_seq,
        )  # fmt: skip
