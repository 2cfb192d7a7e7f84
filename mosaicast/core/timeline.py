"""What is painted on a frame: the bracketing rule, interpolation, lead and hold, scene cuts.

This is the only place that decides whether a region of a frame may be seen.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from mosaicast.core.types import Box, Disposition, MediaTime, Reason, TrackId, TrackVerdict, Verdict

FullReason = Literal["panic", "no_verdict", "gap_too_long", "not_ready"]


@dataclass(frozen=True, slots=True)
class MaskPolicy:
    """How far masks reach beyond what was seen. Times in seconds, shares of the box's longer side."""

    max_gap_s: float = 0.25
    """Two verdicts further apart bracket nothing (design: nobody crosses the picture between two looks)."""
    lead_s: float = 0.4
    hold_s: float = 0.6
    margin: float = 0.15
    """Grown on each side always: a detector's box ends at the skin, hair and ears tell people apart too."""
    growth_per_s: float = 1.0
    """Grown on each side for each second between the frame and the nearest look at the track, besides the movement
    that its last two looks show: walking people turn and stop within half a second."""
    max_growth: float = 0.75
    max_speed_per_s: float = 12.0
    """Believed movement, in boxes a second: a face of 16 cm at a walk (1.4 m/s) moves 9 of its widths a second."""


@dataclass(frozen=True, slots=True)
class FramePlan:
    """What to paint on one frame."""

    disposition: Disposition
    regions: tuple[Box, ...] = ()
    """Source pixels, already grown, not clipped."""
    full_reason: FullReason | None = None
    verdict_age_s: float = math.nan
    """Distance to the older of the two bracketing verdicts; NaN when nothing brackets it."""


def full(reason: FullReason) -> FramePlan:
    """Return the plan that paints everything."""
    return FramePlan(Disposition.FULL_MOSAIC, full_reason=reason)


@dataclass(frozen=True, slots=True)
class _Look:
    """One verdict's word on one track."""

    time: MediaTime
    track: TrackVerdict


class Timeline:
    """The verdicts of one epoch, in order of media time."""

    def __init__(self, policy: MaskPolicy | None = None) -> None:
        self.policy = policy or MaskPolicy()
        self._verdicts: list[Verdict] = []

    def __len__(self) -> int:
        return len(self._verdicts)

    @property
    def latest_time(self) -> MediaTime | None:
        """Time of the newest verdict."""
        return self._verdicts[-1].time if self._verdicts else None

    def add(self, verdict: Verdict) -> None:
        """Take in a verdict, in any order. A second one for the same time can only mask more."""
        index = bisect_left(self._verdicts, verdict.time, key=_time)
        if index < len(self._verdicts) and self._verdicts[index].time == verdict.time:
            self._verdicts[index] = _stricter(self._verdicts[index], verdict)
        else:
            insort(self._verdicts, verdict, key=_time)

    def forget_before(self, time: MediaTime) -> None:
        """Drop what can no longer matter for frames from `time` on."""
        reach = Fraction(self.policy.hold_s + self.policy.max_gap_s).limit_denominator(1000)
        # The newest older verdict stays: it may be the earlier end of a bracket.
        index = bisect_left(self._verdicts, time - reach, key=_time)
        del self._verdicts[: max(0, index - 1)]

    def plan(self, time: MediaTime, zones: Sequence[Box] = ()) -> FramePlan:
        """Return what to paint on the frame at `time`. `zones` are painted always."""
        after = bisect_right(self._verdicts, time, key=_time)
        before = after - 1
        if before < 0:
            return full("no_verdict")
        a = self._verdicts[before]
        if a.time == time:
            b = a
        elif after == len(self._verdicts):
            return full("no_verdict")
        else:
            b = self._verdicts[after]
        if b.time - a.time > self.policy.max_gap_s:
            return full("gap_too_long")
        regions = (*zones, *self._regions(time, a, None if b.scene_cut and b is not a else b, before))
        disposition = Disposition.MASKED if regions else Disposition.CLEAR
        return FramePlan(disposition, regions, verdict_age_s=float(time - a.time))

    def can_change(self, time: MediaTime) -> bool:
        """Return whether a verdict still to come could change the plan of `time` (for work without a deadline)."""
        latest = self.latest_time
        return latest is None or latest < time + Fraction(self.policy.lead_s).limit_denominator(1000)

    def _regions(self, time: MediaTime, a: Verdict, b: Verdict | None, index: int) -> Iterator[Box]:
        """Yield the masked regions; `b` is None where a new scene begins before the next look."""
        earlier, later = self._looks(time, index)
        at_a = {track.track_id: track for track in a.tracks}
        at_b = at_a if b is a else {track.track_id: track for track in b.tracks} if b else {}
        for track_id in sorted(earlier.keys() | later.keys()):
            past, future = earlier.get(track_id, []), later.get(track_id, [])
            if self._is_clear(at_a.get(track_id), at_b.get(track_id), future):
                continue
            at_ends = (track_id in at_a) + (track_id in at_b)
            if at_ends or _any_masked(past[-1:]) or _any_masked(future[:1]):
                yield from self._track_regions(time, past, future, both_ends=at_ends == 2)

    def _looks(self, time: MediaTime, index: int) -> tuple[dict[TrackId, list[_Look]], dict[TrackId, list[_Look]]]:
        """Return the looks at each track before (or at) and after `time`, in this scene, within hold and lead.

        Before: in order of time, the last is the nearest. After: the first is the nearest.
        """
        hold_s, lead_s = (max(reach, self.policy.max_gap_s) for reach in (self.policy.hold_s, self.policy.lead_s))
        earlier: dict[TrackId, list[_Look]] = {}
        later: dict[TrackId, list[_Look]] = {}
        for i in range(index, -1, -1):
            verdict = self._verdicts[i]
            if time - verdict.time > hold_s:
                break
            _collect(earlier, verdict)
            if verdict.scene_cut:
                break
        for i in range(index + 1, len(self._verdicts)):
            verdict = self._verdicts[i]
            if verdict.scene_cut or verdict.time - time > lead_s:
                break
            _collect(later, verdict)
        return {track_id: looks[::-1] for track_id, looks in earlier.items()}, later

    @staticmethod
    def _is_clear(at_a: TrackVerdict | None, at_b: TrackVerdict | None, future: list[_Look]) -> bool:
        """Clear only if clear at both ends, for the same person, and no doubt follows within `lead`."""
        if at_a is None or at_b is None or not (at_a.clear and at_b.clear):
            return False
        return at_a.person_id == at_b.person_id and all(look.track.clear for look in future)

    def _track_regions(self, time: MediaTime, past: list[_Look], future: list[_Look], both_ends: bool) -> Iterator[Box]:
        """Yield where a masked track may be: interpolated, and where an end is missing, reached for from each side."""
        if past and future:
            yield self._grow(*_between(past[-1], future[0], time))
        if not (both_ends and past and future):
            for looks in (past[::-1], future):
                if looks:
                    yield self._grow(*self._reach(looks, time))

    def _grow(self, box: Box, distance_s: float) -> Box:
        share = min(self.policy.max_growth, self.policy.margin + self.policy.growth_per_s * distance_s)
        return _grown(box, share)

    def _reach(self, looks: list[_Look], time: MediaTime) -> tuple[Box, float]:
        """Return the hull of the nearest look's box and where its movement leads, and the distance in seconds."""
        nearest = looks[0].track.box
        distance_s = abs(float(time - looks[0].time))
        if len(looks) < 2 or distance_s == 0.0:
            return nearest, distance_s
        step_s = abs(float(looks[0].time - looks[1].time))
        other = looks[1].track.box
        ratio = distance_s / step_s if step_s > 0 else 0.0
        limit = self.policy.max_speed_per_s * distance_s * max(nearest.width, nearest.height)
        dx, dy = (
            max(-limit, min(limit, (here - there) * ratio))
            for here, there in zip(nearest.centre, other.centre, strict=True)
        )
        return _hull(nearest, Box(nearest.x1 + dx, nearest.y1 + dy, nearest.x2 + dx, nearest.y2 + dy)), distance_s


