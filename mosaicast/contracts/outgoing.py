"""The output guard: masked pictures as they went out, and the faces in them."""

from typing import Annotated

from msgspec import Meta

from mosaicast.contracts.base import EpochNumber, Identifier, Message, NonNegative, Side, Unit, finite
from mosaicast.core.types import Box

LARGEST_OUTGOING_BYTES = 512 * 1024
"""A picture for the output guard: 640 x 360 at quality 85 is 40 kB, noise 150."""


class OutgoingFrame(Message, frozen=True, kw_only=True):
    """One masked picture as it went out, about once a second of a stream, for the detector to check."""

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
        finite(*self.box)
        if self.box.x2 <= self.box.x1 or self.box.y2 <= self.box.y1:
            raise ValueError("empty or inverted box")


class OutgoingFaces(Message, frozen=True, kw_only=True):
    """What the detector saw in one picture that went out. Empty: it saw nobody."""

    stream_id: Identifier
    epoch: EpochNumber
    index: NonNegative
    faces: Annotated[tuple[OutgoingFace, ...], Meta(max_length=2000)]
    sent_ms: NonNegative
