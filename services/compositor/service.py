"""The compositor's loop: the log in, children out, reports up."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from mosaicast.contracts.messages import MediaPacket, Message, OutgoingFaces, StreamSpec, VerdictMessage
from mosaicast.contracts.topics import STATUS, Topic
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics, StreamSeries
from services.compositor.hls import HlsOutput
from services.compositor.outgoing import OutgoingPictures
from services.compositor.reports import Reports
from services.compositor.runner import Spawn, StreamRunner

POLL_S = 0.02
REPORT_S = 1.0
IDLE_S = 60.0
"""A child without packets for so long is stopped; the next packet starts another."""
UNPUBLISHED_S = 5.0
"""The same after its publisher has gone. One who reconnects sooner finds the child, and viewers stay connected."""


class Received(Protocol):
    """A message as the bus hands it over."""

    @property
    def partition(self) -> int:
        """The partition that it came from."""

    @property
    def key(self) -> str:
        """The stream."""

    @property
    def message(self) -> Any:
        """The decoded message, None for a tombstone."""


class Reader(Protocol):
    """The bus's reading side."""

    def poll(self, timeout_s: float) -> Sequence[Received]:
        """Return what has arrived, waiting at most `timeout_s`."""


class Producer(Protocol):
    """The bus's writing side."""

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        """Hand over a message without blocking; False: it was dropped."""


class CompositorService:
    """Runs until told to stop. All its state belongs to the thread that calls `run`.

    Args:
        spawn: starts the child of a stream.
        producer: where reports go.
        metrics: where outcomes are counted.
        instance: our name in reports.
        clock: monotonic seconds.
        make_hls: makes the HLS of a stream; it returns None where there is none.
    """

    def __init__(  # noqa: PLR0913 - the last two have defaults that only tests and the composition root replace
        self,
        spawn: Spawn,
        producer: Producer,
        metrics: Metrics,
        instance: str,
        clock: Callable[[], float] = monotonic_s,
        *,
        make_hls: Callable[[str], HlsOutput | None] = lambda _: None,
    ) -> None:
        self._spawn = spawn
        self._make_hls = make_hls
        self._producer = producer
        self._metrics = metrics
        self._series = StreamSeries(metrics)
        self._reports = Reports(metrics, instance)
        self._specs: dict[str, StreamSpec] = {}
        self._deleted: set[str] = set()
        self._runners: dict[str, StreamRunner] = {}
        self._leftovers: dict[str, HlsOutput] = {}
        """HLS of streams that are not ours any more and whose files could not be deleted yet."""
        self._partition_of: dict[str, int] = {}
        self._partitions: frozenset[int] = frozenset()
        self._clock = clock
        self._guard = OutgoingPictures(producer, metrics, clock)
        self._reported_s = clock()

    @property
    def ready(self) -> bool:
        """Whether the bus has given us partitions."""
        return bool(self._partitions)

    def on_assigned(self, partitions: frozenset[int]) -> None:
        """The bus gave us these partitions besides those we have."""
        self._partitions |= partitions

    def on_revoked(self, partitions: frozenset[int]) -> None:
        """The bus took these partitions: their streams are another instance's now."""
        self._partitions -= partitions
        for stream_id, partition in list(self._partition_of.items()):
            if partition in partitions:
                self._forget(stream_id)
                self._series.moved(stream_id, self._clock())

    def run(self, log: Reader, specs: Reader, stop: StopEvent) -> None:
        """Work until `stop` is set, then end the children."""
        try:
            while not stop.is_set():
                self.step(log, specs)
        finally:
            for stream_id in list(self._runners):
                self._forget(stream_id)

    def step(self, log: Reader, specs: Reader) -> None:
        """Take in what has arrived and do what is due."""
        for received in specs.poll(0):
            self._on_spec(received.key, received.message)
        for received in log.poll(POLL_S):
            self._on_message(received)
        now = self._clock()
        for runner in list(self._runners.values()):
            runner.tick(now)
            if runner.idle(now, self._idle_s(runner.stream_id)):
                runner.rest()
        self._clear_leftovers()
        self._report(now)

    def _clear_leftovers(self) -> None:
        for stream_id, hls in list(self._leftovers.items()):
            hls.tick(over=True)
            if hls.clean and hls.close():
                del self._leftovers[stream_id]

    def _on_spec(self, stream_id: str, spec: StreamSpec | None) -> None:
        if spec is None:
            self._specs.pop(stream_id, None)
            self._deleted.add(stream_id)
            self._forget(stream_id)
            self._series.deleted(stream_id, self._clock())
            return
        self._deleted.discard(stream_id)
        known = self._specs.get(stream_id)
        if known is not None and spec.revision < known.revision:
            return
        self._specs[stream_id] = spec
        if stream_id in self._runners and spec != known:
            self._runners[stream_id].on_spec(spec)

    def _on_message(self, received: Received) -> None:
        message = received.message
        if received.partition not in self._partitions or received.key in self._deleted:
            return  # on its way when the partition was revoked, or the stream deleted: not ours to show
        if isinstance(message, MediaPacket):
            self._runner(message.stream_id, received.partition).on_media(message, self._clock())
        elif isinstance(message, VerdictMessage) and message.stream_id in self._runners:
            self._runners[message.stream_id].on_verdict(message)
        elif isinstance(message, OutgoingFaces) and message.stream_id in self._runners:
            self._guard.on_answer(message)
            self._runners[message.stream_id].on_faces(message)

    def _runner(self, stream_id: str, partition: int) -> StreamRunner:
        runner = self._runners.get(stream_id)
        if runner is None:
            runner = self._runners[stream_id] = StreamRunner(
                stream_id,
                self._spawn,
                self._reports.on_outcomes,
                lambda reason: self._metrics.child_restarts.labels(reason).inc(),
                self._guard.on_told,
                hls=self._leftovers.pop(stream_id, None) or self._make_hls(stream_id),
            )
            self._partition_of[stream_id] = partition
            self._series.began(stream_id)
            if stream_id in self._specs:
                runner.on_spec(self._specs[stream_id])
        return runner

    def _idle_s(self, stream_id: str) -> float:
        spec = self._specs.get(stream_id)
        return UNPUBLISHED_S if spec is not None and spec.publication is None else IDLE_S

    def _forget(self, stream_id: str) -> None:
        runner = self._runners.pop(stream_id, None)
        self._partition_of.pop(stream_id, None)
        if runner is not None:
            left = runner.stop()
            if left is not None:
                self._leftovers[stream_id] = left
            now = self._clock()
            self._tell(runner, now, now - self._reported_s)  # the books as they are closed
            self._reports.forget(stream_id)
            self._guard.forget(stream_id)

    def _report(self, now: float) -> None:
        elapsed_s = now - self._reported_s
        if elapsed_s < REPORT_S:
            return
        self._reported_s = now
        self._series.sweep(now)
        self._metrics.streams.labels("handled").set(len(self._runners))
        for runner in self._runners.values():
            self._tell(runner, now, elapsed_s)

    def _tell(self, runner: StreamRunner, now: float, elapsed_s: float) -> None:
        report = self._reports.status(runner, now, elapsed_s, wall_ms())
        counters = report.counters | self._guard.counters(runner.stream_id)
        self._producer.send(STATUS, replace(report, counters=counters))
