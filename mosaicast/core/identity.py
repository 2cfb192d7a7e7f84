"""Who may be seen: votes of one stream's tracks, and the decision about each at every look.

Masking needs nothing; un-masking needs several agreeing votes over time, a margin over the next person, a face that
is large and sharp enough, nobody else who claims the same person, and no doubt since. All of it is forgotten at the
first doubt. The machine takes events and returns commands; it reads no clock and does nothing itself.

Its time is the time of the pictures: of looks that come in a burst, the last ones are as far from a confirmation as the
picture is, however quickly they were worked off.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mosaicast.core.evidence import MAX_GAP_S
from mosaicast.core.identity_events import (
    Answered,
    Command,
    Decided,
    Event,
    FaceQuality,
    IdentityPolicy,
    Looked,
    LookWanted,
    Match,
    PeopleChanged,
)
from mosaicast.core.tracking import Tracked
from mosaicast.core.types import Box, PersonId, Reason, TrackId, TrackVerdict

__all__ = [
    "Answered",
    "Command",
    "Decided",
    "Event",
    "FaceQuality",
    "IdentityMachine",
    "IdentityPolicy",
    "LookWanted",
    "Looked",
    "Match",
    "PeopleChanged",
    "turn",
]


@dataclass(slots=True)
class _State:
    """What is known of one track."""

    reason: Reason = Reason.PENDING
    """ENROLLED: it has earned `person_id`."""
    held: Reason | None = None
    """Why it is masked although earned, until the next full vote."""
    person_id: PersonId | None = None
    confirmed_s: float = 0.0
    unsure: int = 0
    candidate: PersonId | None = None
    agreed: int = 0
    first_agreed_s: float = 0.0
    failures: int = 0
    next_look_s: float = -math.inf
    ask: int | None = None
    """The look that is waited for; answers to any other are void."""
    asked_s: float = 0.0
    since: int | None = None
    """The first look that surely shows the face that it has now."""
    looked_px: float = 0.0
    looked_turn: float = math.inf
    """The face's shorter side and turn at the last look."""
    second_wanted: bool = False
    """Whether the look that is waited for asks the second network."""
    second_due_s: float = -math.inf
    next_aside_s: float = -math.inf
    """Before it, a face turned so far is not looked at again."""
    aside: bool = False
    """Whether the look that is waited for shows a face turned so far that only a yes counts."""
    seen_s: float = 0.0
    in_last_look: bool = True

    @property
    def earned(self) -> bool:
        return self.reason is Reason.ENROLLED

    @property
    def claim(self) -> PersonId | None:
        return self.person_id if self.earned else self.candidate

    def hold(self, reason: Reason, next_look_s: float) -> None:
        """Mask it although earned, until a look from now on confirms it; answers under way are about before."""
        self.held, self.ask, self.next_look_s = reason, None, next_look_s

    def void(self, reason: Reason, next_look_s: float, *, same_face: bool = False) -> None:
        """Forget everything that speaks for a person, answers under way too.

        Args:
            same_face: nothing hints at another face: looks of before may still be averaged with later ones.
        """
        self.reason, self.held = reason, None
        self.person_id = self.candidate = None
        self.agreed = self.unsure = 0
        self.ask = None
        self.second_due_s = -math.inf
        self.next_look_s = next_look_s
        if not same_face:
            self.since = None


