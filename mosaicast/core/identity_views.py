"""What one look says of who a track is, where every network tells how well it saw the face.

A clear track stays clear in three ways. The gallery confirms it. Or it is like its own looks that the gallery
confirmed within the last 20 s: never like those that were only like them, so nobody becomes somebody else by small
steps. Or it is seen too badly for a miss to count, and each look is like the one before it: that is no doubt, for
`trust_s`, and confirms nothing. What is not like the look before it may be somebody who took the person's place.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from mosaicast.core import identity_votes as votes
from mosaicast.core.identity_events import IdentityPolicy, Likeness, Match, View, ViewPolicy
from mosaicast.core.identity_states import FOLLOWABLE, Following, OwnLook, Presence, Standing, Track
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


@dataclass(frozen=True, slots=True)
class Said:
    """What the networks say at one look."""

    found: Sequence[Match]
    """Of the first, best first."""
    second: Sequence[Match] | None
    view: View


def finding(track: Track, said: Said, policy: IdentityPolicy, people: Collection[PersonId]) -> Finding:
    """Return what the answer to a re-check says: the first of these that holds."""
    known, following, view = track.confirmation, track.confirmation.following, said.view
    person, linked = known.person_id, view.before >= Likeness.LIKE
    sure = linked and not following.unproved
    stays = sure and track.standing is Standing.CLEAR and names(person, said, policy, people, stays=True)
    again = linked and not known.unsure and not following.on_trial and _is_weak(person, said, policy)
    findings = (
        (Finding.SILENT, not view.votes),
        (Finding.CONFIRMED, names(person, said, policy, people)),
        (Finding.DISPROVED, votes.names_another(said.found, person, policy.similarity)),
        (Finding.FOLLOWED, view.own and linked and track.standing in FOLLOWABLE),
        (Finding.KEPT, stays),
        (Finding.UNSURE, view.clear and again),
        (Finding.DISPROVED, view.clear or following.on_trial),
        (Finding.LINKED, sure),
    )
    return next((what for what, holds in findings if holds), Finding.SILENT)


def names(
    person: PersonId | None,
    said: Said,
    policy: IdentityPolicy,
    people: Collection[PersonId],
    *,
    stays: bool = False,
) -> bool:
    """Return whether both networks name a person, as surely as a vote must, or (`stays`) as who is clear needs."""
    first_needed, second_needed = (policy.stay, policy.second_stay) if stays else (policy.similarity, policy.second)
    if person is None or votes.speaks_for(said.found, people, first_needed, policy.margin) != person:
        return False
    return policy.second is None or bool(votes.agrees(person, said.second, second_needed or 0.0))


def note_link(presence: Presence, following: Following, view: View, asked_s: float, proofs: int) -> None:
    """Take note of how a look follows the one before it, before its own finding counts."""
    if view.before is not Likeness.SAME or asked_s < presence.vouched_since_s:
        presence.vouched_since_s = asked_s
    if view.own:
        following.unproved = 0
    elif view.before is not Likeness.SAME and view.votes:
        following.unproved = proofs


def note_finding(following: Following, what: Finding, view: View, look: OwnLook, policy: ViewPolicy) -> None:
    """Take note of a finding: how long the track is trusted, and what it is followed by."""
    if what in {Finding.CONFIRMED, Finding.KEPT, Finding.FOLLOWED}:
        following.linked, following.linked_s = True, look.asked_s
    elif what is Finding.LINKED and following.linked:
        following.linked_s = look.asked_s
    elif what is not Finding.UNSURE:
        following.linked = False
    if what is not Finding.CONFIRMED:
        following.unproved = policy.proofs if following.unproved else 0
    elif following.unproved:
        following.unproved -= 1
        following.on_trial |= view.before < Likeness.LIKE
    else:
        keep_own(following, look, policy)
    following.on_trial &= following.unproved > 0


def keep_own(following: Following, look: OwnLook, policy: ViewPolicy) -> None:
    """Keep a confirmed look; the one before it only if it is as far from the one before that as they shall be."""
    own = [one for one in following.own if look.asked_s - one.asked_s <= policy.own_s]
    if len(own) > 1 and own[-1].asked_s - own[-2].asked_s < policy.own_every_s:
        own.pop()
    following.own = [*own, look]


def own_looks(following: Following, now: float, policy: ViewPolicy) -> tuple[int, ...]:
    """Return the requests that a face is held against now."""
    return tuple(one.ask for one in following.own if now - one.asked_s <= policy.own_s)


def _is_weak(person: PersonId | None, said: Said, policy: IdentityPolicy) -> bool:
    """Return whether the networks name the person, though not surely enough: a blurred instant, perhaps."""
    near = bool(said.found) and said.found[0].person_id == person and said.found[0].similarity >= policy.drop
    if person is None or not near:
        return False
    return policy.second is None or bool(votes.agrees(person, said.second, policy.drop))
