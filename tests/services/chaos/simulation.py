"""One broadcast through the real parts, in virtual time, without a process, a thread or a socket.

Real: ingest's EpochWriter and ChildPipe, the detector's WaitingFrames, the recognizer's and the compositor's service
with everything that decides in them (StreamRecognition, StreamRunner, Ledger, Replay, Engine, EpochRun, DelayLine,
Evidence, Timeline). Stand-ins: the log, both decoders, the detector's and the recognizer's networks, the sink.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from mosaicast.adapters.media.source import EpochStarted, PacketRead
from mosaicast.adapters.media.times import Times
from mosaicast.contracts.messages import FaceCrop, FaceDetection, MediaPacket, Policy, SampledFrame, StreamSpec
from mosaicast.contracts.topics import DETECTIONS, FRAMES, MEDIA, VERDICTS
from mosaicast.core.identity import IdentityPolicy, Match
from mosaicast.core.regions import Region
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Box, Disposition, PersonId
from mosaicast.pipeline.analyse import _message as detections_of
from mosaicast.runtime.children import Exit
from mosaicast.runtime.metrics import Metrics
from services.compositor import child as child_module
from services.compositor import engine as engine_module
from services.compositor import epoch as epoch_module
from services.compositor import runner as runner_module
from services.compositor.engine import Engine
from services.compositor.runner import StreamRunner
from services.compositor.service import CompositorService
from services.compositor.wire import Report, to_child
from services.detector.waiting import Job, WaitingFrames
from services.ingest import child_pipe as child_pipe_module
from services.ingest import epoch as writer_module
from services.ingest import wire as ingest_wire
from services.ingest.child_pipe import NOTHING, ChildPipe
from services.ingest.epoch import EpochWriter
from services.recognizer import service as recognizer_module
from services.recognizer.policy import EmbeddingRequest
from services.recognizer.service import RecognizerService
from services.recognizer.worker import Answer, People
from tests.services.chaos.hops import SOUND, Clock, Hop, Producer, Reader, lossy, treacherous
from tests.services.chaos.world import (
    ENROLLED,
    PARAMETERS,
    TIME_BASE,
    Coded,
    Decoder,
    Pictured,
    Shown,
    World,
    data_of,
    number_in,
)

STREAM, OWNER = "st-1", "owner"
TOPICS = (MEDIA, FRAMES, DETECTIONS, VERDICTS)
PARTS = ("ingest", "detector", "recognizer", "compositor")
THEMES = (
    *(f"{kind} {topic.name}" for topic in TOPICS for kind in ("lossy", "treacherous", "stalled", "refused")),
    *(f"{kind} {part}" for part in PARTS for kind in ("stopped", "killed")),
    "busy pipe", "busy pipe at cuts", "twin times", "time goes back", "compositor cannot decode", "slow detector",
    "refreshed pictures", "compositor decodes wrongly",
)  # fmt: skip
"""What may go wrong in a broadcast: one to three of these do, the rest is sound, or nothing would ever be shown."""
TICK_S = 0.02
SECONDS = 5.0
COVERED = 0.9
_METRICS = Metrics()


@dataclass(frozen=True, slots=True)
class Leak:
    """A stranger who left the compositor uncovered."""

    number: int
    name: str
    disposition: str
    at_s: float


@dataclass(slots=True)
class Result:
    """What came of one broadcast."""

    leaks: list[Leak] = field(default_factory=list)
    painted: list[tuple[int, Fraction]] = field(default_factory=list)
    dispositions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    enrolled_seen: int = 0
    ingested: int = 0
    taken: int = 0
    outcomes: int = 0
    in_flight: int = 0
    unseen: int = 0
    """Units before the first message that came, and those after the last keyframe that did, if their epoch's end was
    lost: nobody downstream can know of them."""
    crashes: int = 0


class Simulation:
    """One seed.

    Args:
        themes: what goes wrong; drawn if none are given.
    """

    def __init__(self, seed: int, themes: frozenset[str] = frozenset()) -> None:
        rng = self.rng = Random(seed)
        assert themes <= set(THEMES)
        self.themes = themes or frozenset(rng.sample(THEMES, rng.choice([1, 2, 2, 3])))
        self.clock = Clock()
        refreshes = "refreshed pictures" in self.themes
        if refreshes:
            self.themes |= {"treacherous media"}  # a hole that a true keyframe does not mend
        self.world = World(rng, SECONDS, refreshes=refreshes)
        self.result = Result()
        self._start = self.clock.now
        self.hops = {topic.name: self._hop(topic.name) for topic in TOPICS}
        self._refusing = {topic.name: 0.03 if self.on(f"refused {topic.name}") else 0.0 for topic in TOPICS}
        self._refusing[MEDIA.name] /= 10
        self.producer = Producer(rng, self.hops, self._refusing.__getitem__)
        self.ingest = Ingest(self)
        self.detector = DetectorHost(self)
        self.recognizer = RecognizerHost(self)
        self.compositor = CompositorHost(self)

    def run(self) -> Result:
        end = self._start + SECONDS + 3.5
        while self.clock.now < end:
            self.clock.now += TICK_S
            for part in (self.ingest, self.detector, self.recognizer, self.compositor):
                if not part.stalled():
                    part.step()
        self.compositor.close()
        self._books()
        return self.result

    def spec(self) -> StreamSpec:
        delay_s = self.rng.choice([0.7, 1.0, 1.0, 2.0])
        return StreamSpec(stream_id=STREAM, owner_id=OWNER, revision=1, policy=Policy(delay_s=delay_s),
                          visible_until={ENROLLED: 4_000_000_000_000})  # fmt: skip

    def on(self, theme: str) -> bool:
        """Whether it goes wrong in this broadcast."""
        return theme in self.themes

    def _hop(self, name: str) -> Hop:
        faults = lossy(self.rng) if self.on(f"lossy {name}") else SOUND
        if self.on(f"treacherous {name}"):
            faults = treacherous(self.rng)
        return Hop(self.rng, faults, self.clock, self.spans(f"stalled {name}"))

    def spans(self, theme: str) -> list[tuple[float, float]]:
        """Draw three spans of time within the broadcast, if the theme is on."""
        begins = [self._start + self.rng.uniform(0.3, SECONDS) for _ in range(3)] if self.on(theme) else []
        return [(begin, begin + self.rng.uniform(0.05, 1.0)) for begin in begins]

    def _books(self) -> None:
        ledger, result = self.compositor.runner.ledger, self.result
        result.ingested = self.ingest.frames_ingested
        result.taken, result.in_flight = ledger.taken, ledger.in_flight
        result.outcomes = ledger.outcomes.total()
        units, known = self.ingest.units, self.compositor.known
        first = self.compositor.first
        if first is not None:
            result.unseen += sum(count for epoch, count in units.items() if epoch < first[0]) + first[1]
            result.unseen += sum(count - known.get(epoch, 0) for epoch, count in units.items() if epoch >= first[0])


class Part:
    """A process: it may stand still for a while, and may be killed."""

    def __init__(self, sim: Simulation, name: str) -> None:
        self.sim, self.rng, self.clock = sim, sim.rng, sim.clock
        self._stalls = sim.spans(f"stopped {name}")
        self._deaths = sorted(begin for begin, _ in sim.spans(f"killed {name}"))

    def stalled(self) -> bool:
        return any(begin <= self.clock.now < end for begin, end in self._stalls)

    def dies(self) -> bool:
        if self._deaths and self.clock.now >= self._deaths[0]:
            self._deaths.pop(0)
            return True
        return False

    def step(self) -> None:
        raise NotImplementedError


class Pipe:
    """The child's end of ingest's pipe, straight into the parent's."""

    def __init__(self, ingest: "Ingest") -> None:
        self.counters: Counter[str] = Counter()
        self._ingest = ingest

    def send(self, raw: bytes) -> None:
        child_pipe = self._ingest.child_pipe
        child_pipe._handle(raw)
        assert child_pipe.violation is None

    def offer(self, raw: bytes) -> bool:
        sample = ingest_wire.unpack(raw)
        cut = isinstance(sample, SampledFrame) and sample.scene_cut
        if self._ingest.rng.random() < (self._ingest.busy_at_cuts if cut else self._ingest.busy):
            return False
        self.send(raw)
        return True


