"""Scripts of the identity machine: a stream at ten looks a second, and a gallery that answers as told."""

from collections.abc import Callable, Sequence

from mosaicast.core.identity import (
    Answered,
    Decided,
    EmbeddingWanted,
    FaceQuality,
    IdentityMachine,
    IdentityPolicy,
    Match,
    PeopleChanged,
    SampleTracked,
)
from mosaicast.core.tracking import Tracked
from mosaicast.core.types import Box, PersonId, Reason, TrackId, TrackVerdict

POLICY = IdentityPolicy()
FRONTAL = (30.0, 40.0, 70.0, 40.0, 50.0, 60.0, 35.0, 80.0, 65.0, 80.0)
TURNED = (30.0, 40.0, 70.0, 40.0, 86.0, 60.0, 35.0, 80.0, 65.0, 80.0)
GOOD = FaceQuality(FRONTAL, 100.0, has_crop=True)
SURE = 0.98
ANA, BEN = PersonId("ana"), PersonId("ben")
PEOPLE = {ANA: "1", BEN: "1"}


def like(person: PersonId, similarity: float = SURE) -> list[Match]:
    return [Match(person, similarity)]


def seen(track: int, side: float = 100.0, **flags: bool) -> Tracked:
    return Tracked(TrackId(track), Box(0, 0, side, side), 0, **flags)


class Script:
    """A stream at ten looks a second whose gallery answers as told, before the next look."""

    def __init__(self, policy: IdentityPolicy = POLICY) -> None:
        self.machine = IdentityMachine(policy)
        self.now = 100.0
        self.gallery_seen_s: float | None = None
        self.gallery_away = False
        self.wanted: list[EmbeddingWanted] = []
        self.second_says: Callable[[Sequence[Match]], Sequence[Match] | None] | None = None
        self.machine.handle(PeopleChanged(PEOPLE), self.now)

    def look(self, *faces: Tracked | tuple[Tracked, FaceQuality]) -> list[TrackVerdict]:
        """One look, 0.1 s after the last."""
        self.now += 0.1
        pairs = [(one, GOOD) if isinstance(one, Tracked) else one for one in faces]
        gallery_seen_s = self.gallery_seen_s if self.gallery_away else self.now
        decided, *wanted = self.machine.handle(SampleTracked(pairs, gallery_seen_s), self.now)
        assert isinstance(decided, Decided)
        self.wanted = [want for want in wanted if isinstance(want, EmbeddingWanted)]
        assert len(decided.verdicts) == len(faces)
        return list(decided.verdicts)

    def answer(self, want: EmbeddingWanted, matches: Sequence[Match] | None) -> None:
        """Answer a look; the second network agrees with the first unless `second_says` tells otherwise."""
        second = None
        best = max((match.similarity for match in matches or []), default=-1.0)
        if matches and want.second_from is not None and best >= want.second_from:
            second = matches if self.second_says is None else self.second_says(matches)
        assert self.machine.handle(Answered(want.track_id, want.ask, matches, second), self.now) == []

    def answer_all(self, **by_track: Sequence[Match] | None) -> int:
        """Answer what the last look asked for: t1=..., t2=...; return how much that was."""
        for want in self.wanted:
            self.answer(want, by_track.get(f"t{want.track_id}", []))
        answered, self.wanted = len(self.wanted), []
        return answered

    def watch(self, seconds: float, matches: Sequence[Match], *faces: Tracked) -> list[TrackVerdict]:
        """Look for so long; every wanted look gets the same answer. Return the last verdicts."""
        verdicts: list[TrackVerdict] = []
        for _ in range(round(seconds * 10)):
            verdicts = self.look(*(faces or (seen(1),)))
            self.answer_all(**{f"t{face.track_id}": matches for face in faces or (seen(1),)})
        return verdicts

    def earned(self, track: int = 1, person: PersonId = ANA) -> "Script":
        """Until a track is clear."""
        assert self.watch(1.0, like(person), seen(track))[0].person_id == person
        return self


def reasons(verdicts: Sequence[TrackVerdict]) -> list[Reason]:
    return [verdict.reason for verdict in verdicts]
