"""The delay line: holds frames until it is known what to paint, and lets each out exactly once, in order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.evidence import Evidence
from mosaicast.core.fingerprint import cells
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.pacing import Pacer
from mosaicast.core.timeline import FramePlan, Timeline, full
from mosaicast.core.transitions import Transitions
from mosaicast.core.types import Box, MediaTime, PersonId, Verdict

DropReason = Literal["late", "duplicate", "backwards", "abandoned"]


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
    too little. Only where what it needs to be known has not come yet it waits, as long as the pacer's policy has
    patience: the way is stalled or has become longer, and frames would leave unknown.
    Without a pacer (jobs) a frame leaves when nothing still to come can change its plan, however long that takes, or
    after `end`.
    """

    def __init__(self, pacer: Pacer | None, policy: MaskPolicy | None = None) -> None:
        self._pacer = pacer
        self._transitions = Transitions()
        self._timeline = Timeline(policy, self._transitions)
        lead_s, max_gap_s = self._timeline.policy.lead_s, self._timeline.policy.max_gap_s
        self._evidence = Evidence(lead_s, max_gap_s, self._transitions)
        self._waiting: list[MediaTime] = []
        self._newest: MediaTime | None = None
        self._last_out: MediaTime | None = None
        self._zones: tuple[Box, ...] = ()
        self._end: MediaTime | None = None
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

    def add_frame(
        self,
        time: MediaTime,
        now: float,
        fingerprint: bytes,
        *,
        thumbnail: NDArray[np.uint8] | None = None,
        intact: bool = True,
    ) -> list[Command]:
        """Take in a decoded frame. In a live line its packet must have been observed by the pacer.

        Frames come in presentation order. The sampler expects that order too, so a frame out of order was not sampled:
        it is dropped. So is a frame that comes when its turn is over.

        Args:
            fingerprint: of its luma; empty where the picture could not be read.
            thumbnail: its luma (`core.sampling.THUMBNAIL_WH`), to tell transitions; None: the fingerprint has to do.
            intact: no video packet is missing since the keyframe that it builds on.
        """
        if self._newest is not None and time <= self._newest:
            return [Drop(time, self._misplaced(time))]
        self._newest = time
        self._evidence.add_frame(time, fingerprint, intact=intact)
        self._transitions.add(time, cells(fingerprint) if thumbnail is None else thumbnail)
        self._end_transitions()
        if self._last_out is not None and time <= self._last_out:
            return [Drop(time, "late")]
        self._waiting.append(time)
        return self.tick(now)

    def add_verdict(self, verdict: Verdict, now: float) -> list[Command]:
        """Take in a verdict; a late one still serves the frames that follow."""
        self._timeline.add(verdict)
        self._evidence.add_verdict(verdict)
        return self.tick(now)

    def bracket(self, time: MediaTime) -> tuple[Verdict, Verdict] | None:
        """Return the verdicts around a frame that was just let out; None: there are none."""
        return self._timeline.bracket(time)

    def begins_midway(self) -> None:
        """The first frame is not the first of its epoch: another line had those before it."""
        self._transitions.begins_midway()

    def ends_at(self, last: MediaTime) -> None:
        """No frame after `last` will come: verdicts need not reach further."""
        self._evidence.end(last)
        self._end = last
        self._end_transitions()

    def end(self, now: float) -> list[Command]:
        """No frame and no verdict follows: in a job, let the rest out; live frames keep their times."""
        self._ended = True
        if self._newest is not None:
            self.ends_at(self._newest)
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
            self._evidence.forget_before(self._last_out)
            self._transitions.forget_before(self._last_out)
        return commands

    def next_due(self) -> float | None:
        """Return the monotonic second at which the next frame leaves; None if nothing waits for a moment."""
        if self._pacer is None or not self._waiting:
            return None
        return self._leaves_at(self._pacer, self._waiting[0])

    def _may_leave(self, time: MediaTime, now: float) -> bool:
        if self._pacer is not None:
            return now >= self._leaves_at(self._pacer, time)
        if self._ended:
            return True
        # The sampled pictures are among them: one that is not here by then never comes.
        return not self._timeline.can_change(time) and self._transitions.reach(time)

    def _leaves_at(self, pacer: Pacer, time: MediaTime) -> float:
        """Return when a live frame leaves: once it is due, if all is known of it or nothing more will be."""
        waits_for_nothing = pacer.reached(time) or self._end is not None or self._evidence.lack(time) is None
        return pacer.due(time) if waits_for_nothing else pacer.deadline(time)

    def _release(self, time: MediaTime) -> Release:
        self._last_out = time
        return Release(time, self._plan(time))

    def _plan(self, time: MediaTime) -> FramePlan:
        if self._panic:
            return full("panic")
        lack = self._evidence.lack(time)
        return self._timeline.plan(time, self._zones) if lack is None else full(lack)

    def _end_transitions(self) -> None:
        if self._end is not None and self._newest is not None and self._newest >= self._end:
            self._transitions.end()

    def _misplaced(self, time: MediaTime) -> DropReason:
        if self._last_out is not None and time <= self._last_out:
            return "late"
        return "duplicate" if time in self._waiting else "backwards"
