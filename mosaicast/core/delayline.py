"""The delay line: holds frames until it is known what to paint, and lets each out exactly once, in order."""

from bisect import insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from mosaicast.core.pacing import Pacer
from mosaicast.core.timeline import FramePlan, MaskPolicy, Timeline, full
from mosaicast.core.types import Box, MediaTime, PersonId, Verdict

DropReason = Literal["late", "duplicate", "abandoned"]


@dataclass(frozen=True, slots=True)
class Release:
    """Paint the frame at `time` as planned and send it."""

    time: MediaTime
    plan: FramePlan


@dataclass(frozen=True, slots=True)
class Drop:
    """Do not send the frame at `time`."""

    time: MediaTime
    reason: DropReason


Command = Release | Drop


class DelayLine:
    """The frames of one epoch on their way out.

    Live (`pacer` given): each frame leaves when it is due, painted by what is known then, fully mosaicked if that is
    too little. Without a pacer (jobs) a frame leaves when nothing still to come can change its plan, however long
    that takes, or after `end`.
    """

    def __init__(self, pacer: Pacer | None, policy: MaskPolicy | None = None) -> None:
        self._pacer = pacer
        self._timeline = Timeline(policy)
        self._waiting: list[MediaTime] = []
        self._last_out: MediaTime | None = None
        self._zones: tuple[Box, ...] = ()
        self._panic = False
        self._ended = False

    def __len__(self) -> int:
        return len(self._waiting)

    def set_zones(self, zones: Sequence[Box]) -> None:
        """Paint these boxes (source pixels) on every frame from now on."""
        self._zones = tuple(zones)

    def set_panic(self, panic: bool) -> None:
        """Paint everything on every frame from now on, until unset."""
        self._panic = panic

    def set_visible(self, people: Collection[PersonId] | None) -> None:
        """Mask everybody else from now on, on frames that wait too, whatever verdicts say; None: verdicts decide."""
        self._timeline.set_visible(people)

    def add_frame(self, time: MediaTime, now: float) -> list[Command]:
        """Take in a decoded frame. In a live line its packet must have been observed by the pacer.

        A frame whose time is not after the last one out can't be shown in order any more.
        """
        if self._last_out is not None and time <= self._last_out:
            return [Drop(time, "late")]
        if time in self._waiting:
            return [Drop(time, "duplicate")]
        insort(self._waiting, time)
        return self.tick(now)

    def add_verdict(self, verdict: Verdict, now: float) -> list[Command]:
        """Take in a verdict; a late one still serves the frames that follow."""
        self._timeline.add(verdict)
        return self.tick(now)

    def end(self, now: float) -> list[Command]:
        """No frame and no verdict follows: in a job, let the rest out; live frames keep their times."""
        self._ended = True
        return self.tick(now)

    def abandon(self) -> list[Command]:
        """Give up all waiting frames: a newer epoch has begun, and old pictures are never shown after it."""
        dropped: list[Command] = [Drop(time, "abandoned") for time in self._waiting]
        self._waiting.clear()
        return dropped

    def tick(self, now: float) -> list[Command]:
        """Let out what may leave at `now`."""
        commands: list[Command] = []
        while self._waiting and self._may_leave(self._waiting[0], now):
            commands.append(self._release(self._waiting.pop(0)))
        if commands and self._last_out is not None:
            self._timeline.forget_before(self._last_out)
        return commands

    def next_due(self) -> float | None:
        """Return the monotonic second at which the next frame leaves; None if nothing waits for a moment."""
        if self._pacer is None or not self._waiting:
            return None
        return self._pacer.due(self._waiting[0])

    def _may_leave(self, time: MediaTime, now: float) -> bool:
        if self._pacer is not None:
            return now >= self._pacer.due(time)
        return self._ended or not self._timeline.can_change(time)

    def _release(self, time: MediaTime) -> Release:
        self._last_out = time
        plan = full("panic") if self._panic else self._timeline.plan(time, self._zones)
        return Release(time, plan)
