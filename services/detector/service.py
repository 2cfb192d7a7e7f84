"""The detector's threads: one reads the bus and reports, the others run the model."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mosaicast.adapters.detectors import Detector
from mosaicast.adapters.models.errors import ModelError
from mosaicast.contracts.messages import Detections, Message, OutgoingFaces, OutgoingFrame, SampledFrame
from mosaicast.contracts.topics import DETECTIONS, OUTGOING_FACES, STATUS, Topic
from mosaicast.pipeline.ports import Over
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.logs import get_logger
from mosaicast.runtime.metrics import Metrics
from services.detector.analysis import Failure, analyse
from services.detector.outgoing import WaitingPictures, check_picture
from services.detector.reports import Reports
from services.detector.waiting import Job, WaitingFrames

POLL_S = 0.1
_IDLE_S = 0.5
"""How often a worker without work looks whether it should stop; work wakes it at once."""
_LOG = get_logger(__name__)


class Received(Protocol):
    """A message as the bus hands it over."""

    @property
    def partition(self) -> int:
        """The partition that it came from."""

    @property
    def message(self) -> Any:
        """The decoded message, None for a tombstone."""


class Consumer(Protocol):
    """The bus's reading side."""

    def poll(self, timeout_s: float) -> Sequence[Received]:
        """Return what has arrived, waiting at most `timeout_s`."""

    def close(self) -> None:
        """Leave the group."""


class Producer(Protocol):
    """The bus's writing side; any thread may use it."""

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        """Hand over a message without blocking; False: it was dropped."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one instance works."""

    instance: str = "0"
    """Its name in reports."""
    workers: int = 1
    """Threads that run the model, one core each."""
    batch: int = 1
    """Frames a run, of different streams where there are so many."""
    over: Over = map
    """Reads and writes the JPEGs of a run's frames; any thread may use it."""


