"""Every message that crosses Kafka, as typed, validated, immutable structs.

Strictness: unknown fields, wrong types, NaN and out-of-range numbers are rejected at decoding and at making.
Numbers that name pixels refer to the source frame unless the field says otherwise.
"""

import math
from fractions import Fraction
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mosaicast.core.epochs import LARGEST_EPOCH
from mosaicast.core.types import (
    FINGERPRINT_BYTES,
    Box,
    Epoch,
    MediaTime,
    OwnerId,
    PersonId,
    Reason,
    StreamId,
    Style,
    TrackId,
    TrackVerdict,
    Verdict,
)

Identifier = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:\-]+\Z")]
MOST_ZONES = 64
"""Of a stream."""
MOST_PEOPLE = 10_000
"""Of one owner."""
LARGEST_OUTGOING_BYTES = 512 * 1024
"""A picture for the output guard: 640 x 360 at quality 85 is 40 kB, noise 150."""
ShortText = Annotated[str, Meta(max_length=500)]
NonNegative = Annotated[int, Meta(ge=0)]
EpochNumber = Annotated[int, Meta(gt=0, le=LARGEST_EPOCH)]
Side = Annotated[int, Meta(gt=0, le=16384)]
Unit = Annotated[float, Meta(ge=0.0, le=1.0)]
Fingerprint = Annotated[bytes, Meta(min_length=FINGERPRINT_BYTES, max_length=FINGERPRINT_BYTES)]
"""Of a picture's luma: see `core.fingerprint`."""
AfterSeq = Annotated[int, Meta(ge=-1)]
"""Number of the sample of this epoch that was answered before this one, -1 for the first: between two answers whose
numbers do not meet, one is lost, and it may have told a scene cut."""
PublicationState = Literal["waiting", "starting", "live", "stopped", "quarantined", "refused", "ended", "error"]


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every message: immutable, keyword-only, no unknown fields."""


class TimeBase(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Seconds per tick as an exact fraction, as in FFmpeg."""

    num: Annotated[int, Meta(gt=0, le=1_000_000)]
    den: Annotated[int, Meta(gt=0, le=1_000_000_000)]

    def seconds(self, ticks: int) -> MediaTime:
        """Return `ticks` as exact seconds."""
        return Fraction(ticks * self.num, self.den)


# --- streams ------------------------------------------------------------------------------------------------


class Zone(Message, frozen=True, kw_only=True):
    """A rectangle that is always masked; fractions of the frame's width and height."""

    x: Unit
    y: Unit
    width: Unit
    height: Unit


