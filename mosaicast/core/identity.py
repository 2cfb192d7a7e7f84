"""Who may be seen: votes of one stream's tracks, and the decision about each at every look.

Masking needs nothing; un-masking needs several agreeing votes over time, a margin over the next person, a face that
is large and sharp enough, nobody else who claims the same person, and no doubt since. All of it is forgotten at the
first doubt. The machine takes events and returns commands; it reads no clock and does nothing itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mosaicast.core.tracking import Tracked
from mosaicast.core.types import Box, PersonId, Reason, TrackId, TrackVerdict


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """How much un-masking needs. Times in seconds of monotonic time.

    The similarities are cosines of dlib's 128-d descriptors, best of a person's photos. Measured on 24 persons of a
    labelled set of Korean public figures, 3 photos each, with CenterFace's landmarks (1656 comparisons of a stranger's
    photo with a person, 72 of the person's own): 0.965 is passed by 0.7 % of strangers' photos and 66 % of the
    person's own; no stranger passes it, nor 0.9633, with all three photos, which is what `votes` asks for.
    """

    similarity: float = 0.965
    margin: float = 0.004
    """Over the second-best person, at each vote."""
    stay: float = 0.955
    """Enough at a re-check of who is clear already: below it is doubt. Of the person's own photos 78 % pass."""
    drop: float = 0.93
    """A re-check below masks at once; one between may be a blurred instant, and is tried once more."""
    votes: int = 3
    span_s: float = 0.3
    """First to last of the agreeing looks: three looks at one instant are one look."""
    smallest_face_px: float = 40.0
    least_sharpness: float = 12.0
    turn_limit: float = 0.35
    """Nose from the middle of the eyes, in distances between the eyes (0: frontal); beyond, the face is turned away."""
    first_looks_s: float = 0.12
    """Between looks at a track that is not judged yet."""
    patience: int = 4
    """Looks without agreement after which it counts as unknown and is looked at less and less often ..."""
    retry_s: tuple[float, float] = (0.3, 4.0)
    """... after the first pause, doubling, up to the second: a crowd costs a look per face in 4 s."""
    recheck_s: float = 0.6
    """A clear track is looked at again so often; with 0.25 s to the next crop and the answer, within a second."""
    trust_s: float = 2.0
    """A clear track without a confirming look (turned away, recognizer too slow) is masked after so long."""
    answer_s: float = 1.0
    """An answer that did not come by then is not waited for."""
    gallery_trust_s: float = 0.6
    """The gallery was last heard of at most so long ago, or everybody is masked: with the next look, within 1 s."""
    forget_s: float = 1.0
    """A track that is not seen for so long is gone; the tracker gives it up earlier."""


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What is known of a face before it is embedded."""

    landmarks: Sequence[float]
    """x, y of left eye, right eye, nose tip, ..., in any one scale."""
    sharpness: float
    has_crop: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A person of the gallery and how alike, best first in lists."""

    person_id: PersonId
    similarity: float


@dataclass(frozen=True, slots=True)
class Looked:
    """Event: one look at the picture."""

    faces: Sequence[tuple[Tracked, FaceQuality]]
    gallery_seen_s: float | None
    """When the gallery last proved that it is there and that we know its newest state; None: it is away."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Event: what became of a wanted look."""

    track_id: TrackId
    ask: int
    """Of the command that asked."""
    matches: Sequence[Match] | None
    """Empty: like nobody. None: there is no answer (the face can't be embedded, the queue was full)."""


@dataclass(frozen=True, slots=True)
class PeopleChanged:
    """Event: the owner's enrolled people were read anew."""

    people: Mapping[PersonId, str]
    """Each with a text that differs whenever the templates do."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Command: publish this about the look, one verdict for each face, in order."""

    verdicts: tuple[TrackVerdict, ...]


@dataclass(frozen=True, slots=True)
class LookWanted:
    """Command: embed the face of this track, ask the gallery, and answer."""

    track_id: TrackId
    ask: int
    urgent: bool
    """The track is clear: being late masks it."""


Event = Looked | Answered | PeopleChanged
Command = Decided | LookWanted


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

    def void(self, reason: Reason, next_look_s: float) -> None:
        """Forget everything that speaks for a person, answers under way too."""
        self.reason, self.held = reason, None
        self.person_id = self.candidate = None
        self.agreed = self.unsure = 0
        self.ask = None
        self.next_look_s = next_look_s


