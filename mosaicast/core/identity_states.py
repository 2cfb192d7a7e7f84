"""Where a track may stand, and all ways from one standing to another.

`TRANSITIONS` has all of them: anything else raises `IllegalTransition` and changes nothing. Below it are the fields of
a track. `core.identity` turns samples and answers into signals.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from mosaicast.core.types import PersonId, Reason


class Standing(StrEnum):
    """State of one track. Only in CLEAR is it left unmasked."""

    PENDING = "pending"  # not judged yet
    UNKNOWN = "unknown"  # judged: like nobody who may be seen
    DOUBTFUL = "doubtful"  # it had earned somebody, and an embedding said otherwise
    EXPIRED = "expired"  # it had earned somebody who may not be seen any more
    CONFLICT = "conflict"  # other faces stand in its way: it is not embedded
    JUMP = "jump"  # it moved as no face can: it is not embedded
    CLEAR = "clear"  # it has earned a person
    RETURNED = "returned"  # earned; it was out of sight: masked until a full vote
    OVERDUE = "overdue"  # earned; the answer to a request is late: masked until it comes
    UNCHECKED = "unchecked"  # earned; the gallery is away: masked until a full vote


class Signal(StrEnum):
    """Event of one track."""

    CROWDED = "crowded"  # another face overlaps it, or could have been it
    JUMPED = "jumped"
    UNCONFIRMED = "unconfirmed"  # nothing confirmed it for `trust_s`, or looks say nothing for `grace_s`
    REAPPEARED = "reappeared"  # it was not in the sample before
    UNANSWERED = "unanswered"  # nothing confirmed it for `unanswered_s` (`grace_s`), and an answer is late
    SETTLED = "settled"  # what stood in its way is over
    RIVALLED = "rivalled"  # another track of this sample claims the same person
    GALLERY_LOST = "gallery_lost"
    AGREED = "agreed"  # a vote for somebody, not the last one that is needed
    EARNED = "earned"  # the last one
    DISAGREED = "disagreed"  # a vote for nobody
    GIVEN_UP = "given_up"  # too many embeddings without a vote for somebody
    CONFIRMED = "confirmed"  # a re-check names its person
    FOLLOWED = "followed"  # a re-check does not, but it is like those of its looks that did
    DISPROVED = "disproved"  # a re-check does not name its person
    PERSON_GONE = "person_gone"  # its person may not be seen any more
    PERSON_CHANGED = "person_changed"  # its person has other templates
    PEOPLE_CHANGED = "people_changed"  # the owner's people were read anew; of an earned track: its person is as before


EARNED = frozenset({Standing.CLEAR, Standing.RETURNED, Standing.OVERDUE, Standing.UNCHECKED})
BARRED = frozenset({Standing.CONFLICT, Standing.JUMP})
JUDGED = frozenset(Standing) - EARNED - BARRED
"""Embedded, and nobody earned."""
FOLLOWABLE = frozenset({Standing.CLEAR, Standing.OVERDUE})
"""Earned, and surely the face that it was at its own looks: an answer that is late changes no face."""
_STAYS = None


@dataclass(frozen=True, slots=True)
class Row:
    """What one signal does: `taken` in which standings, where it leads (None: nowhere), `ignored` in which."""

    signal: Signal
    taken: frozenset[Standing]
    to: Standing | None
    ignored: frozenset[Standing] = frozenset()


TRANSITIONS: tuple[Row, ...] = (
    Row(Signal.CROWDED, EARNED | JUDGED | BARRED, Standing.CONFLICT),
    Row(Signal.JUMPED, EARNED | JUDGED | BARRED, Standing.JUMP),
    Row(Signal.UNCONFIRMED, EARNED, Standing.DOUBTFUL, ignored=JUDGED | BARRED),
    Row(Signal.REAPPEARED, EARNED, Standing.RETURNED, ignored=JUDGED | BARRED),
    Row(Signal.UNANSWERED, EARNED, Standing.OVERDUE, ignored=JUDGED | BARRED),
    Row(Signal.SETTLED, BARRED, Standing.PENDING, ignored=JUDGED | EARNED),
    Row(Signal.RIVALLED, EARNED | JUDGED, Standing.CONFLICT),
    Row(Signal.GALLERY_LOST, EARNED, Standing.UNCHECKED, ignored=JUDGED | BARRED),
    Row(Signal.AGREED, JUDGED, _STAYS),
    Row(Signal.EARNED, JUDGED, Standing.CLEAR),
    Row(Signal.DISAGREED, JUDGED, _STAYS),
    Row(Signal.GIVEN_UP, JUDGED, Standing.UNKNOWN),
    Row(Signal.CONFIRMED, EARNED, Standing.CLEAR),
    Row(Signal.FOLLOWED, FOLLOWABLE, Standing.CLEAR),
    Row(Signal.DISPROVED, EARNED, Standing.DOUBTFUL),
    Row(Signal.PERSON_GONE, EARNED, Standing.EXPIRED),
    Row(Signal.PERSON_CHANGED, EARNED, Standing.PENDING),
    Row(Signal.PEOPLE_CHANGED, JUDGED | BARRED, Standing.PENDING, ignored=EARNED),
)
_ROWS = {row.signal: row for row in TRANSITIONS}
REASONS = {
    Standing.CLEAR: Reason.ENROLLED,
    Standing.RETURNED: Reason.PENDING,  # not DOUBTFUL: that would speak of the time before, too (see `core.timeline`)
    Standing.OVERDUE: Reason.EXPIRED,
    Standing.UNCHECKED: Reason.GALLERY_UNAVAILABLE,
    **{standing: Reason(standing.value) for standing in JUDGED | BARRED},
}
"""What a verdict says of each standing, to begin with."""


class IllegalTransition(ValueError):  # noqa: N818 - the field's name for it
    """A signal came in a standing in which it can't: a bug of ours."""


