"""When a frame of a live stream is due: media time tied to monotonic time."""

import math
from collections import deque
from dataclasses import dataclass, replace

from mosaicast.core.types import MediaTime

_TENTH_S = 0.1
"""Offsets are remembered as the least and the most of each tenth of a second: bounded, whatever the packet rate."""
_LONGEST_STEP_S = 2.0
"""Packets further apart are a pause, not the source's rate."""


@dataclass(frozen=True, slots=True)
class PacingPolicy:
    """How the tie follows a source whose clock or network is not ours. An offset is `arrival - media time`.

    docs/adr/0020-the-delay-line-follows-the-way.md has the measurements.
    """

    delay_s: float = 1.0
    need_s: float = 0.0
    """So much of what follows a frame must have come when it leaves, or nothing can be known of it. 0: nobody asks."""
    least_room_s: float = 0.1
    """Lateness that moves nothing, even where the delay is not longer than the need."""
    patience_s: float = 0.0
    """So long after it is due a frame waits for what it needs."""
    window_s: float = 1.0
    """Arrivals of so long decide whether everything has become later."""
    slack_s: float = 0.1
    """By so little later is no change."""
    calm_s: float = 10.0
    """The way must have been better for so long before the tie goes back."""
    return_share: float = 0.05
    """Frames leave so much faster while it goes back: twenty seconds for each second. They keep their media times."""
    most_extra_s: float = 6.0
    """More is no way that got worse for a while: somebody was stopped and has caught up. The tie goes back at once."""
    jump_s: float = 2.5
    """Media time that goes on by so much more than the clock is the source's clock that jumped."""
    settling_s: float = 1.0
    """So long the tie may fall at once: a reader that joins late gets a burst of old packets."""
    drift_share: float = 0.001
    """A source's clock may be so slow: what it loses in hours is no lag."""

    @property
    def room_s(self) -> float:
        """How late a packet may be without anybody noticing."""
        return max(self.least_room_s, self.delay_s - self.need_s)


@dataclass(slots=True)
class _Tenth:
    """The offsets of a tenth of a second."""

    at_s: float
    least_s: float
    most_s: float


class _Offsets:
    """The offsets of the last seconds."""

    def __init__(self) -> None:
        self._tenths: deque[_Tenth] = deque()

    def add(self, offset_s: float, now: float, kept_s: float) -> None:
        if not self._tenths or now - self._tenths[-1].at_s >= _TENTH_S:
            self._tenths.append(_Tenth(now, offset_s, offset_s))
        newest = self._tenths[-1]
        newest.least_s, newest.most_s = min(newest.least_s, offset_s), max(newest.most_s, offset_s)
        while self._tenths[0].at_s < now - kept_s:
            self._tenths.popleft()

    def least_s(self, since_s: float) -> float:
        least_s = math.inf
        for tenth in reversed(self._tenths):
            if tenth.at_s <= since_s and least_s < math.inf:
                break
            least_s = min(least_s, tenth.least_s)
        return least_s

    def most_s(self) -> float:
        return max(tenth.most_s for tenth in self._tenths)

    def clear(self) -> None:
        self._tenths.clear()