class IdentityMachine:
    """The identities of one stream in one epoch."""

    def __init__(self, policy: IdentityPolicy | None = None) -> None:
        self.policy = policy or IdentityPolicy()
        self._states: dict[TrackId, _State] = {}
        self._people: dict[PersonId, str] = {}
        self._asks = 0

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in what happened and return what to do: for a look, one `Decided` first."""
        if isinstance(event, Looked):
            return self._looked(event, now)
        if isinstance(event, Answered):
            self._answered(event, now)
        else:
            self._people_changed(event.people, now)
        return []

    # --- looks ----------------------------------------------------------------------------------------------

    def _looked(self, event: Looked, now: float) -> list[Command]:
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
        return [decided, *(self._want(state, one.track_id, now) for state, one, _ in due)]

    def _state(self, one: Tracked) -> _State:
        # A new track with an id that we know (a tracker that began anew) is somebody else.
        if one.is_new or one.track_id not in self._states:
            self._states[one.track_id] = _State()
        return self._states[one.track_id]

    def _doubt(self, state: _State, one: Tracked, now: float) -> None:
        """Void what is known of a track that may have become somebody else."""
        if one.ambiguous or one.overlaps:
            state.void(Reason.CONFLICT, now)
        elif one.jumped:
            state.void(Reason.JUMP, now)
        elif state.earned and now - state.confirmed_s > self.policy.trust_s:
            state.void(Reason.DOUBTFUL, now)
        elif state.earned and not state.in_last_look:
            # Out of sight for a moment, somebody else may have come in its place: one full vote, at once.
            state.hold(Reason.DOUBTFUL, now)
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
            elif reason is Reason.PENDING and quality.has_crop and not self._fit(quality):
                reason = Reason.DOUBTFUL
        return TrackVerdict(one.track_id, one.box, False, reason)

    def _is_due(self, state: _State, one: Tracked, quality: FaceQuality, now: float) -> bool:
        if state.ask is not None or now < state.next_look_s or state.reason in {Reason.CONFLICT, Reason.JUMP}:
            return False
        return quality.has_crop and self._large(one.box) and self._fit(quality)

    def _want(self, state: _State, track_id: TrackId, now: float) -> LookWanted:
        self._asks += 1
        state.ask, state.asked_s = self._asks, now
        return LookWanted(track_id, self._asks, urgent=state.earned)

    def _large(self, box: Box) -> bool:
        return min(box.width, box.height) >= self.policy.smallest_face_px

    def _fit(self, quality: FaceQuality) -> bool:
        turned = abs(turn(quality.landmarks))
        return quality.sharpness >= self.policy.least_sharpness and turned <= self.policy.turn_limit

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
            self._rechecked(state, ranked, now)
        else:
            self._voted(state, self._vote(ranked), now)

    def _vote(self, ranked: Sequence[Match], needed: float | None = None) -> PersonId | None:
        """Return whom a look speaks for, None if for nobody."""
        if not ranked or ranked[0].similarity < (self.policy.similarity if needed is None else needed):
            return None
        second = next((m.similarity for m in ranked if m.person_id != ranked[0].person_id), -1.0)
        return ranked[0].person_id if ranked[0].similarity - second >= self.policy.margin else None

    def _voted(self, state: _State, person: PersonId | None, now: float) -> None:
        if person is None:
            state.void(state.reason, now)
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

    def _rechecked(self, state: _State, ranked: Sequence[Match], now: float) -> None:
        """A track that has earned its person was looked at again."""
        needed = self.policy.stay if state.held is None else self.policy.similarity
        if self._vote(ranked, needed) == state.person_id:
            self._confirm(state)
            return
        weak = bool(ranked) and ranked[0].person_id == state.person_id and ranked[0].similarity >= self.policy.drop
        if weak and state.unsure == 0:
            state.unsure, state.next_look_s = 1, now
        else:
            state.failures = 0
            state.void(Reason.DOUBTFUL, now + self.policy.first_looks_s)

    def _confirm(self, state: _State) -> None:
        state.confirmed_s, state.held, state.unsure = state.asked_s, None, 0
        state.next_look_s = state.asked_s + self.policy.recheck_s

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


def turn(landmarks: Sequence[float]) -> float:
    """Return how far the nose is from the middle of the eyes along their line, in distances between them.

    0 is frontal, negative to the left; infinite where the eyes coincide or a number is not finite.
    """
    x_left, y_left, x_right, y_right, x_nose, y_nose = (float(number) for number in landmarks[:6])
    dx, dy = x_right - x_left, y_right - y_left
    length = dx * dx + dy * dy
    along = (x_nose - (x_left + x_right) / 2) * dx + (y_nose - (y_left + y_right) / 2) * dy
    return along / length if length > 0 and math.isfinite(along) and math.isfinite(length) else math.inf
