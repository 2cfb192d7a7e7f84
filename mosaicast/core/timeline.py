"""What is painted on a frame: the bracketing rule, interpolation, lead and hold, scene cuts.

This and `core.evidence` (whether the verdicts may be believed) decide whether a region of a frame may be seen; nothing
else does.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from mosaicast.core.evidence import Lack
from mosaicast.core.hindsight import look_back
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.regions import Region
from mosaicast.core.sightings import Entry, Sighting, between, displacement, grown, hull, outermost, step
from mosaicast.core.transitions import Transitions
from mosaicast.core.types import Box, Disposition, MediaTime, PersonId, Reason, TrackId, TrackVerdict, Verdict

FullReason = Literal["panic", "gap_too_long", "transition", "guard"] | Lack


@dataclass(frozen=True, slots=True)
class FramePlan:
    """What to paint on one frame."""

    disposition: Disposition
    regions: tuple[Region, ...] = ()
    """Source pixels, already grown, not clipped."""
    full_reason: FullReason | None = None
    verdict_age_s: float = math.nan
    """Distance to the older of the two bracketing verdicts; NaN when nothing brackets it."""


def full(reason: FullReason) -> FramePlan:
    """Return the plan that paints everything."""
    return FramePlan(Disposition.FULL_MOSAIC, full_reason=reason)


_SightingsById = dict[TrackId, list[Sighting]]

_WRONG_ALL_ALONG = frozenset({Reason.DOUBTFUL, Reason.UNKNOWN, Reason.EXPIRED})
"""Reasons that speak of earlier moments too; an overlap, a jump or an absence says nothing about the time before."""
_ROUNDING_S = 1e-6
"""Reaches include their ends, whatever floats make of them."""
_MOST_VERDICTS = 4096
"""Minutes at any sampling rate. Only frames that stopped coming let so many wait; then the newest is refused, and
frames beyond the last one kept are fully mosaicked."""


class Timeline:
    """The verdicts of one epoch, in order of media time.

    Args:
        transitions: what is known of the frames' pictures; None: every cut that a verdict tells is taken for clean.
    """

    def __init__(self, policy: MaskPolicy | None = None, transitions: Transitions | None = None) -> None:
        self.policy = policy or MaskPolicy()
        self._transitions = transitions
        self._entries: list[Entry] = []
        self._origin: MediaTime | None = None
        self._visible: frozenset[PersonId] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def latest_time(self) -> MediaTime | None:
        """Time of the newest verdict."""
        return self._entries[-1].time if self._entries else None

    def set_visible(self, people: Collection[PersonId] | None) -> None:
        """Take back what verdicts of before say about everybody else; None: verdicts alone decide."""
        self._visible = None if people is None else frozenset(people)

    def add(self, verdict: Verdict) -> None:
        """Take in a verdict, in any order. A second one for the same time can only mask more."""
        index = bisect_left(self._entries, verdict.time, key=_time)
        if index < len(self._entries) and self._entries[index].time == verdict.time:
            self._entries[index] = self._entry(_stricter(self._entries[index].verdict, verdict))
        else:
            # Joined with nothing: a track that is named twice in one verdict is clear only if both say so.
            self._entries.insert(index, self._entry(_stricter(Verdict(verdict.time, ()), verdict)))
        del self._entries[_MOST_VERDICTS:]
        look_back(self._entries, self._since_origin_s(verdict.time), self.policy)

    def forget_before(self, time: MediaTime) -> None:
        """Drop what can no longer matter for frames from `time` on."""
        reach_s = max(self.policy.hold_s, self.policy.max_gap_s) + self.policy.max_gap_s
        # The newest older verdict stays: it may be the earlier end of a bracket.
        index = bisect_left(self._entries, time - _fraction(reach_s), key=_time)
        del self._entries[: max(0, index - 1)]

    def plan(self, time: MediaTime, zones: Sequence[Box] = ()) -> FramePlan:
        """Return what to paint on the frame at `time`. `zones` are painted always."""
        after = bisect_right(self._entries, time, key=_time)
        before = after - 1
        if before < 0:
            return full("no_verdict")
        a = self._entries[before]
        if a.time == time:
            b = a
        elif after == len(self._entries):
            return full("no_verdict")
        else:
            b = self._entries[after]
        if b.time - a.time > self.policy.max_gap_s:
            return full("gap_too_long")
        if self._is_mixed(time, before):
            return full("transition")
        joined = None if b.verdict.scene_cut and b is not a else b
        regions = (*zones, *self._regions(time, a, joined, before))
        disposition = Disposition.MASKED if regions else Disposition.CLEAR
        return FramePlan(disposition, regions, verdict_age_s=float(time - a.time))

    def bracket(self, time: MediaTime) -> tuple[Verdict, Verdict] | None:
        """Return the verdicts around `time`, twice the same one where it is at `time`; None: there are none.

        Who became known later is named in them.
        """
        after = bisect_right(self._entries, time, key=_time)
        if after == 0:
            return None
        a = _with_hindsight(self._entries[after - 1])
        if a.time == time:
            return a, a
        return (a, _with_hindsight(self._entries[after])) if after < len(self._entries) else None

    def can_change(self, time: MediaTime) -> bool:
        """Return whether a verdict still to come could change the plan of `time` (for work without a deadline).

        Beyond `lead` the next sighting counts too: it tells how the face moved that enters there.
        """
        latest = self.latest_time
        reach_s = max(self.policy.lead_s + self.policy.max_gap_s, self.policy.doubt_s)
        return latest is None or latest < time + _fraction(reach_s)

    def _entry(self, verdict: Verdict) -> Entry:
        at_s = self._since_origin_s(verdict.time)
        told = {track.track_id: Sighting(at_s, track) for track in verdict.tracks}
        return Entry(verdict, at_s, told, dict(told))

    def _since_origin_s(self, time: MediaTime) -> float:
        if self._origin is None:
            self._origin = time
        return float(time - self._origin)

    def _regions(self, time: MediaTime, a: Entry, b: Entry | None, index: int) -> Iterator[Box]:
        """Yield the masked regions; `b` is None where a new scene begins before the next verdict."""
        at_s = self._since_origin_s(time)
        earlier, later = self._earlier(time, index), self._later(time, index + 1)
        for track_id in sorted(earlier.keys() | later.keys()):
            at_a, at_b = a.sightings.get(track_id), b.sightings.get(track_id) if b else None
            past, future = earlier.get(track_id, []), later.get(track_id, [])
            if self._is_clear(at_a, at_b, future, at_s) and not self._is_doubted(track_id, index + 1, at_s):
                continue
            at_ends = (at_a is not None) + (at_b is not None)
            if at_ends or not all(self._shows(sighting) for sighting in (*past[:1], *future[:1])):
                yield from outermost(list(self._track_regions(at_s, past, future, both_ends=at_ends == 2)))

    def _parts(self, cut: MediaTime, time: MediaTime) -> bool:
        """Whether a cut keeps the masks of its other side off the frame at `time`."""
        return self._transitions is None or self._transitions.parts(cut, time)

    def _is_mixed(self, time: MediaTime, index: int) -> bool:
        """Whether the frame at `time` may show people of two scenes at once: in a gradual transition, or beside a cut
        that mixes them."""
        known = self._transitions
        if known is None or known.gradual(time):
            return known is not None
        cuts = [entry.time for entry in self._entries[max(0, index - 2) : index + 4] if entry.verdict.scene_cut]
        return any(known.beside(time, cut) and known.mixes(cut) for cut in cuts)

    def _earlier(self, time: MediaTime, index: int) -> _SightingsById:
        """Return the sightings of each track at or before `time` in this scene, the nearest first.

        A track is in it if its nearest sighting is within hold; older sightings, for its movement, reach back further.
        """
        at_s = self._since_origin_s(time)
        reach_s = max(self.policy.hold_s, self.policy.max_gap_s) + _ROUNDING_S
        sightings: _SightingsById = {}
        for entry in reversed(self._entries[: index + 1]):
            if at_s - entry.at_s > reach_s + self.policy.max_gap_s:
                break
            _collect(sightings, entry)
            if entry.verdict.scene_cut and self._parts(entry.time, time):
                break
        return {track_id: found for track_id, found in sightings.items() if at_s - found[0].at_s <= reach_s}

    def _later(self, time: MediaTime, index: int) -> _SightingsById:
        """Return the sightings of each track after `time` in this scene, the nearest first; likewise for lead."""
        at_s = self._since_origin_s(time)
        reach_s = max(self.policy.lead_s, self.policy.max_gap_s) + _ROUNDING_S
        sightings: _SightingsById = {}
        for entry in self._entries[index:]:
            if entry.at_s - at_s > reach_s + self.policy.max_gap_s:
                break
            if entry.verdict.scene_cut and self._parts(entry.time, time):
                break
            _collect(sightings, entry)
        return {track_id: found for track_id, found in sightings.items() if found[0].at_s - at_s <= reach_s}

    def _is_clear(self, at_a: Sighting | None, at_b: Sighting | None, future: list[Sighting], at_s: float) -> bool:
        """Clear only if clear at both ends, for the same person, without a jump or doubt following within `lead`."""
        if at_a is None or at_b is None or not (self._shows(at_a) and self._shows(at_b)):
            return False
        if at_a.track.person_id != at_b.track.person_id or displacement(at_a, at_b) > self.policy.jump:
            return False
        return all(
            self._shows(sighting) for sighting in future if sighting.at_s - at_s <= self.policy.lead_s + _ROUNDING_S
        )

    def _is_doubted(self, track_id: TrackId, index: int, at_s: float) -> bool:
        """Return whether the next sighting that masks the track says that it may have been somebody else already."""
        for entry in self._entries[index:]:
            if entry.verdict.scene_cut or entry.at_s - at_s > self.policy.doubt_s + _ROUNDING_S:
                return False
            sighting = entry.sightings.get(track_id)
            if sighting is not None and not sighting.track.clear:
                back_s = self.policy.doubt_s if sighting.track.back_s is None else sighting.track.back_s
                return sighting.track.reason in _WRONG_ALL_ALONG and entry.at_s - at_s <= back_s + _ROUNDING_S
        return False

    def _shows(self, sighting: Sighting) -> bool:
        return sighting.track.clear and (self._visible is None or sighting.track.person_id in self._visible)

    def _track_regions(
        self, at_s: float, past: list[Sighting], future: list[Sighting], both_ends: bool
    ) -> Iterator[Box]:
        """Yield where a masked track may be: interpolated, and if that is not sure, reached for from each side."""
        sure = False
        if past and future:
            box, distance_s = between(past[0], future[0], at_s)
            yield self._grow(box, distance_s, self.policy.growth_per_s)
            sure = both_ends and displacement(past[0], future[0]) <= self.policy.leap
        if not sure:
            for sightings in (past, future):
                if sightings:
                    yield self._reach(sightings, at_s)
        for sightings, reach_s in ((past, self.policy.hold_s), (future, self.policy.lead_s)):
            yield from self._left_behind(sightings, at_s, reach_s)
        yield from self._around_odd_steps([*reversed(past), *future], at_s)

    def _left_behind(self, sightings: list[Sighting], at_s: float, reach_s: float) -> Iterator[Box]:
        """Yield where the track was before it leapt: somebody else may be there still, half covered by a wipe, say."""
        for nearer, farther in pairwise(sightings):
            distance_s = abs(at_s - farther.at_s)
            if distance_s > reach_s + _ROUNDING_S:
                return
            if displacement(nearer, farther) > self.policy.leap:
                yield self._grow(farther.track.box, distance_s, self.policy.growth_per_s)

    def _around_odd_steps(self, sightings: Sequence[Sighting], at_s: float) -> Iterator[Box]:
        """Return masks at both ends of each step that does not follow from the steps around it, as far as masks reach.

        When a wipe covers or uncovers a face, the detector boxes a part of it, or its box passes from one face to the
        other by less than a leap. The face itself does not move, so the masks stay where they are.
        """
        since_s, until_s = at_s - self.policy.hold_s - _ROUNDING_S, at_s + self.policy.lead_s + _ROUNDING_S
        leap, most_resized, most_swerve = self.policy.leap, self.policy.resized, self.policy.swerve
        around, odd = (None, *sightings, None), dict[Sighting, None]()
        for place, (one, other) in enumerate(pairwise(sightings)):
            if other.at_s >= since_s and one.at_s <= until_s:
                displaced, resized, swerve = step(around[place], one, other, around[place + 3])
                if (resized > most_resized or swerve > most_swerve) and displaced <= leap:
                    odd[one] = odd[other] = None
        return (
            grown(sighting.track.box, self.policy.margin) for sighting in odd if since_s <= sighting.at_s <= until_s
        )

    def _grow(self, box: Box, distance_s: float, growth_per_s: float) -> Box:
        share = min(self.policy.max_growth, self.policy.margin + growth_per_s * distance_s)
        return grown(box, share)

    def _reach(self, sightings: list[Sighting], at_s: float) -> Box:
        """Return the hull, grown, of the nearest sighting's box and where its movement leads."""
        nearest = sightings[0].track.box
        distance_s = abs(at_s - sightings[0].at_s)
        if len(sightings) < 2:
            return self._grow(nearest, distance_s, self.policy.blind_growth_per_s)
        step_s = abs(sightings[0].at_s - sightings[1].at_s)
        ratio = distance_s / step_s if step_s > 0 else 0.0
        limit = self.policy.max_speed_per_s * distance_s * max(nearest.width, nearest.height)
        dx, dy = (
            max(-limit, min(limit, (here - there) * ratio))
            for here, there in zip(nearest.centre, sightings[1].track.box.centre, strict=True)
        )
        moved = Box(nearest.x1 + dx, nearest.y1 + dy, nearest.x2 + dx, nearest.y2 + dy)
        return self._grow(hull(nearest, moved), distance_s, self.policy.growth_per_s)


