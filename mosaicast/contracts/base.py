"""What all messages share: their base, and the kinds of their fields."""

import math
from fractions import Fraction
from typing import Annotated

from msgspec import Meta, Struct

from mosaicast.core.epochs import LARGEST_EPOCH
from mosaicast.core.types import FINGERPRINT_BYTES, MediaTime

Identifier = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:\-]+\Z")]
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


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every message: immutable, keyword-only, no unknown fields."""


class TimeBase(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Seconds per tick as an exact fraction, as in FFmpeg."""

    num: Annotated[int, Meta(gt=0, le=1_000_000)]
    den: Annotated[int, Meta(gt=0, le=1_000_000_000)]

    def seconds(self, ticks: int) -> MediaTime:
        """Return `ticks` as exact seconds."""
        return Fraction(ticks * self.num, self.den)


def finite(*numbers: float) -> None:
    """Refuse NaN and infinity.

    Raises:
        ValueError: one of them is not finite.
    """
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("not a finite number")
