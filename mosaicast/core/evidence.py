"""Whether what is known of a frame allows to paint it region by region. Otherwise all of it is mosaicked.

A verdict is a claim about a picture that somebody else decoded. It counts for the frames around it only if

- it speaks of the picture that we hold: the fingerprints are alike;
- no verdict is missing between it and the next one: that one may have told a scene cut;
- both sides of a scene cut were sampled. Elsewhere a busy detector may leave a sample out: who comes into the picture
  meanwhile is found at the next one. Who comes in right before a cut has no next one;
- no video packet is missing since the last keyframe;
- the verdicts reach `lead` beyond the frame, or to the end of its epoch or, at a clean cut, of its scene, without a
  hole. Who comes into the picture right after the frame is known by then, and may have been in it, turned away.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mosaicast.core.fingerprint import same_picture
from mosaicast.core.mask_policy import LEAD_S, MAX_GAP_S
from mosaicast.core.transitions import Transitions
from mosaicast.core.types import MediaTime, Verdict

Lack = Literal["no_verdict", "packet_lost", "verdict_lost", "picture_missing", "picture_differs", "verdicts_late"]

_MOST = 4096
"""Verdicts, and frames, that are remembered: minutes at any rate. Only frames that stopped coming let so many wait."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a verdict says about its picture, and which one it follows."""

    time: MediaTime
    seq: int
    after_seq: int
    fingerprint: bytes | None
    """None: two verdicts of this time contradict each other."""
    scene_cut: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame that we decoded."""

    time: MediaTime
    fingerprint: bytes
    intact: bool


class Evidence:
    """Verdicts and decoded frames of one epoch, held against each other. Both may come in any order.

    Args:
        transitions: which cuts are clean; None: all that verdicts tell.
    """

    def __init__(
        self, lead_s: float = LEAD_S, max_gap_s: float = MAX_GAP_S, transitions: Transitions | None = None
    ) -> None:
        self._transitions = transitions
        self._lead = Fraction(lead_s).limit_denominator(1000)
        self._max_gap = Fraction(max_gap_s).limit_denominator(1000)
        self._claims: list[_Claim] = []
        self._frames: list[_Seen] = []
        self._end: MediaTime | None = None

    def add_verdict(self, verdict: Verdict) -> None:
        """Take in a verdict. A second one for the same time confirms the first, or spoils it."""
        claim = _Claim(verdict.time, verdict.seq, verdict.after_seq, verdict.fingerprint, verdict.scene_cut)
        place = bisect_left(self._claims, claim.time, key=_time)
        if place < len(self._claims) and self._claims[place].time == claim.time:
            if self._claims[place] != claim:
                self._claims[place] = _Claim(claim.time, -1, -1, None, scene_cut=True)
        else:
            self._claims.insert(place, claim)
        del self._claims[_MOST:]

    def add_frame(self, time: MediaTime, fingerprint: bytes, *, intact: bool) -> None:
        """Take in a frame as it was decoded.

        Args:
            time: its presentation time in the epoch.
            fingerprint: of its luma (`core.fingerprint`); empty where the picture could not be read.
            intact: no video packet is missing since the keyframe that it builds on.
        """
        place = bisect_left(self._frames, time, key=_time)
        if place < len(self._frames) and self._frames[place].time == time:
            return  # shown once, so it is the first one that counts
        self._frames.insert(place, _Seen(time, fingerprint, intact))
        del self._frames[_MOST:]

    def end(self, last: MediaTime) -> None:
        """The epoch has no frame after `last`: verdicts need not reach further."""
        self._end = last

    def forget_before(self, time: MediaTime) -> None:
        """Drop what can no longer matter for frames from `time` on: all but the newest verdict before it."""
        keep = max(0, bisect_right(self._claims, time, key=_time) - 1)
        del self._claims[:keep]
        since = min(self._claims[0].time, time) if self._claims else time
        del self._frames[: bisect_left(self._frames, since, key=_time)]

    def lack(self, time: MediaTime) -> Lack | None:
        """Return what is missing to paint the frame at `time` region by region; None: nothing."""
        frame = self._frame(time)
        if frame is None:
            return "picture_missing"
        if not frame.intact:
            return "packet_lost"
        after = bisect_right(self._claims, time, key=_time)
        if after == 0:
            return "no_verdict"
        before = self._claims[after - 1]
        if before.time == time:
            return self._unconfirmed(before) or self._unknown_ahead(time, after)
        if after == len(self._claims):
            return "no_verdict"
        following = self._claims[after]
        return (
            _hole(before, following)
            or self._unconfirmed(before)
            or self._unconfirmed(following)
            or self._unknown_ahead(time, after)
        )

    def _frame(self, time: MediaTime) -> _Seen | None:
        place = bisect_left(self._frames, time, key=_time)
        found = self._frames[place] if place < len(self._frames) else None
        return found if found is not None and found.time == time else None

    def _unconfirmed(self, claim: _Claim) -> Lack | None:
        frame = self._frame(claim.time)
        if frame is None:
            return "picture_missing"
        if not frame.intact:
            return "packet_lost"
        if claim.fingerprint is None or not same_picture(claim.fingerprint, frame.fingerprint):
            return "picture_differs"
        return None

    def _unknown_ahead(self, time: MediaTime, after: int) -> Lack | None:
        """Follow the verdicts from the frame on, as far as they must reach; `after`: place of the first beyond it."""
        needed = time + self._lead if self._end is None else min(time + self._lead, self._end)
        reached = self._claims[after - 1]
        for claim in self._claims[after:]:
            if reached.time >= needed or _hole(reached, claim) or claim.time - reached.time > self._max_gap:
                break
            if claim.scene_cut and self._parts(claim.time, time):
                return None
            reached = claim
        return None if reached.time >= needed else "verdicts_late"

    def _parts(self, cut: MediaTime, time: MediaTime) -> bool:
        return self._transitions is None or self._transitions.parts(cut, time)


def _hole(one: _Claim, following: _Claim) -> Lack | None:
    """Return whether somebody may have been overlooked between two verdicts that follow one another in time."""
    if following.after_seq != one.seq:
        return "verdict_lost"
    return "verdict_lost" if following.scene_cut and following.seq != one.seq + 1 else None


def _time(one: _Claim | _Seen) -> MediaTime:
    return one.time