def _with_hindsight(entry: Entry) -> Verdict:
    return replace(entry.verdict, tracks=tuple(sighting.track for sighting in entry.sightings.values()))


def _time(entry: Entry) -> MediaTime:
    return entry.time


def _fraction(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(1000)


def _collect(into: _SightingsById, entry: Entry) -> None:
    for track_id, sighting in entry.sightings.items():
        into.setdefault(track_id, []).append(sighting)


def _stricter(old: Verdict, new: Verdict) -> Verdict:
    """Join two verdicts on the same frame: everybody whom either saw; clear only if both say so."""
    joined = {track.track_id: track for track in old.tracks}
    for track in new.tracks:
        other = joined.get(track.track_id)
        joined[track.track_id] = track if other is None else _stricter_track(other, track)
    return replace(new, tracks=tuple(joined.values()), scene_cut=old.scene_cut or new.scene_cut)


def _stricter_track(one: TrackVerdict, other: TrackVerdict) -> TrackVerdict:
    box = hull(one.box, other.box)
    if one.clear and other.clear and one.person_id == other.person_id:
        known = None if one.back_s is None or other.back_s is None else min(one.back_s, other.back_s)
        return replace(one, box=box, back_s=known)
    if one.clear and other.clear:
        return TrackVerdict(one.track_id, box, clear=False, reason=Reason.CONFLICT)
    masked = other if one.clear else one
    return replace(masked, box=box, back_s=masked.back_s if one.back_s == other.back_s else None)