def after(standing: Standing, signal: Signal) -> Standing:
    """Return where a signal leads; the same standing where it is ignored.

    Raises:
        IllegalTransition: it can't come there.
    """
    row = _ROWS[signal]
    if standing in row.taken:
        return standing if row.to is None else row.to
    if standing not in row.ignored:
        raise IllegalTransition(f"{signal} while {standing}")
    return standing


@dataclass(slots=True)
class Candidacy:
    """The votes of a track that has not earned anybody."""

    person_id: PersonId | None = None
    agreed: int = 0
    first_agreed_s: float = 0.0
    failures: int = 0
    """Embeddings in a row that agreed with nobody."""
    silent: int = 0
    """Embeddings in a row that had no vote."""


class OwnLook(NamedTuple):
    """A request that the gallery confirmed."""

    ask: int
    asked_s: float


@dataclass(slots=True)
class Following:
    """What a clear track is followed by, where networks tell how well they see it."""

    own: list[OwnLook] = field(default_factory=list)
    """The newest last."""
    unproved: int = 0
    """So many looks in a row must be confirmed before the next is an own one."""
    on_trial: bool = False
    """It was confirmed by a look that is not like the one before it: the next that is not confirmed masks."""
    linked: bool = True
    """Each look since the one that confirmed it is like the one before it."""
    linked_s: float = 0.0
    """Time of the newest of these."""


@dataclass(slots=True)
class Confirmation:
    """Whom a track has earned, and what confirmed it."""

    person_id: PersonId | None = None
    confirmed_s: float = 0.0
    unsure: int = 0
    """Embeddings in a row that were like the person, but not enough."""
    second_due_s: float = -math.inf
    """From then on a re-check asks the second network too."""
    next_aside_s: float = -math.inf
    """Before it, a face turned so far is not embedded again."""
    earned_s: float = -math.inf
    """When it became clear."""
    doubted_since_s: float | None = None
    """From when on it may have been somebody else; None: as long as its reason says."""
    following: Following = field(default_factory=Following)


@dataclass(slots=True)
class Request:
    """The newest embedding that was asked for."""

    number: int | None = None
    """While it waits for its answer; answers to any other are void."""
    asked_s: float = 0.0
    face_px: float = 0.0
    """The face's shorter side."""
    turned: float = math.inf
    """The size of its yaw_ratio."""
    asks_second: bool = False
    """It asks the second network too."""
    aside: bool = False
    """It shows a face turned so far that only a yes counts."""

    @property
    def waits(self) -> bool:
        """Whether its answer is waited for."""
        return self.number is not None

    def drop(self) -> None:
        """Wait for it no more."""
        self.number = None


@dataclass(slots=True)
class Presence:
    """When a track was in the picture."""

    seen_s: float = 0.0
    in_last_sample: bool = True
    same_face_since: int | None = None
    """The first sample that surely shows the face that it has now."""
    vouched_since_s: float = math.inf
    """The first look that the looks since then, each the same face as the one before it, vouch for."""

    def may_be_another(self) -> None:
        """Nothing of before tells about the face that is there from now on."""
        self.same_face_since, self.vouched_since_s = None, math.inf


@dataclass(slots=True)
class Track:
    """One track: where it stands, and what is remembered of it."""

    standing: Standing = Standing.PENDING
    candidacy: Candidacy = field(default_factory=Candidacy)
    confirmation: Confirmation = field(default_factory=Confirmation)
    request: Request = field(default_factory=Request)
    presence: Presence = field(default_factory=Presence)
    next_embedding_s: float = -math.inf

    @property
    def earned(self) -> bool:
        """Whether it has earned a person."""
        return self.standing in EARNED

    @property
    def claim(self) -> PersonId | None:
        """Whom it is taken for, or may become."""
        return self.confirmation.person_id if self.earned else self.candidacy.person_id

    def heeds(self, signal: Signal) -> bool:
        """Return whether a signal means something to it as it stands."""
        return self.standing not in _ROWS[signal].ignored

    def take(self, signal: Signal) -> None:
        """Go where a signal leads.

        Raises:
            IllegalTransition: it can't come now.
        """
        self.standing = after(self.standing, signal)

    def void(self, signal: Signal, next_embedding_s: float, *, same_face: bool = False) -> None:
        """Take a signal, and forget everything that speaks for a person, answers under way too.

        Args:
            same_face: nothing hints at another face: embeddings of before may still be averaged with later ones.
        """
        self.take(signal)
        self.candidacy.person_id = self.confirmation.person_id = None
        self.candidacy.agreed = self.confirmation.unsure = 0
        self.confirmation.second_due_s = -math.inf
        self.confirmation.doubted_since_s = None
        self.confirmation.following = Following()
        self.request.drop()
        self.next_embedding_s = next_embedding_s
        if not same_face:
            self.presence.may_be_another()

    def hold(self, signal: Signal, next_embedding_s: float) -> None:
        """Mask it although earned, until an embedding from now on confirms it; answers under way are about before."""
        self.take(signal)
        self.request.drop()
        self.next_embedding_s = next_embedding_s

    def lose_sight(self) -> None:
        """It was not seen for a moment: whatever tells of the face that was there does not tell of the one that is."""
        self.presence.may_be_another()
        self.confirmation.second_due_s = -math.inf
        self.confirmation.following = Following(linked_s=self.confirmation.following.linked_s)
