"""The compositor in virtual time: the real service, runner and engine, with a decoder and a sink that stand in."""

from typing import TYPE_CHECKING, Any

from mosaicast.contracts.messages import MediaPacket
from mosaicast.contracts.parts import Joiner
from mosaicast.contracts.topics import MEDIA, VERDICTS
from mosaicast.runtime.children import Exit
from services.compositor import child as child_module
from services.compositor.engine import Engine
from services.compositor.runner import StreamRunner
from services.compositor.service import CompositorService
from services.compositor.wire import Report, to_child
from tests.services.chaos.broadcast import METRICS, STREAM, OneSpec, Part
from tests.services.chaos.hops import Hop, Reader
from tests.services.chaos.world import (
    Decoder,
)

if TYPE_CHECKING:
    from tests.services.chaos.simulation import Simulation


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
    """Notes the first packet that comes out of the log, whole."""

    def __init__(self, *hops: Hop) -> None:
        super().__init__(*hops)
        self.first: tuple[int, int] | None = None
        self._joiner = Joiner()

    def poll(self, timeout_s: float) -> list[Any]:
        received = super().poll(timeout_s)
        for one in received:
            if isinstance(one.message, MediaPacket) and self.first is None:
                packet = self._joiner.add(one.message)
                self.first = None if packet is None else (packet.epoch, packet.unit)
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

    def __init__(self, sim: "Simulation") -> None:
        super().__init__(sim, "compositor")
        self.spec = sim.spec()
        self._fails = 0.02 if sim.on("compositor cannot decode") else 0.0
        self._errs = 0.4 if sim.on("compositor decodes wrongly") else 0.0
        self.known: dict[int, int] = {}
        """What the runner knows of each epoch's units."""
        self.child: FakeChild | None = None
        self.service = CompositorService(self._spawn, sim.producer, METRICS, "c", self.clock.monotonic_s)
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
