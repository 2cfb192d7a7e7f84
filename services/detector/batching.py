"""When a run of the network begins: as soon as a batch is full, and never later than a deadline. Pure."""

from collections.abc import Sequence

DEADLINE_S = 0.02
"""The longest that a frame waits for others to join its batch while a worker is free. A look that comes 20 ms later
costs a fiftieth of the delay of 1 s; at 10 looks a second, 16 frames come within it from 80 streams on."""


def begins_at_s(since_s: Sequence[float], batch: int, streams: int) -> float | None:
    """Return when the next run may begin; None: nothing waits.

    Args:
        since_s: when each frame came that could be taken now, one of each stream.
        batch: frames that one run takes.
        streams: from which frames could be taken at all. When each has brought one, waiting brings no other.
    """
    if not since_s:
        return None
    full = len(since_s) >= min(batch, streams)
    return min(since_s) if full else min(since_s) + DEADLINE_S
