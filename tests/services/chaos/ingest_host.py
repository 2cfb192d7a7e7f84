"""Ingest in virtual time: the real EpochWriter and ChildPipe behind a decoder that stands in."""

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mosaicast.adapters.media.source import EpochStarted, PacketRead
from mosaicast.adapters.media.times import Times
from mosaicast.contracts.messages import SampledFrame
from services.ingest import wire as ingest_wire
from services.ingest.child_pipe import NOTHING, ChildPipe
from services.ingest.epoch import EpochWriter
from tests.services.chaos.broadcast import (
    METRICS,
    STREAM,
    Part,
)
from tests.services.chaos.world import (
    PARAMETERS,
    TIME_BASE,
    Coded,
    Decoder,
    Pictured,
    data_of,
)

if TYPE_CHECKING:
    from tests.services.chaos.simulation import Simulation


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

    def __init__(self, sim: "Simulation") -> None:
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
            now_s=self.clock.monotonic_s, now_ms=self.clock.wall_ms, metrics=METRICS, bus=self.sim.producer
        )
        job = ingest_wire.Job(STREAM, "", live=True, epoch=self._epoch, analysis_fps=10, detection_threshold=0.2)
        after = self.child_pipe.total if self.child_pipe is not None else NOTHING
        return ChildPipe(job, None, context, self.tally, after)  # type: ignore[arg-type]
