"""Who may be seen: votes of one stream's tracks, and the decision about each at every look.

Masking needs nothing; un-masking needs several agreeing votes over time, a margin over the next person, a face that
is large and sharp enough, nobody else who claims the same person, and no doubt since. All of it is forgotten at the
first doubt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mosaicast.core.tracking import Tracked
from mosaicast.core.types import Box, PersonId, Reason, TrackId, TrackVerdict


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """How much un-masking needs. Times in seconds of monotonic time.

    The similarities are cosines of dlib's 128-d descriptors. Measured on the 25 persons of the labelled set closest
    to our stills (3 references each, 3288 comparisons of strangers with their best reference): 0.965 is passed by
    0.1 % of single comparisons of strangers and by about 65 % of single photos of the person; a track needs three.
    """

    similarity: float = 0.965
    margin: float = 0.004
    """Over the second-best person, at each vote."""
    votes: int = 3
    span_s: float = 0.3
    """First to last of the agreeing votes: three looks at one blurred instant are one look."""
    smallest_face_px: float = 40.0
    least_sharpness: float = 12.0
    turn_limit: float = 0.35
    """Nose from the middle of the eyes, in distances between the eyes (0: frontal); beyond, the face is turned away."""
    first_looks_s: float = 0.12
    """Between looks at a track that is not judged yet."""
    patience: int = 6
    """Looks without agreement after which it counts as unknown and is looked at less and less often ..."""
    retry_s: tuple[float, float] = (0.6, 4.0)
    """... after the first pause, doubling, up to the second."""
    recheck_s: float = 0.8
    """A clear track is looked at again so often; with an answer that takes 0.2 s, masked within a second."""
    trust_s: float = 2.0
    """A clear track without a confirming look (turned away, recognizer too slow) is masked after so long."""
    answer_s: float = 1.0
    """An answer that did not come by then is not waited for."""


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What is known of a face before it is embedded."""

    box: Box
    landmarks: Sequence[float]
    sharpness: float
    has_crop: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A person of the gallery and how alike, best first in lists."""

    person_id: PersonId
    similarity: float


@dataclass(slots=True)
class _State:
    """What is known of one track."""

    reason: Reason = Reason.PENDING
    person_id: PersonId | None = None
    agreed: int = 0
    first_agreed_s: float = 0.0
    failures: int = 0
    next_look_s: float = 0.0
    asked_s: float | None = None
    asked_generation: int = 0
    confirmed_s: float = 0.0
    generation: int = 0
    """Rises when everything known is void: an answer that was asked for before counts for nothing."""
    candidate: PersonId | None = None
    seen: bool = field(default=True)


class IdentityMachine:
    """The identities of one stream in one epoch."""

    def __init__(self, policy: IdentityPolicy | None = None) -> None:
        self.policy = policy or IdentityPolicy()
        self._states: dict[TrackId, _State] = {}

    def look(
        self, tracked: Sequence[Tracked], faces: Mapping[TrackId, FaceQuality], now: float
    ) -> tuple[list[TrackVerdict], list[TrackId]]:
        """Decide about every face of one look, and name those to embed now.

        Args:
            tracked: the faces with their tracks.
            faces: quality of each, by track.
            now: monotonic seconds.
        """
        self._forget_others(tracked)
        for one in tracked:
            self._doubt(one, now)
        self._exclude_rivals(tracked, now)
        wanted = [one.track_id for one in tracked if self._wants_look(one.track_id, faces[one.track_id], now)]
        for track_id in wanted:
            state = self._states[track_id]
            state.asked_s, state.asked_generation = now, state.generation
        return [self._verdict(one, faces[one.track_id]) for one in tracked], wanted

    def answer(self, track_id: TrackId, matches: Sequence[Match] | None, now: float) -> None:
        """Take in the gallery's answer for a track.

        Args:
            matches: best first; empty: like nobody; None: the gallery is away, or the face could not be embedded.
        """
        state = self._states.get(track_id)
        if state is None or state.asked_s is None:
            return
        state.asked_s = None
        if state.asked_generation != state.generation:
            return
        if matches is None:
            self._reset(state, Reason.GALLERY_UNAVAILABLE)
            state.next_look_s = now + self.policy.recheck_s / 2
            return
        person = self._vote(matches)
        if person is None:
            self._against(state, now)
        else:
            self._for(state, person, now)

    def gallery_changed(self) -> None:
        """Ask again about everybody: people may have come, gone or changed. Who is clear must be confirmed at once."""
        for state in self._states.values():
            state.generation += 1
            state.asked_s = None
            state.next_look_s = 0.0
            state.failures = 0
            if state.reason is not Reason.ENROLLED:
                self._reset(state, Reason.PENDING)
            else:
                # Trusted for as long as two looks and an answer take, no longer.
                state.confirmed_s -= self.policy.trust_s - 0.5

    def _verdict(self, one: Tracked, face: FaceQuality) -> TrackVerdict:
        state = self._states[one.track_id]
        if state.reason is Reason.ENROLLED:
            return TrackVerdict(one.track_id, one.box, True, Reason.ENROLLED, state.person_id)
        reason = state.reason
        if reason in {Reason.PENDING, Reason.UNKNOWN} and not self._large(face):
            reason = Reason.TOO_SMALL
        return TrackVerdict(one.track_id, one.box, False, reason)

    def _forget_others(self, tracked: Sequence[Tracked]) -> None:
        # A track that is out of sight for one look keeps its state (the tracker may find it again), clear or not:
        # between two looks at which it is missing nothing of it is shown clear anyway.
        present = {one.track_id for one in tracked}
        for track_id in present - self._states.keys():
            self._states[track_id] = _State()
        for track_id, state in list(self._states.items()):
            if track_id in present:
                state.seen = True
            elif state.seen:
                state.seen = False
                if state.reason is Reason.ENROLLED:
                    state.agreed = 0  # one more confirmation is asked for when it is back
                    state.next_look_s = 0.0
        if len(self._states) > 4 * len(present) + 64:
            self._states = {track_id: state for track_id, state in self._states.items() if track_id in present}

    def _doubt(self, one: Tracked, now: float) -> None:
        """Void what is known of a track that may have become somebody else."""
        state = self._states[one.track_id]
        if one.ambiguous or one.overlaps:
            self._reset(state, Reason.CONFLICT)
            state.next_look_s = min(state.next_look_s, now)
        elif state.reason is Reason.CONFLICT:
            state.reason = Reason.PENDING
        if state.reason is Reason.ENROLLED and now - state.confirmed_s > self.policy.trust_s:
            self._reset(state, Reason.DOUBTFUL)
        if state.asked_s is not None and now - state.asked_s > self.policy.answer_s:
            state.asked_s = None

    def _exclude_rivals(self, tracked: Sequence[Tracked], now: float) -> None:
        """Nobody is in a picture twice: who claims a person whom another claims is masked, and so is the other."""
        claims: dict[PersonId, list[_State]] = {}
        for one in tracked:
            state = self._states[one.track_id]
            claimed = state.person_id if state.reason is Reason.ENROLLED else state.candidate
            if claimed is not None:
                claims.setdefault(claimed, []).append(state)
        for rivals in claims.values():
            if len(rivals) > 1:
                for state in rivals:
                    self._reset(state, Reason.CONFLICT)
                    state.next_look_s = now + self.policy.retry_s[0]

    def _wants_look(self, track_id: TrackId, face: FaceQuality, now: float) -> bool:
        state = self._states[track_id]
        if state.asked_s is not None or now < state.next_look_s or not face.has_crop:
            return False
        return self._large(face) and face.sharpness >= self.policy.least_sharpness and self._faces_us(face)

    def _large(self, face: FaceQuality) -> bool:
        return min(face.box.width, face.box.height) >= self.policy.smallest_face_px

    def _faces_us(self, face: FaceQuality) -> bool:
        x_left, y_left, x_right, y_right, x_nose = (float(number) for number in face.landmarks[:5])
        eyes = ((x_right - x_left) ** 2 + (y_right - y_left) ** 2) ** 0.5
        return bool(eyes > 0 and abs(x_nose - (x_left + x_right) / 2) / eyes <= self.policy.turn_limit)

    def _vote(self, matches: Sequence[Match]) -> PersonId | None:
        """Return whom a look speaks for, None if for nobody."""
        ranked = sorted(matches, key=lambda match: -match.similarity)
        if not ranked or not ranked[0].similarity >= self.policy.similarity:  # NaN is not larger either
            return None
        second = next((m.similarity for m in ranked if m.person_id != ranked[0].person_id), -1.0)
        return ranked[0].person_id if ranked[0].similarity - second >= self.policy.margin else None

    def _for(self, state: _State, person: PersonId, now: float) -> None:
        policy = self.policy
        if state.reason is Reason.ENROLLED and state.person_id == person:
            state.confirmed_s = now
            state.next_look_s = now + policy.recheck_s
            return
        if state.reason is Reason.ENROLLED or state.candidate != person:
            self._reset(state, Reason.PENDING)
            state.candidate, state.first_agreed_s = person, now
        state.agreed += 1
        state.failures = 0
        state.next_look_s = now + policy.first_looks_s
        if state.agreed >= policy.votes and now - state.first_agreed_s >= policy.span_s:
            state.reason, state.person_id = Reason.ENROLLED, person
            state.confirmed_s = now
            state.next_look_s = now + policy.recheck_s

    def _against(self, state: _State, now: float) -> None:
        policy = self.policy
        was_clear = state.reason is Reason.ENROLLED
        failures = 0 if was_clear else state.failures + 1
        self._reset(state, Reason.DOUBTFUL if was_clear else state.reason)
        state.failures = failures
        if failures < policy.patience:
            state.next_look_s = now + policy.first_looks_s
            return
        state.reason = Reason.UNKNOWN
        first, longest = policy.retry_s
        state.next_look_s = now + min(longest, first * 2 ** min(16, failures - policy.patience))

    @staticmethod
    def _reset(state: _State, reason: Reason) -> None:
        """Void everything that speaks for a person."""
        state.generation += 1
        state.reason = Reason.PENDING if reason is Reason.ENROLLED else reason
        state.person_id = state.candidate = None
        state.agreed = 0
