"""Who is enrolled changed, how a stream is, and what could not be read."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from mosaicast.contracts.base import Identifier, Message, NonNegative, ShortText
from mosaicast.contracts.media import CodecParameters
from mosaicast.core.epochs import LARGEST_EPOCH

PublicationState = Literal["waiting", "starting", "live", "stopped", "quarantined", "refused", "ended", "error"]


class GalleryChanged(Message, frozen=True, kw_only=True):
    """The people of one owner changed: ask the store again. No vectors, no pictures."""

    owner_id: Identifier
    revision: NonNegative
    """Wall milliseconds of the change; rises per owner."""


class PublicationHeaders(Message, frozen=True, kw_only=True):
    """What a publisher said once, at the start, of how to decode its video."""

    publication_id: Identifier
    codecs: Annotated[tuple[CodecParameters, ...], Meta(max_length=2)]


class StatusReport(Message, frozen=True, kw_only=True):
    """Heartbeat and counters of one stream from one part (about once a second)."""

    service: Literal["ingest", "detector", "recognizer", "compositor", "api"]
    instance: Identifier
    stream_id: Identifier
    epoch: Annotated[int, Meta(ge=0, le=LARGEST_EPOCH)] = 0
    state: PublicationState
    reason: ShortText = ""
    """A plain sentence for the user; empty when all is well."""
    counters: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    visible: Annotated[tuple[Identifier, ...], Meta(max_length=200)] = ()
    """Enrolled people who are seen now (from the recognizer)."""
    headers: PublicationHeaders | UnsetType = UNSET
    """From ingest, for whichever ingest reads this publication next; only of codecs whose header no edge keeps."""
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