class Policy(Message, frozen=True, kw_only=True):
    """How one stream is masked and encoded."""

    style: Style = Style.MOSAIC
    delay_s: Annotated[float, Meta(ge=0.5, le=10.0)] = 1.0
    zones: Annotated[tuple[Zone, ...], Meta(max_length=MOST_ZONES)] = ()
    preset: Literal["superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"
    analysis_fps: Annotated[float, Meta(ge=4.0, le=30.0)] = 10.0
    """Sampled frames a second; below 4 the gap between two looks would exceed `max_gap` (0.25 s)."""
    detection_threshold: Annotated[float, Meta(ge=0.05, le=0.6)] = 0.2


class Publication(Message, frozen=True, kw_only=True):
    """One publisher's session at the edge."""

    publication_id: Identifier
    started_ms: NonNegative
    """Wall time, milliseconds since 1970."""


class Source(Message, frozen=True, kw_only=True):
    """The source: the edge (`push`), or a file below the operator's media folder (`file`)."""

    kind: Literal["push", "file"] = "push"
    path: Annotated[str, Meta(max_length=1000)] | None = None


class StreamSpec(Message, frozen=True, kw_only=True):
    """Desired state of one stream. The newest revision wins; a tombstone (no value) ends the stream."""

    stream_id: Identifier
    owner_id: Identifier
    revision: NonNegative
    source: Source = Source()
    publication: Publication | None = None
    """None: nobody publishes, ingest stays idle. A new id: read the source in a new epoch."""
    policy: Policy = Policy()
    panic: bool = False
    """Full mosaic of every frame until released."""
    visible_until: Annotated[dict[Identifier, NonNegative], Meta(max_length=MOST_PEOPLE)] = {}
    """Until when (wall milliseconds) each enrolled person agreed to be seen on this stream; nobody else did."""


# --- media --------------------------------------------------------------------------------------------------


class CodecParameters(Message, frozen=True, kw_only=True):
    """What a decoder or muxer needs to start on one track."""

    track: Literal["video", "audio"]
    codec: Annotated[str, Meta(min_length=1, max_length=32)]
    """FFmpeg's name of the codec: h264, hevc, aac, mp3, ..."""
    time_base: TimeBase
    extradata: Annotated[bytes, Meta(max_length=65536)] = b""
    width: Annotated[int, Meta(ge=0, le=16384)] = 0
    height: Annotated[int, Meta(ge=0, le=16384)] = 0
    frame_rate: Annotated[float, Meta(ge=0.0, le=1000.0)] = 0.0
    """Nominal, 0 if the source does not say."""
    sample_rate: Annotated[int, Meta(ge=0, le=768_000)] = 0
    channels: Annotated[int, Meta(ge=0, le=64)] = 0


class MediaPacket(Message, frozen=True, kw_only=True):
    """One encoded packet, or the end of an epoch.

    `index` counts the messages of one epoch from 0 without a hole, so that a reader sees what it lost.
    """

    stream_id: Identifier
    epoch: EpochNumber
    index: NonNegative
    unit: NonNegative
    """Video packets of this epoch before this message: a reader that lost some knows how many."""
    since_epoch: NonNegative = 0
    """At every video keyframe: the first epoch of this stream that this ingest has read ..."""
    units_since: NonNegative = 0
    """... and how many video packets it read from there until this epoch began. The last packets of an epoch may be
    lost with its end, and whole epochs too; so their reader knows how many."""
    track: Literal["video", "audio"]
    pts: int
    dts: int
    duration: NonNegative = 0
    time_base: TimeBase
    keyframe: bool = False
    codecs: Annotated[tuple[CodecParameters, ...], Meta(max_length=2)] = ()
    """At every video keyframe (and every audio packet of a source that has no keyframe yet): all tracks."""
    data: bytes = b""
    end_of_epoch: bool = False
    """The source has ended: no packet of this epoch follows. `data` is empty."""
    read_ms: NonNegative
    """Wall time when ingest read it, milliseconds since 1970 (for measuring delay, not for deadlines)."""

    @property
    def time(self) -> MediaTime:
        """Presentation time in exact seconds."""
        return self.time_base.seconds(self.pts)

    @property
    def decode_time(self) -> MediaTime:
        """Decoding time in exact seconds."""
        return self.time_base.seconds(self.dts)


# --- frames, detections, verdicts ---------------------------------------------------------------------------


class SampledFrame(Message, frozen=True, kw_only=True):
    """One decoded frame for analysis."""

    stream_id: Identifier
    epoch: EpochNumber
    seq: NonNegative
    """Counts the samples of one epoch from 0, those that were lost on the way included."""
    pts: int
    time_base: TimeBase
    width: Side
    height: Side
    """Size of the source frame; the JPEG may be smaller (at most 1280 wide), same shape."""
    scene_cut: bool = False
    """First frame of a new scene."""
    fingerprint: Fingerprint
    """It travels on with detections and verdict, and the compositor holds it against the picture that it decoded."""
    detection_threshold: Annotated[float, Meta(ge=0.05, le=0.6)] = 0.2
    jpeg: Annotated[bytes, Meta(min_length=1)]
    read_ms: NonNegative


def _finite(*numbers: float) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("not a finite number")


class FaceCrop(Message, frozen=True, kw_only=True):
    """A square cut-out around a face for the recognizer; source = origin + crop / scale."""

    jpeg: Annotated[bytes, Meta(min_length=1, max_length=200_000)]
    origin_x: float
    origin_y: float
    scale: Annotated[float, Meta(gt=0.0, le=64.0)]
    """Crop pixels per source pixel."""

    def __post_init__(self) -> None:
        """Reject NaN and infinity."""
        _finite(self.origin_x, self.origin_y, self.scale)


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
        _finite(*self.box, *self.landmarks, self.sharpness)
        if self.box.x2 <= self.box.x1 or self.box.y2 <= self.box.y1:
            raise ValueError("empty or inverted box")


class Detections(Message, frozen=True, kw_only=True):
    """All faces of one sampled frame. Empty means looked and saw nobody."""

    stream_id: Identifier
    epoch: EpochNumber
    seq: NonNegative
    pts: int
    time_base: TimeBase
    width: Side
    height: Side
    scene_cut: bool = False
    fingerprint: Fingerprint
    after_seq: AfterSeq
    model: Identifier
    faces: Annotated[tuple[FaceDetection, ...], Meta(max_length=2000)]
    read_ms: NonNegative

    @property
    def time(self) -> MediaTime:
        """Presentation time in exact seconds."""
        return self.time_base.seconds(self.pts)


class WireTrack(Message, frozen=True, kw_only=True):
    """One track of a verdict."""

    track_id: NonNegative
    box: Box
    clear: bool
    reason: Reason
    person_id: Identifier | None = None

    def __post_init__(self) -> None:
        """Reject NaN, inverted boxes, and a clear track that says no reason to be clear."""
        _finite(*self.box)
        if self.box.x2 <= self.box.x1 or self.box.y2 <= self.box.y1:
            raise ValueError("empty or inverted box")
        self.to_core()

    def to_core(self) -> TrackVerdict:
        """Return the core's form."""
        person = None if self.person_id is None else PersonId(self.person_id)
        return TrackVerdict(TrackId(self.track_id), self.box, self.clear, self.reason, person)


class VerdictMessage(Message, frozen=True, kw_only=True):
    """The decision about every track of one sampled frame."""

    stream_id: Identifier
    epoch: EpochNumber
    seq: NonNegative
    pts: int
    time_base: TimeBase
    width: Side
    height: Side
    scene_cut: bool = False
    fingerprint: Fingerprint
    after_seq: AfterSeq
    tracks: Annotated[tuple[WireTrack, ...], Meta(max_length=4000)]
    read_ms: NonNegative

    def to_core(self) -> Verdict:
        """Return the core's form."""
        return Verdict(
            self.time_base.seconds(self.pts), tuple(track.to_core() for track in self.tracks), self.scene_cut,
            self.fingerprint, self.seq, self.after_seq,
        )  # fmt: skip


# --- the output guard -----------------------------------------------------------------------------------------


class OutgoingFrame(Message, frozen=True, kw_only=True):
    """One masked picture as it went out, about once a second of a stream, for the detector to look at."""

    stream_id: Identifier
    epoch: EpochNumber
    index: NonNegative
    """Of its packet; the answer names it."""
    width: Side
    height: Side
    """Size of the frame; the JPEG may be smaller, same shape."""
    threshold: Annotated[float, Meta(ge=0.05, le=1.0)]
    """Lowest score that matters."""
    jpeg: Annotated[bytes, Meta(min_length=1, max_length=LARGEST_OUTGOING_BYTES)]
    sent_ms: NonNegative
    """Wall time when it went out, for measuring."""


class OutgoingFace(Message, frozen=True, kw_only=True):
    """A face in a picture that went out."""

    box: Box
    """Pixels of the frame."""
    score: Unit

    def __post_init__(self) -> None:
        """Reject NaN, infinity and inverted boxes."""
        _finite(*self.box)
        if self.box.x2 <= self.box.x1 or self.box.y2 <= self.box.y1:
            raise ValueError("empty or inverted box")


class OutgoingFaces(Message, frozen=True, kw_only=True):
    """What the detector saw in one picture that went out. Empty means looked and saw nobody."""

    stream_id: Identifier
    epoch: EpochNumber
    index: NonNegative
    faces: Annotated[tuple[OutgoingFace, ...], Meta(max_length=2000)]
    sent_ms: NonNegative


# --- gallery, status, dead letters --------------------------------------------------------------------------


class GalleryChanged(Message, frozen=True, kw_only=True):
    """The people of one owner changed: ask the store again. No vectors, no pictures."""

    owner_id: Identifier
    revision: NonNegative
    """Wall milliseconds of the change; rises per owner."""


class StatusReport(Message, frozen=True, kw_only=True):
    """Heartbeat and counters of one stream from one part (about once a second)."""

    service: Literal["ingest", "detector", "recognizer", "compositor", "api"]
    instance: Identifier
    stream_id: Identifier
    epoch: Annotated[int, Meta(ge=0, le=LARGEST_EPOCH)] = 0
    state: PublicationState
    reason: ShortText = ""
    """A plain sentence for the user; empty when all is well."""
    counters: dict[str, int] = {}
    gauges: dict[str, float] = {}
    visible: Annotated[tuple[Identifier, ...], Meta(max_length=200)] = ()
    """Enrolled people who are seen now (from the recognizer)."""
    at_ms: NonNegative


class DeadLetter(Message, frozen=True, kw_only=True):
    """A message that did not decode: where it was and why, never what it held."""

    topic: ShortText
    partition: NonNegative
    offset: NonNegative
    reason: Identifier
    size_bytes: NonNegative
    sha256: Annotated[str, Meta(min_length=64, max_length=64)]
    at_ms: NonNegative


def stream_of(message: Message) -> StreamId:
    """Return the stream that a message belongs to.

    Raises:
        TypeError: the message has no stream.
    """
    stream_id = getattr(message, "stream_id", None)
    if not isinstance(stream_id, str):
        raise TypeError(f"{type(message).__name__} has no stream")
    return StreamId(stream_id)


def epoch_of(message: MediaPacket | SampledFrame | Detections | VerdictMessage) -> Epoch:
    """Return the epoch of a message of a stream."""
    return Epoch(message.epoch)


def owner_of(spec: StreamSpec) -> OwnerId:
    """Return the owner of a stream."""
    return OwnerId(spec.owner_id)
