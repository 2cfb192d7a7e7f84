"""Every message that crosses Kafka, as typed, validated, immutable structs.

Strictness: unknown fields, wrong types, NaN and out-of-range numbers are rejected at decoding and at making.
Numbers that name pixels refer to the source frame unless the field says otherwise.
"""

from mosaicast.contracts.analysis import Detections, FaceCrop, FaceDetection, SampledFrame, VerdictMessage, WireTrack
from mosaicast.contracts.base import (
    AfterSeq,
    EpochNumber,
    Fingerprint,
    Identifier,
    Message,
    NonNegative,
    ShortText,
    Side,
    TimeBase,
    Unit,
)
from mosaicast.contracts.media import CodecParameters, MediaPacket
from mosaicast.contracts.outgoing import LARGEST_OUTGOING_BYTES, OutgoingFace, OutgoingFaces, OutgoingFrame
from mosaicast.contracts.reports import DeadLetter, GalleryChanged, PublicationHeaders, PublicationState, StatusReport
from mosaicast.contracts.streams import MOST_PEOPLE, MOST_ZONES, Policy, Publication, Source, StreamSpec, Zone
from mosaicast.core.types import Epoch, OwnerId, StreamId

__all__ = [
    "LARGEST_OUTGOING_BYTES",
    "MOST_PEOPLE",
    "MOST_ZONES",
    "AfterSeq",
    "CodecParameters",
    "DeadLetter",
    "Detections",
    "EpochNumber",
    "FaceCrop",
    "FaceDetection",
    "Fingerprint",
    "GalleryChanged",
    "Identifier",
    "MediaPacket",
    "Message",
    "NonNegative",
    "OutgoingFace",
    "OutgoingFaces",
    "OutgoingFrame",
    "Policy",
    "Publication",
    "PublicationHeaders",
    "PublicationState",
    "SampledFrame",
    "ShortText",
    "Side",
    "Source",
    "StatusReport",
    "StreamSpec",
    "TimeBase",
    "Unit",
    "VerdictMessage",
    "WireTrack",
    "Zone",
    "epoch_of",
    "owner_of",
    "stream_of",
]


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
