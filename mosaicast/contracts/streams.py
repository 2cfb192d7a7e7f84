"""What is wanted of a stream."""

from typing import Annotated, Literal

from msgspec import Meta, field

from mosaicast.contracts.base import Identifier, Message, NonNegative, Unit
from mosaicast.core.types import Style

MOST_ZONES = 64
"""Of a stream."""
MOST_PEOPLE = 10_000
"""Of one owner."""


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
    visible_until: Annotated[dict[Identifier, NonNegative], Meta(max_length=MOST_PEOPLE)] = field(default_factory=dict)
    """Until when (wall milliseconds) each enrolled person agreed to be seen on this stream; nobody else did."""
