"""Encoded packets on their way from ingest to the compositor."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from mosaicast.contracts.base import EpochNumber, Identifier, Message, NonNegative, TimeBase
from mosaicast.core.types import MediaTime

Ratio = Annotated[int, Meta(gt=0, le=65535)]
"""A side of a ratio of two whole numbers, as H.264 can say it."""
Quarter = Literal[90, 180, 270]
"""Degrees counterclockwise."""


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
    sample_aspect: tuple[Ratio, Ratio] | UnsetType = UNSET
    """Width to height of one pixel, where pixels are not square."""
    rotation: Quarter | UnsetType = UNSET
    """Whoever decodes the track turns its pictures by so much; then they are upright, and `width` x `height`. What is
    said of places in them (detections, verdicts, zones) is said of the upright picture."""

    @property
    def pixel_wh(self) -> tuple[int, int]:
        """Width to height of one pixel."""
        return (1, 1) if isinstance(self.sample_aspect, UnsetType) else self.sample_aspect


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
    """At every video keyframe: the first epoch of this stream that this ingest has read."""
    units_since: NonNegative = 0
    """At every video keyframe: video packets that it read from `since_epoch` until this epoch began. Whole epochs may
    be lost, or the end of one; by this the reader knows how many packets."""
    track: Literal["video", "audio"]
    pts: int
    dts: int
    duration: NonNegative = 0
    time_base: TimeBase
    keyframe: bool = False
    codecs: Annotated[tuple[CodecParameters, ...], Meta(max_length=2)] = ()
    """At every video keyframe, and with the packet of sound at which sound begins or its format changes: all tracks."""
    data: bytes = b""
    part: Annotated[int, Meta(ge=0, lt=64)] | UnsetType = UNSET
    """Of a packet that is larger than a message: which piece of its data this is, from 0. Pieces follow one another,
    and all other fields are the same in each, but `codecs`: the first has them (`contracts.parts`)."""
    parts: Annotated[int, Meta(gt=1, le=64)] | UnsetType = UNSET
    """How many pieces there are."""
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
