"""A source that stands still, or sends a picture every few seconds: its last one goes on until another comes.

Nothing is shown that was not shown before. Frames that came after it and of which too little was known left mosaicked;
what goes on is the last one of which everything was known, if it is not older than they are by more than a moment.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import av

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.core.guard import FrameId, Luma
from mosaicast.core.mask_policy import LEAD_S
from mosaicast.core.timeline import FramePlan, full
from mosaicast.core.types import Box, Disposition, MediaTime, TrackId, Verdict

AFTER_S = 3.1
"""Without pictures for so long a source stands still."""
SLOW_S = 2.2
"""Where the last two pictures are further apart, the last one goes on at once, until the next. A segment of HLS has to
round to 2 s, and has to begin with a keyframe."""
EVERY_S = 0.5
"""Between two repetitions: enough for players, and for keyframes to come in time."""
RECENT_S = 4 * LEAD_S
"""A known picture that is older than the last one by more is another scene: analysis was away."""

_VEIL = full("panic")
_NOT_YET_KNOWN = frozenset({"no_verdict", "verdicts_late", "gap_too_long", "transition"})
"""A frame that left mosaicked for these reasons says nothing against the one before it. All others do."""


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture that has left."""

    frame: av.VideoFrame
    """As it was painted. Nobody else changes it any more."""
    plan: FramePlan
    id: FrameId
    time: MediaTime
    video: VideoFormat
    before: Luma | None
    """Luma before it was painted, for the output guard; None: it can't be checked again."""
    clear: tuple[Box, ...]
    """Where people are in it who may be seen."""
    clear_ids: frozenset[TrackId] = frozenset()
    """Their tracks."""


class Still:
    """Which picture goes on, and when it is sent again."""

    def __init__(self) -> None:
        self.repeated = 0
        """How often a picture was sent again."""
        self._last: Painted | None = None
        self._known: Painted | None = None
        self._sent_s = -math.inf
        """When it was sent again last; before that, it does not go on."""
        self._left_s = -math.inf
        """When the last new one left."""
        self.slow = False
        """The last two pictures of the source are `SLOW_S` apart."""

    @property
    def goes_on(self) -> bool:
        """Whether a picture goes on now."""
        return self._sent_s > -math.inf

    def left(self, painted: Painted, now: float) -> None:
        """Another picture of the source has left."""
        self.slow = self._last is not None and painted.time - self._last.time > SLOW_S
        self._last, self._sent_s, self._left_s = painted, -math.inf, now
        if painted.plan.disposition is not Disposition.FULL_MOSAIC:
            self._known = painted
        elif painted.plan.full_reason not in _NOT_YET_KNOWN or self._is_old(painted.time):
            self._known = None

    def due(self, stands_for_s: float, now: float) -> Painted | None:
        """Return the picture that is to be sent again.

        Args:
            stands_for_s: for how long the source has sent no picture, 0 while one waits to leave. Once a picture goes
                on, it does until the next one leaves.
            now: monotonic seconds.
        """
        is_time = now - self._sent_s >= EVERY_S
        goes_on = self.goes_on or stands_for_s >= AFTER_S or (self.slow and now - self._left_s >= EVERY_S)
        return (self._known or self._last) if is_time and goes_on else None

    def sent(self, now: float) -> None:
        """It was sent again."""
        self._sent_s = now
        self.repeated += 1

    def is_doubted_by(self, verdict: Verdict) -> bool:
        """Whether a verdict masks somebody who is seen in the picture that may go on: it may have been another then."""
        ids = self._known.clear_ids if self._known is not None else frozenset()
        return any(track.track_id in ids and not track.clear for track in verdict.tracks)

    def veil(self, paint: Callable[[av.VideoFrame, FramePlan], None]) -> None:
        """Show nothing of it any more: what may be seen has changed, or somebody was seen.

        Args:
            paint: paints a frame, in place.
        """
        last, self._known = self._last, None
        if last is not None:
            paint(last.frame, _VEIL)
            self._last = replace(last, plan=_VEIL, before=None)

    def _is_old(self, time: MediaTime) -> bool:
        return self._known is not None and time - self._known.time > RECENT_S

    def forget(self) -> None:
        """Another reading of the source begins."""
        self._last = self._known = None
        self._sent_s = self._left_s = -math.inf
        self.slow = False