class IdentityMachine:
    """The identities of one stream in one epoch."""

    def __init__(self, policy: IdentityPolicy | None = None) -> None:
        self.policy = policy or IdentityPolicy()
        self._states: dict[TrackId, _State] = {}
        self._people: dict[PersonId, str] = {}
        self._asks = 0
        self._looked_s = self._gap_s = 0.0
        """When the newest look was, and how long after the one before."""

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in what happened and return what to do: for a look, one `Decided` first.

        Args:
            now: media time of the newest look, seconds.
        """
        if isinstance(event, Looked):
            return self._looked(event, now)
        if isinstance(event, Answered):
            self._answered(event, now)
        else:
            self._people_changed(event.people, now)
        return []

    # --- looks ----------------------------------------------------------------------------------------------

    def _looked(self, event: Looked, now: float) -> list[Command]:
        self._gap_s, self._looked_s = min(MAX_GAP_S, max(0.0, now - self._looked_s)), now
        seen_s = event.gallery_seen_s
        gallery = seen_s is not None and now - seen_s <= self.policy.gallery_trust_s
        seen = [(self._state(one), one, quality) for one, quality in event.faces]
        for state, one, _ in seen:
            self._doubt(state, one, now)
            state.seen_s = now
        self._note_absent({one.track_id for one, _ in event.faces}, now)
        self._exclude_rivals([state for state, _, _ in seen], now)
        if not gallery:
            self._hold_all(Reason.GALLERY_UNAVAILABLE, now)
        decided = Decided(tuple(self._verdict(*face, gallery=gallery) for face in seen))
        due = [face for face in seen if gallery and self._is_due(*face, now)]
        return [decided, *(self._want(*face, now) for face in due)]

    def _state(self, one: Tracked) -> _State:
        # A new track with an id that we know (a tracker that began anew) is somebody else.
        if one.is_new or one.track_id not in self._states:
            self._states[one.track_id] = _State()
        return self._states[one.track_id]

    def _doubt(self, state: _State, one: Tracked, now: float) -> None:
        """Void what is known of a track that may have become somebody else."""
        if not state.in_last_look:
            state.since, state.second_due_s = None, -math.inf
        if one.ambiguous or one.overlaps:
            state.void(Reason.CONFLICT, now)
        elif one.jumped:
            state.void(Reason.JUMP, now)
        elif state.earned and now - state.confirmed_s > self.policy.trust_s:
            state.void(Reason.DOUBTFUL, now)
        elif state.earned and not state.in_last_look:
            # Out of sight for a moment, somebody else may have come in its place: one full vote, at once.
            # Not DOUBTFUL: that would speak of the time before, too (see `core.timeline`).
            state.hold(Reason.PENDING, now)
        elif state.earned and state.ask is not None and now - state.confirmed_s > self.policy.unanswered_s:
            state.held = Reason.EXPIRED  # until the answer; it may have been somebody else since the last one
        elif state.reason is Reason.JUMP or (state.reason is Reason.CONFLICT and now >= state.next_look_s):
            state.reason = Reason.PENDING
        if state.ask is not None and now - state.asked_s > self.policy.answer_s:
            state.ask = None

    def _note_absent(self, present: set[TrackId], now: float) -> None:
        for track_id, state in list(self._states.items()):
            state.in_last_look = track_id in present
            if now - state.seen_s > self.policy.forget_s:
                del self._states[track_id]

    def _exclude_rivals(self, states: Sequence[_State], now: float) -> None:
        """Nobody is in a picture twice: who claims a person whom another claims is masked, and so is the other."""
        claims: dict[PersonId, list[_State]] = {}
        for state in states:
            if state.claim is not None:
                claims.setdefault(state.claim, []).append(state)
        for rivals in claims.values():
            if len(rivals) > 1:
                for state in rivals:
                    state.void(Reason.CONFLICT, now + self.policy.retry_s[0])

    def _hold_all(self, reason: Reason, now: float) -> None:
        for state in self._states.values():
            if state.earned:
                state.hold(reason, now)

    def _verdict(self, state: _State, one: Tracked, quality: FaceQuality, *, gallery: bool) -> TrackVerdict:
        if state.earned and state.held is None:
            return TrackVerdict(one.track_id, one.box, True, Reason.ENROLLED, state.person_id)
        reason = state.held or state.reason
        if reason in {Reason.PENDING, Reason.UNKNOWN}:
            if not self._large(one.box):
                reason = Reason.TOO_SMALL
            elif not gallery:
                reason = Reason.GALLERY_UNAVAILABLE
            elif reason is Reason.PENDING and quality.has_crop and not self._fit(quality, self.policy.turn_limit):
                reason = Reason.DOUBTFUL
        elif reason is Reason.DOUBTFUL and not gallery:
            reason = Reason.GALLERY_UNAVAILABLE  # what would settle the doubt
        return TrackVerdict(one.track_id, one.box, False, reason)

    def _is_due(self, state: _State, one: Tracked, quality: FaceQuality, now: float) -> bool:
        if state.ask is not None or state.reason in {Reason.CONFLICT, Reason.JUMP}:
            return False
        if now < state.next_look_s and not self._is_worth_more(state, one, quality, now):
            return False
        from_aside = state.earned and state.held is None and now >= state.next_aside_s
        limit = self.policy.recheck_turn_limit if from_aside else self.policy.turn_limit
        return quality.has_crop and self._large(one.box) and self._fit(quality, limit)

    def _is_worth_more(self, state: _State, one: Tracked, quality: FaceQuality, now: float) -> bool:
        """Return whether an unknown face is seen much better than at the last look at it."""
        policy = self.policy
        if state.reason is not Reason.UNKNOWN or now < state.asked_s + policy.first_looks_s:
            return False
        larger = min(one.box.width, one.box.height) >= policy.larger * state.looked_px
        return larger or abs(turn(quality.landmarks)) <= state.looked_turn - policy.more_frontal

    def _want(self, state: _State, one: Tracked, quality: FaceQuality, now: float) -> LookWanted:
        policy, self._asks = self.policy, self._asks + 1
        state.ask, state.asked_s = self._asks, now
        state.looked_px, state.looked_turn = min(one.box.width, one.box.height), abs(turn(quality.landmarks))
        state.since = state.ask if state.since is None else state.since
        checks = state.earned and state.held is None
        state.aside = checks and state.looked_turn > policy.turn_limit
        lenient = checks and not state.aside
        state.second_wanted = policy.second is not None and not (lenient and now < state.second_due_s)
        return LookWanted(
            one.track_id,
            state.ask,
            urgent=state.earned,
            since=state.since,
            window=1 if state.earned else policy.window,
            second_from=(policy.stay if lenient else policy.similarity) if state.second_wanted else None,
        )

    def _large(self, box: Box) -> bool:
        return min(box.width, box.height) >= self.policy.smallest_face_px

    def _fit(self, quality: FaceQuality, turn_limit: float) -> bool:
        return quality.sharpness >= self.policy.least_sharpness and abs(turn(quality.landmarks)) <= turn_limit

    # --- answers --------------------------------------------------------------------------------------------

    def _answered(self, event: Answered, now: float) -> None:
        state = self._states.get(event.track_id)
        if state is None or state.ask != event.ask:
            return
        state.ask = None
        if event.matches is None:
            self._no_answer(state, now)
            return
        ranked = sorted(
            (match for match in event.matches if math.isfinite(match.similarity)), key=lambda match: -match.similarity
        )
        if state.earned:
            self._rechecked(state, ranked, event.second, now)
            return
        person = self._vote(ranked, self.policy.similarity)
        agrees = self._agrees(state, person, event.second, self.policy.second)
        if person is not None and agrees is None:
            self._no_answer(state, now)
        else:
            self._voted(state, person if agrees else None, now)

    def _vote(self, ranked: Sequence[Match], needed: float) -> PersonId | None:
        """Return whom a look speaks for, None if for nobody."""
        if not ranked or ranked[0].similarity < needed:
            return None
        if ranked[0].person_id not in self._people:
            return None  # in the gallery, but not to be seen here or not any more
        second = next((m.similarity for m in ranked if m.person_id != ranked[0].person_id), -math.inf)
        return ranked[0].person_id if ranked[0].similarity - second >= self.policy.margin else None

    @staticmethod
    def _agrees(
        state: _State, person: PersonId | None, second: Sequence[Match] | None, needed: float | None
    ) -> bool | None:
        """Return whether the second network names the same person; None: it was asked and did not answer."""
        if person is None or needed is None or not state.second_wanted:
            return True
        if second is None:
            return None
        best = max(second, key=lambda match: match.similarity, default=None)
        # NaN compares as false.
        return best is not None and best.person_id == person and best.similarity >= needed

    def _voted(self, state: _State, person: PersonId | None, now: float) -> None:
        if person is None:
            state.void(state.reason, now, same_face=True)
            self._pace(state)
            return
        if state.candidate != person:
            state.candidate, state.agreed, state.first_agreed_s = person, 0, state.asked_s
        state.agreed += 1
        state.failures = 0
        state.next_look_s = state.asked_s + self.policy.first_looks_s
        if state.agreed >= self.policy.votes and state.asked_s - state.first_agreed_s >= self.policy.span_s:
            state.reason, state.person_id = Reason.ENROLLED, person
            self._confirm(state)

    def _rechecked(self, state: _State, ranked: Sequence[Match], second: Sequence[Match] | None, now: float) -> None:
        """A track that has earned its person was looked at again."""
        policy = self.policy
        first_needed, second_needed = (
            (policy.similarity, policy.second)
            if state.aside or state.held is not None
            else (policy.stay, policy.second_stay)
        )
        if self._vote(ranked, first_needed) == state.person_id:
            agrees = self._agrees(state, state.person_id, second, second_needed)
            if agrees is None:
                self._no_answer(state, now)
                return
            if agrees:
                self._confirm(state)
                return
        if state.aside and not _names_another(ranked, state.person_id, policy.similarity):
            # `trust_s` goes on. Only further looks from aside wait: one at the face is due as it was.
            state.next_aside_s = state.asked_s + policy.recheck_s
            return
        weak = bool(ranked) and ranked[0].person_id == state.person_id and ranked[0].similarity >= policy.drop
        if weak and state.unsure == 0:
            state.unsure, state.next_look_s = 1, now
            state.second_due_s = -math.inf
        else:
            state.failures = 0
            state.void(Reason.DOUBTFUL, now + policy.first_looks_s)

    def _confirm(self, state: _State) -> None:
        if state.second_wanted:
            state.second_due_s = state.asked_s + self.policy.second_recheck_s
        state.confirmed_s, state.held, state.unsure = state.asked_s, None, 0
        # Over half a step of the looks early: where they are few, the next crop would be far too late.
        state.next_look_s = state.asked_s + self.policy.recheck_s - 0.6 * self._gap_s

    def _no_answer(self, state: _State, now: float) -> None:
        if state.earned:
            state.next_look_s = now  # `trust_s` bounds for how long
        else:
            self._pace(state)

    def _pace(self, state: _State) -> None:
        policy = self.policy
        state.failures += 1
        if state.failures < policy.patience:
            state.next_look_s = state.asked_s + policy.first_looks_s
            return
        state.reason = Reason.UNKNOWN
        first, longest = policy.retry_s
        unknown = sum(other.reason is Reason.UNKNOWN and other.in_last_look for other in self._states.values())
        longest = min(longest, max(first, unknown * policy.retry_share_s))
        state.next_look_s = state.asked_s + min(longest, first * 2 ** min(16, state.failures - policy.patience))

    def _people_changed(self, people: Mapping[PersonId, str], now: float) -> None:
        """Mask who is gone or changed now, look again at everybody else at once."""
        known, self._people = self._people, dict(people)
        for state in self._states.values():
            person = state.person_id
            state.failures = 0
            if person is None:
                state.void(Reason.PENDING, now)
            elif person not in people:
                state.void(Reason.EXPIRED, now)
            elif known.get(person) != people[person]:
                state.void(Reason.PENDING, now)
            else:
                state.next_look_s = now


def _names_another(ranked: Sequence[Match], person: PersonId | None, needed: float) -> bool:
    """Return whether a look is most like somebody else, and enough: whether that one may be seen here or not."""
    return bool(ranked) and ranked[0].person_id != person and ranked[0].similarity >= needed


def turn(landmarks: Sequence[float]) -> float:
    """Return how far the nose is from the middle of the eyes along their line, in distances between them.

    0 is frontal, negative to the left; infinite where the eyes coincide or a number is not finite.
    """
    x_left, y_left, x_right, y_right, x_nose, y_nose = (float(number) for number in landmarks[:6])
    dx, dy = x_right - x_left, y_right - y_left
    length = dx * dx + dy * dy
    along = (x_nose - (x_left + x_right) / 2) * dx + (y_nose - (y_left + y_right) / 2) * dy
    return along / length if length > 0 and math.isfinite(along) and math.isfinite(length) else math.inf