class Ingest(Part):
    """Reads the world's packets as they are due, through a real EpochWriter and ChildPipe."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim, "ingest")
        self.busy = self.rng.choice([0.1, 0.3]) if sim.on("busy pipe") else 0.0
        self.busy_at_cuts = 0.5 if sim.on("busy pipe at cuts") else 0.0
        self.twins = 0.02 if sim.on("twin times") else 0.0
        self.tally: Counter[str] = Counter()
        self.units: dict[int, int] = {}
        self._coded = list(sim.world.coded)
        self._step_back = self.rng.choice([40, 417, 2000]) if sim.on("time goes back") else 0
        self._steps_at = self.rng.randrange(len(self._coded))
        self._read = self._lag = 0
        self._epoch = 0
        self._anew = True
        self._writer: EpochWriter | None = None
        self._decoder = Decoder(sim.world, self.rng)
        self._numbers: dict[int, int] = {}
        self.child_pipe: ChildPipe = None  # type: ignore[assignment]
        self.child_pipe = self._new_child_pipe()

    @property
    def frames_ingested(self) -> int:
        return self.tally["frames_ingested"]

    def step(self) -> None:
        if self.dies():
            self.child_pipe._end_epoch()
            self._begin_anew(told=False)
            self.child_pipe = self._new_child_pipe()
        fps = self.sim.world.fps
        while self._read < len(self._coded) and (self._read + 3) / fps <= self.clock.now - self.sim._start:
            self._take(self._coded[self._read])
            self._read += 1
        if self._read == len(self._coded) and self._writer is not None:
            self._end()

    def _take(self, coded: Coded) -> None:
        ms = 1000 // self.sim.world.fps
        if self._read == self._steps_at and self._step_back:
            self._lag += self._step_back
            self._begin_anew(told=True)
        if self.child_pipe.lossy.is_set():
            self.child_pipe.lossy.clear()
            self._anew = True
        if self._anew and coded.kind == b"I":
            self._begin_anew(told=True)
            self._begin()
        if self._writer is None:
            return
        # Pictures are shown two packets after they are sent at the latest.
        times = Times((coded.number + 2) * ms - self._lag + 5000, self._read * ms - self._lag + 5000, ms)
        if self.rng.random() < self.twins and coded.kind == b"P":
            times = Times(times.pts - ms, times.dts, ms)
        packet = PacketRead("video", times, TIME_BASE, coded.keyframe, data_of(coded))
        self._writer.add_packet(packet)
        self.units[self._writer.number] = self._writer._unit
        newest = self.child_pipe._newest
        assert newest is not None
        self._show(self._decoder.decode(newest))

    def _begin(self) -> None:
        self._epoch = max(self._epoch + 1, self.clock.wall_ms())
        start = EpochStarted((PARAMETERS,))
        settings = ingest_wire.Command(self.sim.compositor.spec.policy.analysis_fps, 0.2)
        self._writer = EpochWriter(STREAM, self._epoch, start, settings, Pipe(self))  # type: ignore[arg-type]
        self._decoder = Decoder(self.sim.world, self.rng)
        self._anew = False

    def _begin_anew(self, *, told: bool) -> None:
        """End the epoch; the next begins at the next keyframe."""
        if self._writer is not None and told:
            self._end()
        self._writer, self._anew = None, True

    def _end(self) -> None:
        assert self._writer is not None
        self._show(self._decoder.flush())
        self._writer.end()
        self._writer = None

    def _show(self, decoded: list[Any]) -> None:
        assert self._writer is not None
        for one in decoded:
            self._writer.add_picture(Pictured(self.sim.world, one.frame.number, one.pts))  # type: ignore[arg-type]

    def _new_child_pipe(self) -> ChildPipe:
        context = SimpleNamespace(
            now_s=self.clock.monotonic_s, now_ms=self.clock.wall_ms, metrics=_METRICS, bus=self.sim.producer
        )
        job = ingest_wire.Job(STREAM, "", live=True, epoch=self._epoch, analysis_fps=10, detection_threshold=0.2)
        after = self.child_pipe.total if self.child_pipe is not None else NOTHING
        return ChildPipe(job, None, context, self.tally, after)  # type: ignore[arg-type]


class DetectorHost(Part):
    """One worker in front of real WaitingFrames."""

    def __init__(self, sim: Simulation) -> None:
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

    def __init__(self, sim: Simulation) -> None:
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
            _METRICS,
            "r",
            IdentityPolicy(second=None),
        )
        self.service.on_assigned(frozenset({0}))
        self.service._events.put(People(OWNER, {PersonId(ENROLLED): "1"}))
        self._specs = OneSpec(self.sim)


class OneSpec:
    """Reads the stream's spec once."""

    def __init__(self, sim: Simulation) -> None:
        self._sim, self._told = sim, False

    def poll(self, timeout_s: float) -> list[Any]:
        if self._told:
            return []
        self._told = True
        return [SimpleNamespace(partition=0, key=STREAM, message=self._sim.compositor.spec)]


