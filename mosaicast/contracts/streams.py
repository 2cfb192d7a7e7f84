"""What is wanted of a stream."""

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, field

from mosaicast.contracts.base import Identifier, Message, NonNegative, Unit
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.types import Style


class Limits(NamedTuple):
    """The least and the most that a number may be."""

    least: float
    most: float


DELAY_S = Limits(0.5, 10.0)
"""Seconds, of a policy that is read: earlier versions let anybody set 0.5."""
ANSWER_S = 0.45
"""Within this a frame's verdict is at the compositor: 0.1 s until the next sample, the rest for the networks. With 0.3,
frames of somebody who takes an enrolled person's place left before the next re-check told."""
SETTABLE_DELAY_S = Limits(round(MaskPolicy().lead_s + ANSWER_S, 3), DELAY_S.most)
"""Seconds, of a policy that is set: with less, a frame would leave before it is known who enters after it."""
ANALYSIS_FPS = Limits(4.0, 30.0)
"""Sampled frames a second; below 4 the gap between two samples would exceed `max_gap` (0.25 s)."""
DETECTION_THRESHOLD = Limits(0.05, 0.6)
"""Detection score from which a face is masked."""
Preset = Literal["superfast", "veryfast", "faster", "fast", "medium"]
"""x264's, those that a live stream can afford."""

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
    delay_s: Annotated[float, Meta(ge=DELAY_S.least, le=DELAY_S.most)] = 1.0
    zones: Annotated[tuple[Zone, ...], Meta(max_length=MOST_ZONES)] = ()
    preset: Preset = "veryfast"
    analysis_fps: Annotated[float, Meta(ge=ANALYSIS_FPS.least, le=ANALYSIS_FPS.most)] = 10.0
    detection_threshold: Annotated[float, Meta(ge=DETECTION_THRESHOLD.least, le=DETECTION_THRESHOLD.most)] = 0.2


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
