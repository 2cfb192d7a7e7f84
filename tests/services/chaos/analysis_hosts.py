"""Detector and recognizer in virtual time: the real parts, with networks that know faces by their names."""

from typing import TYPE_CHECKING, Any

from mosaicast.contracts.messages import FaceCrop, FaceDetection
from mosaicast.contracts.topics import DETECTIONS, FRAMES
from mosaicast.core.identity import IdentityPolicy, Match
from mosaicast.core.types import Box, PersonId
from mosaicast.pipeline.analyse import _message as detections_of
from services.detector.waiting import Job, WaitingFrames
from services.recognizer.policy import EmbeddingRequest
from services.recognizer.service import RecognizerService
from services.recognizer.worker import Answer, People
from tests.services.chaos.broadcast import METRICS, OWNER, OneSpec, Part
from tests.services.chaos.hops import Reader
from tests.services.chaos.world import (
    ENROLLED,
    number_in,
)

if TYPE_CHECKING:
    from tests.services.chaos.simulation import Simulation


class DetectorHost(Part):
    """One worker in front of real WaitingFrames."""

    def __init__(self, sim: "Simulation") -> None:
        super().__init__(sim, "detector")
        self.slow = self.rng.choice([0.12, 0.2]) if sim.on("slow detector") else self.rng.choice([0.01, 0.03])
        self._hiccups = 0.04 if sim.on("slow detector") else 0.0
        self._reader = Reader(sim.hops[FRAMES.name])
        self._waiting = WaitingFrames()
        self._job: Job | None = None
        self._done_s = 0.0

    def step(self) -> None:
        if self.dies():
            self._waiting, self._job = WaitingFrames(), None
        for received in self._reader.poll(0):
            self._waiting.offer(received.message, 0, self.clock.now)
        if self._job is not None and self.clock.now >= self._done_s:
            published = self.sim.producer.send(DETECTIONS, detections_of("fake", self._job, self._faces(self._job)))
            self._waiting.finish(self._job, published=published)
            self._job = None
        if self._job is None:
            self._job = next(iter(self._waiting.take(1)), None)
            hiccup = self.rng.uniform(0.2, 0.8) if self.rng.random() < self._hiccups else 0.0
            self._done_s = self.clock.now + self.rng.uniform(0.5, 1.5) * self.slow + hiccup

    def _faces(self, job: Job) -> tuple[FaceDetection, ...]:
        faces = self.sim.world.found(number_in(job.frame.jpeg))
        return tuple(_detection(name, box) for name, box in faces.items())


def _detection(name: str, box: Box) -> FaceDetection:
    def point(x: float, y: float) -> tuple[float, float]:
        return box.x1 + x * box.width, box.y1 + y * box.height

    landmarks = (*point(0.3, 0.4), *point(0.7, 0.4), *point(0.5, 0.6), *point(0.35, 0.8), *point(0.65, 0.8))
    crop = FaceCrop(jpeg=name.encode(), origin_x=box.x1, origin_y=box.y1, scale=1.0)
    return FaceDetection(box=box, score=0.9, landmarks=landmarks, sharpness=100.0, crop=crop)


class FakeWorker:
    """Knows faces by their names; its answers take a while."""

    ready, failure = True, None

    def __init__(self, host: "RecognizerHost") -> None:
        self._host = host
        self._answers: list[tuple[float, Answer]] = []
        self._tell: Any = None

    def follow(self, owner: str) -> None: ...

    def gallery_seen_s(self, owner: str) -> float:
        return self._host.clock.now

    def ask(self, looks: list[EmbeddingRequest]) -> None:
        for look in looks:
            assert look.face.crop is not None
            known = look.face.crop.jpeg == ENROLLED.encode()
            answer = Answer(look, [Match(PersonId(ENROLLED), 0.02 if known else -0.2)])
            self._answers.append((self._host.clock.now + self._host.rng.uniform(0.03, 0.15), answer))

    def answer(self) -> None:
        due = [answer for due_s, answer in self._answers if due_s <= self._host.clock.now]
        self._answers = [one for one in self._answers if one[0] > self._host.clock.now]
        for answer in due:
            self._tell(answer)


class RecognizerHost(Part):
    """The real service, with a worker that needs no network."""

    def __init__(self, sim: "Simulation") -> None:
        super().__init__(sim, "recognizer")
        self._detections = Reader(sim.hops[DETECTIONS.name])
        self._begin()

    def step(self) -> None:
        if self.dies():
            self._begin()
        self._worker.answer()
        self.service.step(self._detections, self._specs, Reader())

    def _begin(self) -> None:
        self._worker = FakeWorker(self)

        def make(tell: Any) -> Any:
            self._worker._tell = tell
            return self._worker

        self.service = RecognizerService(
            self.sim.producer,
            make,
            METRICS,
            "r",
            IdentityPolicy(second=None),
        )
        self.service.on_assigned(frozenset({0}))
        self.service._events.put(People(OWNER, {PersonId(ENROLLED): "1"}))
        self._specs = OneSpec(self.sim)