def _time(verdict: Verdict) -> MediaTime:
    return verdict.time


def _collect(into: dict[TrackId, list[_Look]], verdict: Verdict) -> None:
    for track in verdict.tracks:
        into.setdefault(track.track_id, []).append(_Look(verdict.time, track))


def _any_masked(looks: list[_Look]) -> bool:
    return any(not look.track.clear for look in looks)


def _stricter(old: Verdict, new: Verdict) -> Verdict:
    """Join two verdicts on the same frame: everybody whom either saw; clear only if both say so."""
    joined = {track.track_id: track for track in old.tracks}
    for track in new.tracks:
        other = joined.get(track.track_id)
        joined[track.track_id] = track if other is None else _stricter_track(other, track)
    return Verdict(old.time, tuple(joined.values()), old.scene_cut or new.scene_cut)


def _stricter_track(one: TrackVerdict, other: TrackVerdict) -> TrackVerdict:
    box = _hull(one.box, other.box)
    if one.clear and other.clear and one.person_id == other.person_id:
        return replace(one, box=box)
    if one.clear and other.clear:
        return TrackVerdict(one.track_id, box, clear=False, reason=Reason.CONFLICT)
    return replace(other if one.clear else one, box=box)


def _between(past: _Look, future: _Look, time: MediaTime) -> tuple[Box, float]:
    """Interpolate, and return the distance in seconds to the nearer look."""
    span = float(future.time - past.time)
    weight = float(time - past.time) / span if span > 0 else 0.0
    box = Box(*(a + (b - a) * weight for a, b in zip(past.track.box, future.track.box, strict=True)))
    return box, min(weight, 1 - weight) * span


def _hull(one: Box, other: Box) -> Box:
    return Box(min(one.x1, other.x1), min(one.y1, other.y1), max(one.x2, other.x2), max(one.y2, other.y2))


def _grown(box: Box, share: float) -> Box:
    by = share * max(box.width, box.height)
    return Box(box.x1 - by, box.y1 - by, box.x2 + by, box.y2 + by)