class FakeChild:
    """A child that is an engine in this process."""

    pid, connection = 1, None

    def __init__(self, host: "CompositorHost") -> None:
        self.exit: Exit | None = None
        self.engine = Engine(FakeSink, host.clock.wall_ms)

    def kill(self) -> None:
        self.exit = self.exit or Exit("signal", 9)

    def stop(self, grace_s: float = 2.0) -> Exit | None:
        return self.exit


class FakePipe:
    """The child's end: what the runner has not sent yet."""

    def __init__(self, unsent: Any) -> None:
        self._unsent = unsent

    def poll(self, timeout_s: float) -> bool:
        return not self._unsent.empty()

    def recv_bytes(self) -> bytes:
        return to_child(self._unsent.get_nowait())


class MediaLog(Reader):
    """Notes the first packet that comes out of the log."""

    def __init__(self, *hops: Hop) -> None:
        super().__init__(*hops)
        self.first: tuple[int, int] | None = None

    def poll(self, timeout_s: float) -> list[Any]:
        received = super().poll(timeout_s)
        for one in received:
            if isinstance(one.message, MediaPacket) and self.first is None:
                self.first = one.message.epoch, one.message.unit
        return received


class FakeSink:
    """Where frames go; what they show was looked at when they were painted."""

    def __init__(self, video: Any, audio: Any) -> None:
        self.video, self.audio = video, audio

    def write_frame(self, frame: Any, time_s: float, *, force_keyframe: bool = False) -> None: ...

    def write_audio(self, packet: Any, time_s: float) -> None: ...

    def close(self) -> None: ...


