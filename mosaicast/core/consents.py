"""Until when an enrolled person agreed to be seen on a stream. Times are wall milliseconds since 1970."""

from dataclasses import dataclass

FOREVER_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that RFC 3339 can write: no end was set."""
NEVER_MS = 0


@dataclass(frozen=True, slots=True)
class StreamConsent:
    """What a person said about one stream."""

    allowed: bool
    expires_ms: int | None = None
    """None: nothing was said about the end; the person's own holds."""


def visible_until(expires_ms: int | None, consent: StreamConsent | None) -> int:
    """Return the first moment at which a person is not visible on a stream any more.

    Args:
        expires_ms: end of the person's consent as a whole; None: none was set.
        consent: what was said about this stream, which counts for more; None: nothing.
    """
    if consent is not None and not consent.allowed:
        return NEVER_MS
    end = expires_ms if consent is None or consent.expires_ms is None else consent.expires_ms
    return FOREVER_MS if end is None else end
