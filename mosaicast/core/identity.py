"""Who may be seen: a state machine for each track of one stream, and the decision about each at every sample.

Masking needs nothing; un-masking needs several agreeing votes over time, a margin over the next person, a face that
is large and sharp enough, nobody else who claims the same person, and no doubt since. All of it is forgotten at the
first doubt. The machine takes events and returns commands; it reads no clock and does nothing itself.

Time is the pictures' media time. When samples come in a burst, the time since a confirmation is what lies between the
pictures, however quickly they are worked off.

`core.identity_states.TRANSITIONS` is the table of where each track may stand and what leads where.
"""

import math
from collections.abc import Mapping, Sequence

from mosaicast.core import identity_views as views
from mosaicast.core import identity_votes as votes
from mosaicast.core.identity_events import (
    Answered,
    Command,
    Decided,
    EmbeddingWanted,
    Event,
    FaceQuality,
    IdentityPolicy,
    Likeness,
    Match,
    PeopleChanged,
    SampleTracked,
    View,
    ViewPolicy,
)
from mosaicast.core.identity_states import BARRED, Following, OwnLook, Request, Signal, Standing, Track
from mosaicast.core.identity_verdicts import is_fit, is_large, verdict_on
from mosaicast.core.identity_views import Finding
from mosaicast.core.mask_policy import MAX_GAP_S
from mosaicast.core.pose import yaw_ratio
from mosaicast.core.tracking import Tracked
from mosaicast.core.types import PersonId, TrackId

__all__ = [
    "Answered",
    "Command",
    "Decided",
    "EmbeddingWanted",
    "Event",
    "FaceQuality",
    "IdentityMachine",
    "IdentityPolicy",
    "Likeness",
    "Match",
    "PeopleChanged",
    "SampleTracked",
    "View",
    "ViewPolicy",
]