class Pacer:
    """Ties media time to monotonic time for one epoch. The tie is an offset: a frame is due one delay after it.

    The tie rises when the way gets worse, by two rules. If for a whole window every packet is later than the tie, it is
    the earliest of them from now on. And a packet that is later than the room that the delay leaves raises it at once,
    as far as that packet needs; a frame whose need has not come waits (`reached`) until then. So a way that becomes
    longer for good costs a standstill of as long, and its frames have their verdicts.
    The tie falls slowly when the way has got better, so that frames leave a little faster and none is lost.
    """

    def __init__(self, policy: PacingPolicy | None = None) -> None:
        self.policy = policy or PacingPolicy()
        self._offsets = _Offsets()
        self._tie_s: float | None = None
        self._tie_before_s, self._jumped_to_s = 0.0, -math.inf
        """The tie of what is before the last jump of the source's clock, and where that led."""
        self._best_s = 0.0
        self._newest_s = -math.inf
        self._seen_s = self._settled_s = 0.0
        self._step_s = 0.0
        self._reach_before_s = -math.inf
        """How far `_reach_s` went before the newest packet came."""
        self._over = False

    def observe(self, time: MediaTime, now: float, lain_s: float = 0.0) -> None:
        """Take note that the packet with presentation (better: decoding) `time` arrived at `now`.

        Args:
            lain_s: so long it may have lain with us before. That is no lateness of the way: where we have too little
                time frames must be dropped, and not leave later and later.
        """
        media_s, offset_s = float(time), now - float(time)
        if self._tie_s is not None and offset_s > self._tie_s:
            offset_s = max(self._tie_s, offset_s - lain_s)
        elapsed_s = now - self._seen_s
        if self._tie_s is None:
            self._tie_s = self._best_s = offset_s
            self._settled_s = now + self.policy.settling_s
            elapsed_s = 0.0
        elif media_s - self._newest_s - elapsed_s > self.policy.jump_s:
            self._jump(media_s, offset_s)
        self._reach_before_s = self._reach_s
        self._take_step(media_s - self._newest_s)
        self._newest_s, self._seen_s = max(self._newest_s, media_s), now
        self._offsets.add(offset_s, now, self.policy.calm_s)
        self._best_s = min(self._best_s + self.policy.drift_share * elapsed_s, offset_s)
        self._tie_s = self._followed(self._tie_s, offset_s, now, elapsed_s)

    def due(self, time: MediaTime) -> float:
        """Return the monotonic second at which the frame at `time` leaves.

        Raises:
            ValueError: nothing was observed yet.
        """
        if self._tie_s is None:
            raise ValueError("no packet was observed")
        media_s = float(time)
        tie_s = self._tie_s if media_s >= self._jumped_to_s else self._tie_before_s
        return tie_s + media_s + self.policy.delay_s

    def deadline(self, time: MediaTime) -> float:
        """Return the monotonic second by which the frame at `time` leaves, whatever is known of it.

        One that had to wait for the newest packet is not late because that came after it was due.
        """
        due_s, needed_s = self.due(time), float(time) + self._needed_s
        if self._over or self._reach_before_s >= needed_s:
            return due_s
        waits_until_s = due_s + self.policy.patience_s
        return max(due_s, min(self._seen_s, waits_until_s)) if self._reach_s >= needed_s else waits_until_s

    def reached(self, time: MediaTime) -> bool:
        """Whether as much as a frame at `time` needs has come; at the end of the source nothing more is needed."""
        return self._over or self._reach_s >= float(time) + self._needed_s

    @property
    def _needed_s(self) -> float:
        """How much of what follows a frame must have come when it leaves."""
        return self.policy.delay_s - self.policy.room_s

    @property
    def _reach_s(self) -> float:
        """How far the source has shown itself, in media time."""
        return self._newest_s + self._step_s

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come; 0 before the first packet."""
        return 0.0 if self._tie_s is None else now - self._seen_s

    def media_s(self, now: float) -> float:
        """Return the media time, in seconds, that is due at `now`.

        Raises:
            ValueError: nothing was observed yet.
        """
        if self._tie_s is None:
            raise ValueError("no packet was observed")
        return now - self._tie_s - self.policy.delay_s

    @property
    def behind_s(self) -> float:
        """How long after the source shows it a frame leaves, if the best way so far takes no time."""
        return self.policy.delay_s if self._tie_s is None else self.policy.delay_s + self._tie_s - self._best_s

    def end(self, now: float) -> None:
        """Nothing follows: what waited for more leaves from now on, one after the other."""
        if self._tie_s is not None and not self._over:
            late_s = now - self._newest_s - self._step_s - self.policy.room_s
            self._tie_s = max(self._tie_s, late_s)
        self._over = True

    def set_delay(self, delay_s: float) -> None:
        """Use another delay from now on."""
        self.policy = replace(self.policy, delay_s=delay_s)

    def _followed(self, tie_s: float, offset_s: float, now: float, elapsed_s: float) -> float:
        """Return the tie after a packet with this offset."""
        policy = self.policy
        least_s = self._offsets.least_s(now - policy.window_s)
        if least_s - tie_s > policy.slack_s:
            tie_s = least_s
        needed_s = offset_s - policy.room_s
        if tie_s <= needed_s:
            return needed_s
        if tie_s - least_s > policy.most_extra_s:
            self._settled_s = now + policy.settling_s  # who was stopped catches up within a moment
        if now < self._settled_s:
            return min(tie_s, max(least_s, needed_s))
        calm_s = max(least_s, self._offsets.most_s() - policy.room_s)
        return min(tie_s, max(calm_s, tie_s - policy.return_share * elapsed_s))

    def _jump(self, media_s: float, offset_s: float) -> None:
        """The source's clock has jumped forward: what was before keeps its tie, what follows is as late as that was."""
        assert self._tie_s is not None
        by_s = offset_s - (self._seen_s - self._newest_s)
        self._tie_before_s, self._jumped_to_s = self._tie_s, media_s
        self._tie_s += by_s
        self._best_s += by_s
        self._offsets.clear()

    def _take_step(self, step_s: float) -> None:
        """Learn how far apart packets are: the largest step of late."""
        if 0 < step_s <= _LONGEST_STEP_S:
            self._step_s = max(step_s, self._step_s * 0.9)
