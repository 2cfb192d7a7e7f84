"""A stream of made-up people through tracker, networks, identity machine and timeline: who was seen in what left."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from mosaicast.contracts.messages import Detections, FaceCrop, FaceDetection, TimeBase
from mosaicast.core.timeline import Timeline
from mosaicast.core.types import Box, Disposition, Verdict
from mosaicast.pipeline.decide import Decider, StreamRecognition
from mosaicast.pipeline.match import FaceMatcher
from services.recognizer.policy import policy_for, within_delay
from tests.services.recognizer.swap_people import OWNER, MadeEmbedder, MadeGallery, Numbers, People, crop_of
from tests.unit.core.identity_stage import ANA, Face, Frame, at

PLACE = at(640.0, 300.0, 120.0)
NETWORKS = ("mobilefacenet-512", "mobilefacenet-192")


@dataclass(frozen=True)
class Shown:
    """One face at one moment."""

    who: str
    kind: str = "frontal"
    box: Box = PLACE
    other: str = ""
    share: float = 0.0
    """Of the other in the mixture of both."""
    dim: float = 0.0
    """How far the light has gone out."""


Scene = Callable[[float], Sequence[Shown]]


@dataclass
class SwapStage:
    """Plays a scene. Ana is enrolled with one photo, nobody else.

    Args:
        people: has drawn everybody who comes.
        scene: what the camera sees.
        cuts_s: when a scene cut is seen.
        crops_every: samples from crop to crop.
        delay_s: of the stream.
        answer_s: from a picture to its verdict at the compositor.
        fits: whether the recognizer minds the delay.
    """

    people: People
    scene: Scene
    cuts_s: Sequence[float] = ()
    crops_every: int = 1
    delay_s: float = 1.0
    answer_s: float = 0.15
    fits: bool = True
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Enroll Ana."""
        matchers = []
        for network in range(2):
            gallery = MadeGallery(network)
            gallery.upsert_templates(OWNER, ANA, self.people.photo(ANA, network)[None])
            matchers.append(FaceMatcher(MadeEmbedder(self.people, network), gallery))
        policy = policy_for(NETWORKS)
        recognition = StreamRecognition(1, 0, within_delay(policy, self.delay_s) if self.fits else policy)
        recognition.people_changed({ANA: "1"})
        self._decider = Decider(recognition, matchers, Numbers(), OWNER, 0.03)
        self._times = TimeBase(1, 1000)

    def play(self, seconds: float) -> list[Frame]:
        """Play from 0 on, and return the frames, 30 a second, as they leave."""
        for seq in range(round(seconds * 10) + 12):
            self.verdicts.append(self._decider.take(self._detections(seq)).to_core())
        return list(self._frames(round(seconds * 30)))

    def _detections(self, seq: int) -> Detections:
        at_s = seq / 10
        cut = any(abs(cut_s - at_s) < 0.05 for cut_s in self.cuts_s)
        crops = seq % self.crops_every == 0
        return Detections(
            stream_id="s", epoch=1, seq=seq, pts=seq * 100, time_base=self._times, width=1280, height=720,
            scene_cut=cut, fingerprint=bytes(144), after_seq=seq - 1, model="made", read_ms=1,
            faces=tuple(self._detection(shown, crops) for shown in self.scene(at_s)),
        )  # fmt: skip

    def _detection(self, shown: Shown, crops: bool) -> FaceDetection:
        number = self.people.show(shown.who, shown.kind, shown.other, shown.share, shown.dim)
        x, y, side = shown.box.x1, shown.box.y1, shown.box.width
        points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
        landmarks = tuple(value for a, b in points for value in (x + a * side, y + b * side))
        crop = FaceCrop(jpeg=crop_of(number), origin_x=x, origin_y=y, scale=1.0) if crops else None
        return FaceDetection(box=shown.box, score=0.9, landmarks=landmarks, sharpness=100.0, crop=crop)  # type: ignore[arg-type]

    def _frames(self, count: int) -> Iterator[Frame]:
        line, coming = Timeline(), deque(self.verdicts)
        known_ahead_s = Fraction(self.delay_s - self.answer_s).limit_denominator(1000)
        for number in range(count):
            time = Fraction(number, 30)
            while coming and coming[0].time <= time + known_ahead_s:
                line.add(coming.popleft())
            line.forget_before(time)
            plan = line.plan(time)
            faces = [Face(one.who if not one.other else "mixture", one.box) for one in self.scene(float(time))]
            yield Frame(float(time), plan.regions, plan.disposition is Disposition.FULL_MOSAIC, faces)


def leaks(frames: Sequence[Frame]) -> list[float]:
    """Return when a stranger was seen. Mixtures of two are the compositor's to find (`core.transitions`)."""
    return [
        round(frame.time_s, 2)
        for frame in frames
        for face in frame.faces
        if face.who not in {ANA, "mixture"} and frame.shows(face)
    ]