class DetectorService:
    """Runs until told to stop.

    Args:
        producer: where detections and reports go.
        make_detector: called once in each worker, as a detector belongs to one thread.
        shape: how many of what.
        make_guard: makes the detector for outgoing pictures; by default the same as for live frames.
    """

    def __init__(
        self,
        producer: Producer,
        make_detector: Callable[[], Detector],
        metrics: Metrics,
        shape: Shape,
        make_guard: Callable[[], Detector] | None = None,
    ) -> None:
        self._producer = producer
        self._make_guard = make_guard
        self._make_detector = make_detector
        self._metrics = metrics
        self._workers, self._batch, self._over = shape.workers, shape.batch, shape.over
        self._waiting = WaitingFrames()
        self._pictures = WaitingPictures()
        self._reports = Reports(shape.instance)
        self._changed = threading.Condition()
        """Guards all state; notified when frames arrive or the service stops."""
        self._loaded = 0
        self._partitions: frozenset[int] = frozenset()
        self.failure: str | None = None
        """Why the service could not go on; None while all is well."""

    @property
    def ready(self) -> bool:
        """Whether every worker has its model and the bus has given us partitions."""
        with self._changed:
            return self._loaded == self._workers and bool(self._partitions) and self.failure is None

    def on_assigned(self, partitions: frozenset[int]) -> None:
        """The bus gave us these partitions besides those we have."""
        with self._changed:
            self._partitions |= partitions

    def on_revoked(self, partitions: frozenset[int]) -> None:
        """The bus took these partitions: their waiting frames are another instance's now."""
        with self._changed:
            self._partitions -= partitions
            self._waiting.forget_partitions(partitions)
            self._pictures.forget_partitions(partitions)

    def run(self, consumer: Consumer, stop: StopEvent) -> None:
        """Work until `stop` is set or a worker cannot go on (then `failure` says why)."""
        threads = [threading.Thread(target=self._work, args=(stop,), name=f"model-{n}") for n in range(self._workers)]
        for thread in threads:
            thread.start()
        try:
            while not stop.is_set():
                self._receive(consumer.poll(POLL_S))
                self._report()
        finally:
            stop.set()
            with self._changed:
                self._changed.notify_all()
            for thread in threads:
                thread.join()

    def _receive(self, batch: Sequence[Received]) -> None:
        now = monotonic_s()
        with self._changed:
            for received in batch:
                if isinstance(received.message, SampledFrame):
                    self._waiting.offer(received.message, received.partition, now)
                elif isinstance(received.message, OutgoingFrame):
                    self._pictures.offer(received.message, received.partition, now)
            self._changed.notify_all()

    def _report(self) -> None:
        now = monotonic_s()
        with self._changed:
            self._waiting.forget_silent(now)
            self._metrics.queue_depth.labels("frames").set(self._waiting.depth)
            self._metrics.streams.labels("known").set(self._waiting.streams)
            drops = self._waiting.drain_drops()
            for (stream_id, reason), count in drops.items():
                self._reports.dropped(stream_id, reason, count, now)
                self._metrics.queue_drops.labels("frames", reason).inc(count)
            self._count_pictures_dropped(now)
            reports = self._reports.due(now, wall_ms())
        for report in reports:
            self._producer.send(STATUS, report)

    def _count_pictures_dropped(self, now: float) -> None:
        self._pictures.expire(now)
        for (stream_id, reason), count in self._pictures.drain_drops().items():
            self._reports.dropped(stream_id, f"guard_{reason}", count, now)
            self._metrics.queue_drops.labels("guard", reason).inc(count)

    def _work(self, stop: StopEvent) -> None:
        """One worker: load the model, then analyse what waits."""
        try:
            detector = self._make_detector()
            guard = self._make_guard() if self._make_guard is not None else detector
            with self._changed:
                self._loaded += 1
            while not stop.is_set():
                jobs, outgoing = self._take()
                self._run_jobs(detector, jobs)
                if outgoing is not None:
                    self._check_outgoing(guard, outgoing)
        except Exception as exc:  # a worker that dies silently would leave a service that looks alive
            text = str(exc) if isinstance(exc, ModelError) else repr(exc)
            _LOG.exception("worker_failed", error=text)
            with self._changed:
                self.failure = text
            stop.set()

    def _take(self) -> tuple[list[Job], OutgoingFrame | None]:
        """Return live frames; or, where none waits, a picture that went out."""
        with self._changed:
            jobs, outgoing, pause_s = self._next()
            if not jobs and outgoing is None:
                with self._metrics.timed("wait"):
                    self._changed.wait(pause_s)
                jobs, outgoing, _ = self._next()
            return jobs, outgoing

    def _next(self) -> tuple[list[Job], OutgoingFrame | None, float]:
        """Return what to do now, and how long to wait at most where that is nothing."""
        now, begins_s = monotonic_s(), self._waiting.begins_at_s(self._batch)
        jobs = self._waiting.take(self._batch) if begins_s is not None and begins_s <= now else []
        # While a batch fills a picture that went out may be checked; a run that takes one frame never waits for others.
        spare = not jobs and (self._batch > 1 or not self._waiting.depth)
        pause_s = _IDLE_S if begins_s is None else min(_IDLE_S, max(0.0, begins_s - now))
        return jobs, self._pictures.take(now) if spare else None, pause_s

    def _check_outgoing(self, detector: Detector, frame: OutgoingFrame) -> None:
        started = monotonic_s()
        with self._metrics.timed("guard"):
            answer = _seen(detector, frame)
        if isinstance(answer, OutgoingFaces):
            self._producer.send(OUTGOING_FACES, answer)
        else:
            self._metrics.queue_drops.labels("guard", f"failed_{answer.reason}").inc()
            _LOG.warning("outgoing_not_checked", stream=frame.stream_id, reason=answer.reason, detail=answer.detail)
        self._metrics.model_seconds.labels(f"{detector.name}-guard").observe(monotonic_s() - started)

    def _run_jobs(self, detector: Detector, jobs: list[Job]) -> None:
        if not jobs:
            return
        started = monotonic_s()
        for job, answer in zip(jobs, self._answers(detector, jobs), strict=True):
            published = isinstance(answer, Detections) and self._publish(answer)
            with self._changed:
                self._waiting.finish(job, published=published)
                self._count(job, answer, published)
                self._changed.notify_all()
        self._metrics.model_seconds.labels(detector.name).observe(monotonic_s() - started)

    def _answers(self, detector: Detector, jobs: list[Job]) -> list[Detections | Failure]:
        """Analyse, and survive our own mistakes: a frame that breaks us must not take other streams down with it."""
        try:
            return analyse(detector, jobs, self._metrics.timed, self._over)
        except Exception as exc:
            _LOG.exception("analysis_failed", frames=len(jobs))
            return [Failure("bug", type(exc).__name__) for _ in jobs]

    def _publish(self, answer: Detections) -> bool:
        with self._metrics.timed("publish"):
            return self._producer.send(DETECTIONS, answer)

    def _count(self, job: Job, answer: Detections | Failure, published: bool) -> None:
        now, stream_id = monotonic_s(), job.frame.stream_id
        if isinstance(answer, Failure):
            self._reports.failed(stream_id, answer.reason, now)
            self._metrics.queue_drops.labels("frames", f"failed_{answer.reason}").inc()
            _LOG.warning("no_answer", stream=stream_id, seq=job.frame.seq, reason=answer.reason, detail=answer.detail)
        elif not published:
            self._reports.failed(stream_id, "bus_full", now)
        else:
            self._reports.answered(answer, max(0, wall_ms() - job.frame.read_ms) / 1000, now)


def _seen(detector: Detector, frame: OutgoingFrame) -> OutgoingFaces | Failure:
    """Check what went out, and survive our own mistakes: nobody live may be harmed by them."""
    try:
        return check_picture(detector, frame)
    except Exception as exc:
        _LOG.exception("outgoing_check_failed")
        return Failure("bug", type(exc).__name__)