class NoThread:
    """What would run in the runner's threads is done by `CompositorHost.step`."""

    def __init__(self, **_: object) -> None: ...

    def start(self) -> None: ...

    def join(self, timeout_s: float) -> None: ...


class CompositorHost(Part):
    """The real service and runner; the child's part of the work is done here."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim, "compositor")
        self.spec = sim.spec()
        self._fails = 0.02 if sim.on("compositor cannot decode") else 0.0
        self._errs = 0.4 if sim.on("compositor decodes wrongly") else 0.0
        self.known: dict[int, int] = {}
        """What the runner knows of each epoch's units."""
        self.child: FakeChild | None = None
        self.service = CompositorService(self._spawn, sim.producer, _METRICS, "c", self.clock.monotonic_s)
        self.service.on_assigned(frozenset({0}))
        self._log = MediaLog(sim.hops[MEDIA.name], sim.hops[VERDICTS.name])
        self._specs = OneSpec(sim)
        self._last_runner: StreamRunner | None = None

    @property
    def first(self) -> tuple[int, int] | None:
        """Epoch and unit of the first packet that came."""
        return self._log.first

    def decoder(self) -> Decoder:
        """Make the child's decoder."""
        return Decoder(self.sim.world, self.rng, self._fails, self._errs)

    @property
    def runner(self) -> StreamRunner:
        self._last_runner = self.service._runners.get(STREAM, self._last_runner)
        assert self._last_runner is not None
        return self._last_runner

    def step(self) -> None:
        self.service.step(self._log, self._specs)
        if STREAM not in self.service._runners:
            return
        runner = self.runner
        self.known = dict(runner._numbers._next)
        link = runner._link
        if link is not None:
            self._work(link)

    def close(self) -> None:
        assert self.runner is not None
        self.service._forget(STREAM)

    def _spawn(self, stream_id: str) -> Any:
        return FakeChild(self)

    def _work(self, link: Any) -> None:
        child: FakeChild = link.child
        dies = self.dies()
        pipe = FakePipe(link.unsent)
        while pipe.poll(0):
            child_module.take(pipe, child.engine, frozenset({"h264"}), child.engine.on_spec)  # type: ignore[arg-type]
        child.engine.step(self.clock.now)
        if dies:
            self.sim.result.crashes += 1
            child.kill()  # what it showed just now it never told
        else:
            self.runner._reports.put((link, Report(child.engine.take_outcomes())))


