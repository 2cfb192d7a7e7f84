"""What the compositor and its children tell each other over their pipe."""

from typing import Annotated, Any

import msgspec

from mosaicast.contracts import codec
from mosaicast.contracts.messages import (
    LARGEST_OUTGOING_BYTES,
    EpochNumber,
    MediaPacket,
    Message,
    NonNegative,
    OutgoingFaces,
    ShortText,
    Side,
    StreamSpec,
    VerdictMessage,
)
from mosaicast.contracts.topics import MEDIA, OUTGOING_FACES, STREAMS, VERDICTS, Topic
from mosaicast.core.types import Disposition

Reason = Annotated[str, msgspec.Meta(max_length=32, pattern=r"^[a-z_]*\Z")]
"""It becomes a label of metrics. The pattern keeps a child that was taken over from writing anything there."""
Pixels = Annotated[int, msgspec.Meta(ge=-100_000, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e12)]
"""Neither NaN nor infinite (those spoil sums of metrics and the status page), whatever the wall clocks say."""


class Settled(msgspec.Struct, frozen=True, array_like=True):
    """Frames of the replayed group of pictures that were shown or dropped already: decode, do not show."""

    epoch: int
    indexes: frozenset[int]


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of one video access unit."""

    epoch: int
    index: int
    disposition: Disposition
    reason: Reason = ""
    verdict_age_s: Seconds | None = None
    delay_beyond_s: Seconds | None = None
    end_to_end_s: Seconds | None = None


class Tripped(msgspec.Struct, frozen=True, array_like=True):
    """The output guard saw a face that nothing explains in a frame that went out. Numbers only: it is logged."""

    epoch: EpochNumber
    index: NonNegative
    box_xywh: tuple[Pixels, Pixels, Pixels, Pixels]
    """Of the largest such face: left, top, width, height."""
    score: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
    faces: NonNegative


class OutgoingPicture(msgspec.Struct, frozen=True, array_like=True):
    """A picture that went out, for the output guard."""

    epoch: EpochNumber
    index: NonNegative
    width: Side
    height: Side
    threshold: Annotated[float, msgspec.Meta(ge=0.05, le=1.0)]
    jpeg: Annotated[bytes, msgspec.Meta(min_length=1, max_length=LARGEST_OUTGOING_BYTES)]


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What a child tells its parent, several times a second; silence means that it hangs."""

    outcomes: tuple[Outcome, ...]
    note: ShortText = ""
    """A plain sentence for the user; empty when all is well."""
    connecting: bool = False
    """It is about to open the push, and may be silent for as long as the edge is."""
    trips: Annotated[tuple[Tripped, ...], msgspec.Meta(max_length=64)] = ()
    repeated: NonNegative = 0
    """How often it sent a picture again since it began: its source stood still."""
    goes_on: bool = False
    """The source stands still now, and its last picture goes on."""
    behind_s: Seconds = 0.0
    """How long after the source shows them frames leave."""


LARGEST_SEGMENT_BYTES = 32 * 1024 * 1024
"""2 s of 4K at 60 a second, at our encoder's ceiling, are 19 MB."""


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A segment of HLS, made by a child in memory, for its parent to write."""

    revision: Annotated[int, msgspec.Meta(ge=0)]
    """The spec's revision when it began: no frame in it was painted by an older spec."""
    began_ms: Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
    """Wall time at which its first frame left."""
    duration_s: Annotated[float, msgspec.Meta(gt=0.0, le=60.0)]
    discontinuity: bool
    """It does not follow from the segment before."""
    data: Annotated[bytes, msgspec.Meta(min_length=188, max_length=LARGEST_SEGMENT_BYTES)]
    began_s: Seconds = 0.0
    """When its first frame left, monotonic: whether it began before something was taken back. Wall clocks are set."""


_TOPICS: dict[bytes, Topic[Any]] = {b"M": MEDIA, b"V": VERDICTS, b"S": STREAMS, b"G": OUTGOING_FACES}
_TAGS = {topic.schema: tag for tag, topic in _TOPICS.items()}
_encoder = msgspec.msgpack.Encoder()
_settled = msgspec.msgpack.Decoder(Settled)
_report = msgspec.msgpack.Decoder(Report)
_picture = msgspec.msgpack.Decoder(OutgoingPicture)
_PICTURE_TAG = b"L"
"""No report begins with it: in MessagePack it is the number 76, and a report is a list."""
_segment = msgspec.msgpack.Decoder(Segment)
_SEGMENT_TAG = b"H"
"""No report begins with it either: it is the number 72."""


def to_child(message: MediaPacket | VerdictMessage | StreamSpec | OutgoingFaces | Settled) -> bytes:
    """Return the bytes of a message for a child."""
    if isinstance(message, Settled):
        return b"T" + _encoder.encode(message)
    tag = _TAGS[type(message)]
    return tag + codec.encode(_TOPICS[tag], message)


def from_parent(data: bytes) -> Message | Settled:
    """Return the message in bytes from the parent.

    Raises:
        ContractError, msgspec.DecodeError: a bug of ours; the child ends with it.
    """
    tag, body = data[:1], data[1:]
    if tag == b"T":
        return _settled.decode(body)
    message: Message = codec.decode(_TOPICS[tag], body)
    return message


def with_known_codecs(packet: MediaPacket, codecs: frozenset[str]) -> MediaPacket:
    """Return a packet without the parameters of codecs that are not on the list.

    Ingest lets none through; this is for what else may have written to the topic. Without parameters nothing is
    decoded, and its frames are booked as dropped. Sound is never decoded here.
    """
    known = tuple(one for one in packet.codecs if one.track == "audio" or one.codec in codecs)
    if len(known) == len(packet.codecs):
        return packet
    return msgspec.structs.replace(packet, codecs=known)


def encode_report(report: Report) -> bytes:
    """Return the bytes of a report."""
    return _encoder.encode(report)


def encode_segment(segment: Segment) -> bytes:
    """Return the bytes of a segment."""
    return _SEGMENT_TAG + _encoder.encode(segment)


def is_segment(data: bytes) -> bool:
    """Return whether bytes from a child are a segment."""
    return data[:1] == _SEGMENT_TAG


def encode_picture(picture: OutgoingPicture) -> bytes:
    """Return the bytes of a picture."""
    return _PICTURE_TAG + _encoder.encode(picture)


def from_child(data: bytes) -> Report | OutgoingPicture | Segment:
    """Return what a child told in bytes.

    Raises:
        msgspec.DecodeError: the child is broken (hostile media may have taken it over).
    """
    if is_segment(data):
        return _segment.decode(memoryview(data)[1:])
    return _picture.decode(data[1:]) if data[:1] == _PICTURE_TAG else _report.decode(data)
