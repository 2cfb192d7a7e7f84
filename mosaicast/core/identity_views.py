"""What one look says of who a track is, where every network tells how well it saw the face.

A clear track stays clear in three ways. The gallery confirms it. Or it is like its own looks that the gallery confirmed
within the last 20 s: never like those that were only like them, so nobody becomes somebody else by small steps. Or it is
seen too poorly to be compared, and each look is like the one before it: that is no doubt, for `trust_s`, and confirms
nothing. Whatever is not like the look before it may be somebody who took the person's place.
"""

from collections.abc import Collection, Sequence
from enum import Enum, auto

from mosaicast.core import identity_votes as votes
from mosaicast.core.identity_events import Answered, IdentityPolicy, Likeness, Match, View, ViewPolicy
from mosaicast.core.identity_states import FOLLOWABLE, Following, Presence, Standing, Track
from mosaicast.core.types import PersonId


class Finding(Enum):
    """What a look at a track that has earned its person says."""

    CONFIRMED = auto()  # the gallery names the person, as surely as a vote must
    KEPT = auto()  # hardly less, of a face that surely did not change
    FOLLOWED = auto()  # it is like the track's own looks
    LINKED = auto()  # nothing, but that the face did not change
    SILENT = auto()  # nothing
    UNSURE = auto()  # too little: the next look decides
    DISPROVED = auto()


def finding(track: Track, event: Answered, view: View, policy: IdentityPolicy, people: Collection[PersonId]) -> Finding:
    """Return what the answer to a re-check says."""
    if not view.votes:
        return Finding.SILENT
    known, following = track.confirmation, track.confirmation.following
    found = votes.ranked(event.matches or [])
    linked, clear = view.before >= Likeness.LIKE, track.standing is Standing.CLEAR
    if names(known.person_id, found, event.second, policy, people):
        return Finding.CONFIRMED
    if votes.names_another(found, known.person_id, policy.similarity):
        return Finding.DISPROVED
    if view.own and linked and track.standing in FOLLOWABLE:
        return Finding.FOLLOWED
    sure = linked and not following.unproved
    if clear and sure and names(known.person_id, found, event.second, policy, people, stays=True):
        return Finding.KEPT
    if following.on_trial:
        return Finding.DISPROVED
    if view.clear:
        again = linked and not known.unsure and _is_weak(known.person_id, found, event.second, policy)
        return Finding.UNSURE if again else Finding.DISPROVED
    return Finding.LINKED if sure else Finding.SILENT


def names(  # noqa: PLR0913 - what both networks say, and what is asked of it
    person: PersonId | None,
    found: Sequence[Match],
    second: Sequence[Match] | None,
    policy: IdentityPolicy,
    people: Collection[PersonId],
    *,
    stays: bool = False,
) -> bool:
    """Return whether both networks name a person, as surely as a vote must, or (`stays`) as who is clear needs.

    Args:
        found: of the first network, best first.
    """
    first_needed, second_needed = (policy.stay, policy.second_stay) if stays else (policy.similarity, policy.second)
    if person is None or votes.speaks_for(found, people, first_needed, policy.margin) != person:
        return False
    return policy.second is None or bool(votes.agrees(person, second, second_needed or 0.0))


def note_link(presence: Presence, following: Following, view: View, asked_s: float, proofs: int) -> None:
    """Take note of how a look follows the one before it, before its own finding counts."""
    if view.before is not Likeness.SAME or asked_s < presence.vouched_since_s:
        presence.vouched_since_s = asked_s
    if view.own:
        following.unproved = 0
    elif view.before is not Likeness.SAME and view.votes:
        following.unproved = proofs


def note_finding(following: Following, what: Finding, view: View, ask: int, asked_s: float, policy: ViewPolicy) -> None:
    """Take note of a finding: how long the track is trusted, and what it is followed by."""
    if what in {Finding.CONFIRMED, Finding.KEPT, Finding.FOLLOWED}:
        following.linked, following.linked_s = True, asked_s
    elif what is Finding.LINKED and following.linked:
        following.linked_s = asked_s
    elif what is not Finding.UNSURE:
        following.linked = False
    if what is not Finding.CONFIRMED:
        following.unproved = policy.proofs if following.unproved else 0
    elif following.unproved:
        following.unproved -= 1
        following.on_trial |= view.before < Likeness.LIKE
    else:
        keep_own(following, ask, asked_s, policy)
    following.on_trial &= following.unproved > 0


def keep_own(following: Following, ask: int, asked_s: float, policy: ViewPolicy) -> None:
    """Keep a confirmed look; the one before it only if it is as far from the one before that as they shall be."""
    own = [one for one in following.own if asked_s - one[1] <= policy.own_s]
    if len(own) > 1 and own[-1][1] - own[-2][1] < policy.own_every_s:
        own.pop()
    following.own = [*own, (ask, asked_s)]


def own_looks(following: Following, now: float, policy: ViewPolicy) -> tuple[int, ...]:
    """Return the requests that a face is held against now."""
    return tuple(ask for ask, asked_s in following.own if now - asked_s <= policy.own_s)


def _is_weak(
    person: PersonId | None, found: Sequence[Match], second: Sequence[Match] | None, policy: IdentityPolicy
) -> bool:
    """Return whether the networks name the person, though not surely enough: a blurred instant, perhaps."""
    near = bool(found) and found[0].person_id == person and found[0].similarity >= policy.drop
    return near and person is not None and (policy.second is None or bool(votes.agrees(person, second, policy.drop)))
