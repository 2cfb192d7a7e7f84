"""Scenes for tracker, identity machine and timeline together: scripted faces, a gallery that sees who is really there.

Ten looks a second. The detector sees every face that is not mostly behind another, cuts a crop
every third look, and the answer to a look comes with the next one. As in the recognizer, an answer speaks of the mean
of a track's newest looks, as far back as the machine says that the face was the same.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from mosaicast.core.identity import (
    Answered,
    Decided,
    EmbeddingWanted,
    FaceQuality,
    IdentityMachine,
    Match,
    PeopleChanged,
    SampleTracked,
)
from mosaicast.core.regions import Region
from mosaicast.core.timeline import Timeline
from mosaicast.core.tracking import Tracker, overlap_of_smaller
from mosaicast.core.types import Box, Disposition, PersonId, TrackId, TrackVerdict, Verdict
from tests.unit.core.identity_script import FRONTAL, TURNED

ANA = PersonId("ana")
LIKE, UNLIKE = 0.05, -0.1
"""Of Ana's own face, and of a stranger's, against the cohort scorer."""
KNOWN_AHEAD_S = Fraction(17, 20)
"""Of verdicts when a frame leaves: the default delay of 1 s, less what looking takes."""
HIDDEN = 0.6
"""A face so far behind another is not detected."""


@dataclass(frozen=True)
class Face:
    """Who is where: a person, or a picture of one."""

    who: str
    box: Box
    turned: bool = False


Scene = Callable[[float], Sequence[Face]]
"""The faces at a moment in seconds; later ones stand in front."""


def at(x: float, y: float = 200.0, width: float = 70.0) -> Box:
    """Return the box of a face centred there."""
    return Box(x - width / 2, y - width * 0.6, x + width / 2, y + width * 0.6)


@dataclass
class Frame:
    """One frame that left: what was painted, and who was there."""

    time_s: float
    regions: Sequence[Region]
    full: bool
    faces: Sequence[Face]

    def shows(self, face: Face) -> bool:
        """Return whether less than 90 % of a face is masked."""
        return not self.full and not any(_share(face.box, region.bounds) >= 0.9 for region in self.regions)


@dataclass
class Stage:
    """Plays a scene. Ana is enrolled, nobody else.

    Args:
        scene: what the camera sees.
        cuts_s: when a scene cut is seen.
    """

    scene: Scene
    cuts_s: Sequence[float] = ()
    verdicts: list[Verdict] = field(default_factory=list)
    rechecked_s: list[float] = field(default_factory=list)
    """When looks at clear tracks were asked for."""

    def __post_init__(self) -> None:
        """Enroll Ana."""
        self._tracker, self._machine = Tracker(), IdentityMachine()
        self._machine.handle(PeopleChanged({ANA: "1"}), 0.0)
        self._asked: list[tuple[EmbeddingWanted, str]] = []
        self._recent: dict[TrackId, list[tuple[int, float]]] = defaultdict(list)

    def play(self, seconds: float) -> list[Frame]:
        """Play from 0 on, and return the frames, 30 a second, as they leave."""
        for number in range(round(seconds * 10) + 10):
            self._look(Fraction(number, 10))
        return list(self._frames(round(seconds * 30)))

    def _look(self, time: Fraction) -> None:
        at_s = float(time)
        for want, who in self._asked:
            self._machine.handle(Answered(want.track_id, want.ask, *self._answer(want, who)), at_s)
        cut = any(abs(cut_s - at_s) < 0.05 for cut_s in self.cuts_s)
        seen = _detected(self.scene(at_s))
        tracked = self._tracker.update(time, [face.box for face in seen], scene_cut=cut)
        crops = round(at_s * 10) % 3 == 0
        qualities = [FaceQuality(TURNED if seen[one.index].turned else FRONTAL, 100.0, crops) for one in tracked]
        decided, *wanted = self._machine.handle(SampleTracked(list(zip(tracked, qualities, strict=True)), at_s), at_s)
        assert isinstance(decided, Decided)
        shown = {one.track_id: seen[one.index].who for one in tracked}
        self._asked = [(want, shown[want.track_id]) for want in wanted if isinstance(want, EmbeddingWanted)]
        self.rechecked_s += [at_s for want, _ in self._asked if want.urgent]
        self.verdicts.append(Verdict(time, decided.verdicts, cut))

    def _answer(self, want: EmbeddingWanted, who: str) -> tuple[list[Match], list[Match] | None]:
        looks = self._recent[want.track_id]
        looks.append((want.ask, LIKE if who == ANA else UNLIKE))
        same = [likeness for ask, likeness in looks if ask >= want.since][-want.window :]
        found = [Match(ANA, sum(same) / len(same))]
        asks_second = want.second_from is not None and found[0].similarity >= want.second_from
        return found, found if asks_second else None

    def _frames(self, count: int) -> Iterator[Frame]:
        line, coming = Timeline(), deque(self.verdicts)
        for number in range(count):
            time = Fraction(number, 30)
            while coming and coming[0].time <= time + KNOWN_AHEAD_S:
                line.add(coming.popleft())
            line.forget_before(time)
            plan = line.plan(time)
            full = plan.disposition is Disposition.FULL_MOSAIC
            yield Frame(float(time), plan.regions, full, self.scene(float(time)))


def tracks(stage: Stage) -> Iterator[TrackVerdict]:
    """Yield every decision on every track."""
    return (track for verdict in stage.verdicts for track in verdict.tracks)


def path(*stops: tuple[float, float]) -> Callable[[float], float | None]:
    """Return where somebody is who walks straight from stop to stop (seconds, x); nowhere before and after."""

    def x_at(time_s: float) -> float | None:
        for (start_s, x), (end_s, end_x) in pairwise(stops):
            if start_s <= time_s < end_s:
                return x + (end_x - x) * (time_s - start_s) / (end_s - start_s)
        return None

    return x_at


def cast(walks: Mapping[str, Callable[[float], float | None]]) -> Scene:
    """Return a scene of people who walk at one height, the last in front."""

    def scene(time_s: float) -> list[Face]:
        found = [(who, walk(time_s)) for who, walk in walks.items()]
        return [Face(who, at(x)) for who, x in found if x is not None]

    return scene


def leaks(frames: Sequence[Frame]) -> list[tuple[float, str]]:
    """Return when which face was seen that is not Ana's: of strangers who are in front, as a viewer sees them."""
    return [
        (round(frame.time_s, 2), face.who)
        for frame in frames
        for face in _detected(frame.faces)
        if face.who != ANA and frame.shows(face)
    ]


def seen_share(frames: Sequence[Frame], start_s: float, end_s: float) -> float:
    """Return in which share of the frames of a span Ana is seen."""
    own = [
        frame.shows(face)
        for frame in frames
        for face in frame.faces
        if face.who == ANA and start_s <= frame.time_s < end_s
    ]
    return sum(own) / len(own)


def _detected(faces: Sequence[Face]) -> list[Face]:
    overlap = overlap_of_smaller([face.box for face in faces])
    return [face for n, face in enumerate(faces) if all(overlap[n][m] < HIDDEN for m in range(n + 1, len(faces)))]


def _share(box: Box, region: Box) -> float:
    width = min(box.x2, region.x2) - max(box.x1, region.x1)
    height = min(box.y2, region.y2) - max(box.y1, region.y1)
    return max(0.0, width) * max(0.0, height) / box.area
