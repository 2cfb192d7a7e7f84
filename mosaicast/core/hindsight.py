"""Trust that looks back: a track that has earned its person has been that person for as long as its verdict says.

The verdict's maker knows since when each look at the face was the same face as the look before it. What is checked
here, too, is that nothing came in between: no verdict is missing, no cut, no sample without the track, no step that is
none of a face, and no verdict that says more against it than that it was not yet known. Doubt that comes later wins,
for it reaches back further (`MaskPolicy.doubt_s`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.sightings import Entry, Sighting, displacement
from mosaicast.core.types import Reason, TrackId, TrackVerdict

NOT_YET_KNOWN = frozenset({Reason.PENDING, Reason.UNKNOWN})
"""Reasons that somebody who earns a person later may have been masked for until then."""
_ROUNDING_S = 1e-6


def look_back(entries: Sequence[Entry], near_s: float, policy: MaskPolicy) -> None:
    """Work out anew who was whom around a verdict that has just come.

    Args:
        entries: of one epoch, in order of time. Their `sightings` are changed.
        near_s: the verdict's time.
    """
    reach_s = policy.hindsight_s + policy.max_gap_s
    places = [place for place, entry in enumerate(entries) if abs(entry.at_s - near_s) <= reach_s]
    for place in places:
        entries[place].sightings.clear()
        entries[place].sightings.update(entries[place].told)
    for place in _telling(entries, places, near_s + 2 * reach_s):
        for track_id, sighting in entries[place].told.items():
            if sighting.track.clear and sighting.track.back_s is not None:
                _vouch(entries, place, track_id, policy)


def _telling(entries: Sequence[Entry], places: Sequence[int], until_s: float) -> Iterable[int]:
    """Return the places of the verdicts that may speak of entries at `places`."""
    if not places:
        return ()
    after = next((place for place in range(places[-1], len(entries)) if entries[place].at_s > until_s), len(entries))
    return range(places[0], after)


def _vouch(entries: Sequence[Entry], place: int, track_id: TrackId, policy: MaskPolicy) -> None:
    """Take a track for the person of a verdict before it, too, as far back as that verdict may say."""
    source = entries[place].told[track_id]
    since_s = source.at_s - min(policy.hindsight_s, source.track.back_s or 0.0) - _ROUNDING_S
    later = source
    for here in range(place - 1, -1, -1):
        entry, following = entries[here], entries[here + 1]
        earlier = entry.told.get(track_id)
        if earlier is None or entry.at_s < since_s or not _joined(entry, following, policy):
            return
        if displacement(earlier, later) > policy.jump or not _may_be(earlier.track, source.track):
            return
        if not earlier.track.clear:
            entry.sightings[track_id] = Sighting(earlier.at_s, _named(earlier.track, source.track))
        later = earlier


def _joined(one: Entry, following: Entry, policy: MaskPolicy) -> bool:
    """Return whether nothing can have happened between two verdicts that follow one another in time."""
    missing = following.verdict.after_seq != one.verdict.seq
    return not (missing or following.verdict.scene_cut) and following.at_s - one.at_s <= policy.max_gap_s + _ROUNDING_S


def _may_be(earlier: TrackVerdict, source: TrackVerdict) -> bool:
    return earlier.person_id == source.person_id if earlier.clear else earlier.reason in NOT_YET_KNOWN


def _named(earlier: TrackVerdict, source: TrackVerdict) -> TrackVerdict:
    return replace(earlier, clear=True, reason=Reason.ENROLLED, person_id=source.person_id, back_s=None)