def simulate(seed: int, patch: pytest.MonkeyPatch, themes: frozenset[str] = frozenset()) -> Result:
    """Run one seed. `patch` is left with stand-ins in the modules of the services."""
    sim = Simulation(seed, themes)
    _stand_in(sim, patch)
    return sim.run()


def _stand_in(sim: Simulation, patch: pytest.MonkeyPatch) -> None:
    clock, result = sim.clock, sim.result
    show = _SHOW

    def note(engine: Engine, run: Any, ready: Any, now: float) -> None:
        result.painted.append((run.epoch, ready.time))
        show(engine, run, ready, now)

    patch.setattr(epoch_module, "PacketDecoder", lambda _: sim.compositor.decoder())
    patch.setattr(epoch_module, "thumbnail_of", lambda frame: frame.thumbnail)
    patch.setattr(engine_module, "to_yuv420", lambda frame: frame)
    patch.setattr(
        engine_module, "paint", lambda frame, plan, style: _judge(result, frame, plan, clock.now - sim._start)
    )
    patch.setattr(Engine, "_show", note)
    patch.setattr(runner_module, "threading", SimpleNamespace(Thread=NoThread))
    for module in (recognizer_module, child_module, writer_module, child_pipe_module):
        for name in ("monotonic_s", "wall_ms"):
            patch.setattr(module, name, getattr(clock, name), raising=False)


_SHOW = Engine._show


def _judge(result: Result, frame: Shown, plan: FramePlan, at_s: float) -> None:
    """Look at a frame as a viewer would."""
    result.dispositions[plan.disposition.value] += 1
    result.reasons[plan.full_reason or ""] += 1
    if plan.disposition is Disposition.FULL_MOSAIC:
        return
    for name, box in frame.faces:
        covered = _covered(box, plan.regions)
        if name == ENROLLED:
            result.enrolled_seen += covered < COVERED
        elif covered < COVERED:
            result.leaks.append(Leak(frame.number, name, plan.disposition.value, at_s))


def _covered(box: Box, regions: Sequence[Region]) -> float:
    bounds = [region.bounds for region in regions]
    points = list(_points(box))
    return sum(any(r.x1 <= x <= r.x2 and r.y1 <= y <= r.y2 for r in bounds) for x, y in points) / len(points)


def _points(box: Box) -> Iterator[tuple[float, float]]:
    for across in range(5):
        for down in range(5):
            yield box.x1 + (across + 0.5) / 5 * box.width, box.y1 + (down + 0.5) / 5 * box.height