class IdentityMachine:
    """The identities of one stream in one epoch."""

    def __init__(self, policy: IdentityPolicy | None = None) -> None:
        self.policy = policy or IdentityPolicy()
        self._states: dict[TrackId, Track] = {}
        self._people: dict[PersonId, str] = {}
        self._asks = 0
        self._sample_s = self._gap_s = 0.0
        """When the newest sample was, and how long after the one before."""

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in what happened and return what to do: for a sample, one `Decided` first.

        Args:
            now: media time of the newest sample, seconds.
        """
        if isinstance(event, SampleTracked):
            return self._sample_tracked(event, now)
        if isinstance(event, Answered):
            self._answered(event, now)
        else:
            self._people_changed(event.people, now)
        return []

    # --- samples ----------------------------------------------------------------------------------------------

    def _sample_tracked(self, event: SampleTracked, now: float) -> list[Command]:
        gap_s, self._sample_s = max(0.0, now - self._sample_s), now
        self._gap_s = min(MAX_GAP_S, gap_s)
        seen_s = event.gallery_seen_s
        gallery = seen_s is not None and now - seen_s <= self.policy.gallery_trust_s
        seen = [(self._track(one), one, quality) for one, quality in event.faces]
        for track, one, _ in seen:
            if not track.presence.in_last_sample or (self.policy.views is not None and gap_s > MAX_GAP_S):
                track.lose_sight()
            self._doubt(track, one, now)
            track.presence.seen_s = now
        self._note_absent({one.track_id for one, _ in event.faces}, now)
        self._exclude_rivals([track for track, _, _ in seen], now)
        if not gallery:
            for track in self._states.values():
                if track.heeds(Signal.GALLERY_LOST):
                    track.hold(Signal.GALLERY_LOST, now)
        decided = Decided(tuple(verdict_on(self.policy, *face, now, gallery=gallery) for face in seen))
        due = [face for face in seen if gallery and self._is_due(*face, now)]
        return [decided, *(self._want(*face, now) for face in due)]

    def _track(self, one: Tracked) -> Track:
        # A new track with an id that we know (a tracker that began anew) is somebody else.
        if one.is_new or one.track_id not in self._states:
            self._states[one.track_id] = Track()
        return self._states[one.track_id]

    def _doubt(self, track: Track, one: Tracked, now: float) -> None:
        """Take the first signal of a sample that means something to the track as it stands."""
        signal, confirmed_s = self._signal(track, one, now), track.confirmation.confirmed_s
        if signal in {Signal.CROWDED, Signal.JUMPED, Signal.UNCONFIRMED}:
            lapses = signal is Signal.UNCONFIRMED and not track.confirmation.following.unproved
            track.void(signal, now)
            # Nothing spoke against it: up to the look that confirmed it last it was the person.
            track.confirmation.doubted_since_s = confirmed_s if lapses and self.policy.views else None
        elif signal is Signal.REAPPEARED:
            # Out of sight for a moment, somebody else may have come in its place: one full vote, at once.
            track.hold(signal, now)
        elif signal is not None:
            track.take(signal)
        if track.request.waits and now - track.request.asked_s > self.policy.answer_s:
            track.request.drop()

    def _signal(self, track: Track, one: Tracked, now: float) -> Signal | None:
        """Return the first signal of a sample that means something to the track, None if none does."""
        unconfirmed_s, waits, policy = now - track.confirmation.confirmed_s, track.request.waits, self.policy.views
        if policy is None:
            late, lapsed = waits and unconfirmed_s > self.policy.unanswered_s, False
        else:
            following = track.confirmation.following
            untold = track.standing is Standing.CLEAR and now - following.linked_s > policy.grace_s
            # Answers that come late, or none: it is masked until one says that it is still the same face.
            late, lapsed = untold and (waits or following.linked), untold and not (waits or following.linked)
        signals = (
            (Signal.CROWDED, one.ambiguous or one.overlaps),
            (Signal.JUMPED, one.jumped),
            (Signal.UNCONFIRMED, unconfirmed_s > self.policy.trust_s or lapsed),
            (Signal.REAPPEARED, not track.presence.in_last_sample),
            # It may have been somebody else since the last answer.
            (Signal.UNANSWERED, late),
            (Signal.SETTLED, track.standing is Standing.JUMP or now >= track.next_embedding_s),
        )
        return next((signal for signal, comes in signals if comes and track.heeds(signal)), None)

    def _note_absent(self, present: set[TrackId], now: float) -> None:
        for track_id, track in list(self._states.items()):
            track.presence.in_last_sample = track_id in present
            if now - track.presence.seen_s > self.policy.forget_s:
                del self._states[track_id]

    def _exclude_rivals(self, tracks: Sequence[Track], now: float) -> None:
        """Nobody is in a picture twice: two tracks that claim one person are both masked."""
        claims: dict[PersonId, list[Track]] = {}
        for track in tracks:
            if track.claim is not None:
                claims.setdefault(track.claim, []).append(track)
        for rivals in claims.values():
            if len(rivals) > 1:
                for track in rivals:
                    track.void(Signal.RIVALLED, now + self.policy.retry_s[0])

    def _is_due(self, track: Track, one: Tracked, quality: FaceQuality, now: float) -> bool:
        if track.request.waits or track.standing in BARRED:
            return False
        if self.policy.views is not None:
            return quality.has_crop and is_large(self.policy, one.box)
        if now < track.next_embedding_s and not self._is_worth_more(track, one, quality, now):
            return False
        from_aside = track.standing is Standing.CLEAR and now >= track.confirmation.next_aside_s
        limit = self.policy.recheck_yaw_limit if from_aside else self.policy.yaw_limit
        return quality.has_crop and is_large(self.policy, one.box) and is_fit(self.policy, quality, limit)

    def _is_worth_more(self, track: Track, one: Tracked, quality: FaceQuality, now: float) -> bool:
        """Return whether an unknown face is seen much better than when it was last embedded."""
        policy, last = self.policy, track.request
        if track.standing is not Standing.UNKNOWN or now < last.asked_s + policy.first_interval_s:
            return False
        larger = min(one.box.width, one.box.height) >= policy.larger * last.face_px
        return larger or abs(yaw_ratio(quality.landmarks)) <= last.turned - policy.more_frontal

    def _want(self, track: Track, one: Tracked, quality: FaceQuality, now: float) -> EmbeddingWanted:
        policy, self._asks = self.policy, self._asks + 1
        if track.presence.same_face_since is None:
            track.presence.same_face_since = self._asks
        if policy.views is not None:
            return self._want_view(track, one, now, policy.views)
        clear = track.standing is Standing.CLEAR
        turned = abs(yaw_ratio(quality.landmarks))
        aside = clear and turned > policy.yaw_limit
        lenient = clear and not aside
        asks_second = policy.second is not None and not (lenient and now < track.confirmation.second_due_s)
        track.request = Request(self._asks, now, min(one.box.width, one.box.height), turned, asks_second, aside)
        return EmbeddingWanted(
            one.track_id,
            self._asks,
            urgent=track.earned,
            since=track.presence.same_face_since,
            window=1 if track.earned else policy.window,
            second_from=(policy.stay if lenient else policy.similarity) if asks_second else None,
        )

    def _want_view(self, track: Track, one: Tracked, now: float, policy: ViewPolicy) -> EmbeddingWanted:
        """Ask all networks, whatever the first says: whether a look counts is up to all."""
        second = self.policy.second is not None
        track.request = Request(self._asks, now, min(one.box.width, one.box.height), asks_second=second)
        return EmbeddingWanted(
            one.track_id,
            self._asks,
            urgent=track.earned,
            since=track.presence.same_face_since or 0,
            window=1 if track.earned else self.policy.window,
            second_from=-math.inf if second else None,
            own=views.own_looks(track.confirmation.following, now, policy),
        )

    # --- answers --------------------------------------------------------------------------------------------

    def _answered(self, event: Answered, now: float) -> None:
        """Take an answer in. One to a request that is not waited for (any more) is ignored."""
        track = self._states.get(event.track_id)
        if track is None or track.request.number != event.ask:
            return
        track.request.drop()
        if event.matches is None:
            self._no_answer(track, now)
        elif self.policy.views is not None:
            self._viewed(track, event, self.policy.views, now)
        elif track.earned:
            self._rechecked(track, votes.ranked(event.matches), event.second, now)
        else:
            self._voted(track, votes.ranked(event.matches), event.second, now)

    def _voted(self, track: Track, found: Sequence[Match], second: Sequence[Match] | None, now: float) -> None:
        """A track that has not earned anybody was embedded."""
        person = self._speaks_for(found, self.policy.similarity)
        agrees = self._agrees(track, person, second, self.policy.second)
        if agrees is None:
            self._no_answer(track, now)
        elif person is None or not agrees:
            track.void(Signal.DISAGREED, now, same_face=True)
            self._pace(track)
        else:
            self._count(track, person, now)

    def _count(self, track: Track, person: PersonId, now: float) -> None:
        """Count a vote."""
        policy, candidacy, asked_s = self.policy, track.candidacy, track.request.asked_s
        if candidacy.person_id != person:
            candidacy.person_id, candidacy.agreed, candidacy.first_agreed_s = person, 0, asked_s
        candidacy.agreed += 1
        candidacy.failures = 0
        track.next_embedding_s = asked_s + policy.first_interval_s
        if candidacy.agreed >= policy.votes and asked_s - candidacy.first_agreed_s >= policy.span_s:
            track.confirmation.person_id = person
            self._confirm(track, Signal.EARNED, now)
        else:
            track.take(Signal.AGREED)

    def _speaks_for(self, found: Sequence[Match], needed: float) -> PersonId | None:
        return votes.speaks_for(found, self._people, needed, self.policy.margin)

    @staticmethod
    def _agrees(
        track: Track, person: PersonId | None, second: Sequence[Match] | None, needed: float | None
    ) -> bool | None:
        """Return whether the second network says the same; None: it was asked and did not answer."""
        if person is None or needed is None or not track.request.asks_second:
            return True
        return votes.agrees(person, second, needed)

    def _rechecked(self, track: Track, found: Sequence[Match], second: Sequence[Match] | None, now: float) -> None:
        """A track that has earned its person was embedded again."""
        policy, known, aside = self.policy, track.confirmation, track.request.aside
        full = aside or track.standing is not Standing.CLEAR
        first_needed, second_needed = (policy.similarity, policy.second) if full else (policy.stay, policy.second_stay)
        if self._speaks_for(found, first_needed) == known.person_id:
            agrees = self._agrees(track, known.person_id, second, second_needed)
            if agrees is None:
                self._no_answer(track, now)
                return
            if agrees:
                self._confirm(track, Signal.CONFIRMED, now)
                return
        if aside and not votes.names_another(found, known.person_id, policy.similarity):
            # `trust_s` goes on. Only further embeddings from aside wait: a frontal one is due as it was.
            known.next_aside_s = track.request.asked_s + policy.recheck_s
            return
        weak = bool(found) and found[0].person_id == known.person_id and found[0].similarity >= policy.drop
        if weak and known.unsure == 0:
            known.unsure, track.next_embedding_s = 1, now
            known.second_due_s = -math.inf
        else:
            track.candidacy.failures = 0
            track.void(Signal.DISPROVED, now + policy.first_interval_s)

    def _viewed(self, track: Track, event: Answered, policy: ViewPolicy, now: float) -> None:
        """Take an answer in that says how well the face was seen."""
        view, asked_s = event.view, track.request.asked_s
        if view is None or (track.request.asks_second and event.second is None):
            self._no_answer(track, now)
            return
        following = track.confirmation.following
        views.note_link(track.presence, following, view, asked_s, policy.proofs)
        if not track.earned:
            self._voted_at(track, event, view, now)
            return
        said = views.Said(votes.ranked(event.matches or []), event.second, view)
        what = views.finding(track, said, self.policy, self._people)
        views.note_finding(following, what, view, OwnLook(event.ask, asked_s), policy)
        if what in {Finding.CONFIRMED, Finding.KEPT}:
            self._confirm(track, Signal.CONFIRMED, now)
        elif what is Finding.FOLLOWED:
            self._confirm(track, Signal.FOLLOWED, now)
        elif what is Finding.UNSURE:
            track.confirmation.unsure = 1
        elif what is Finding.DISPROVED:
            track.candidacy.failures = 0
            track.void(Signal.DISPROVED, now)

    def _voted_at(self, track: Track, event: Answered, view: View, now: float) -> None:
        """A track that has not earned anybody was embedded, by networks that tell how well they saw it."""
        candidacy = track.candidacy
        candidacy.silent = 0 if view.votes else candidacy.silent + 1
        if not view.votes:
            return
        if view.before < Likeness.LIKE:  # the votes before may be another face's
            candidacy.person_id, candidacy.agreed = None, 0
        person = self._speaks_for(votes.ranked(event.matches or []), self.policy.similarity)
        if person is not None and self._agrees(track, person, event.second, self.policy.second):
            self._count(track, person, now)
            return
        if view.clear or view.before < Likeness.LIKE:
            track.void(Signal.DISAGREED, now, same_face=True)
        self._pace(track)

    def _confirm(self, track: Track, signal: Signal, now: float) -> None:
        if track.standing is not Standing.CLEAR:
            track.confirmation.earned_s = now
        track.take(signal)
        known, asked_s = track.confirmation, track.request.asked_s
        if signal is Signal.EARNED:
            known.following = Following(linked_s=asked_s)
        if track.request.asks_second:
            known.second_due_s = asked_s + self.policy.second_recheck_s
        known.confirmed_s, known.unsure = asked_s, 0
        # Over half a step of the samples early: where they are few, the next crop would be far too late.
        track.next_embedding_s = asked_s + self.policy.recheck_s - 0.6 * self._gap_s

    def _no_answer(self, track: Track, now: float) -> None:
        if track.earned:
            track.next_embedding_s = now  # `trust_s` bounds for how long
        else:
            self._pace(track)

    def _pace(self, track: Track) -> None:
        policy, candidacy, asked_s = self.policy, track.candidacy, track.request.asked_s
        candidacy.failures += 1
        if candidacy.failures < policy.patience:
            track.next_embedding_s = asked_s + policy.first_interval_s
            return
        track.take(Signal.GIVEN_UP)
        first, longest = policy.retry_s
        unknown = sum(t.standing is Standing.UNKNOWN and t.presence.in_last_sample for t in self._states.values())
        longest = min(longest, max(first, unknown * policy.retry_share_s))
        track.next_embedding_s = asked_s + min(longest, first * 2 ** min(16, candidacy.failures - policy.patience))

    def _people_changed(self, people: Mapping[PersonId, str], now: float) -> None:
        """Mask who is gone or changed now, embed everybody else again at once."""
        known, self._people = self._people, dict(people)
        for track in self._states.values():
            person = track.confirmation.person_id
            track.candidacy.failures = 0
            if person is None:
                track.void(Signal.PEOPLE_CHANGED, now)
            elif person not in people:
                track.void(Signal.PERSON_GONE, now)
            elif known.get(person) != people[person]:
                track.void(Signal.PERSON_CHANGED, now)
            else:
                track.take(Signal.PEOPLE_CHANGED)
                track.next_embedding_s = now
