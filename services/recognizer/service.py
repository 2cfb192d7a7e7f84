"""The recognizer's loop: detections in, verdicts out; faces are embedded on another thread."""

import queue
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mosaicast.contracts.messages import Detections, GalleryChanged, Message, StatusReport, StreamSpec
from mosaicast.contracts.topics import STATUS, VERDICTS, Topic
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.epochs import EpochGate
from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.types import Epoch, OwnerId, PersonId, Reason, StreamId
from mosaicast.pipeline.decide import StreamRecognition, first_track_id
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from services.recognizer.policy import EmbeddingRequest, within_delay
from services.recognizer.worker import Answer, EmbeddingWorker, People

POLL_S = 0.02
REPORT_S = 1.0
SILENT_S = 60.0
"""A stream without detections for so long is forgotten."""


class Received(Protocol):
    """A message as the bus hands it over."""

    @property
    def partition(self) -> int:
        """The partition that it came from."""

    @property
    def key(self) -> str:
        """The stream, or the owner."""

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


class RecognizerService:
    """Runs until told to stop. Its state belongs to the thread that calls `run`; the worker hands over by queues.

    Args:
        producer: where verdicts and reports go.
        make_worker: builds the worker around our hook for its events.
        instance: its name in reports.
        policy: how much un-masking needs; None: what fits the packaged networks.
    """

    def __init__(
        self,
        producer: Producer,
        make_worker: Callable[[Callable[[Answer | People], None]], EmbeddingWorker],
        metrics: Metrics,
        instance: str,
        policy: IdentityPolicy | None = None,
    ) -> None:
        self._producer = producer
        self._policy = policy or IdentityPolicy()
        self._metrics = metrics
        self._instance = instance
        self._events: queue.SimpleQueue[Answer | People] = queue.SimpleQueue()
        self._worker = make_worker(self._events.put)
        self._gate = EpochGate()
        self._specs: dict[str, StreamSpec] = {}
        self._streams: dict[str, StreamRecognition] = {}
        self._people: dict[str, Mapping[PersonId, str]] = {}
        self._next_end_ms: dict[str, int] = {}
        """When the next consent on a stream runs out, wall time."""
        self._streams_without_templates: set[str] = set()
        """Streams on which people agreed to be seen, for whose owner the gallery has nobody: it lost them, or has not
        got them back yet. That is no answer to who is in the picture."""
        self._heard_s: dict[str, tuple[float, int]] = {}
        self._partitions: frozenset[int] = frozenset()
        self._reported_s = monotonic_s()

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and the bus has given us partitions."""
        return self._worker.ready and bool(self._partitions)

    @property
    def failure(self) -> str | None:
        """Why nobody can be recognised; None while all is well."""
        return self._worker.failure

    def on_assigned(self, partitions: frozenset[int]) -> None:
        """The bus gave us these partitions besides those we have."""
        self._partitions |= partitions

    def on_revoked(self, partitions: frozenset[int]) -> None:
        """The bus took these partitions: who was known there must be recognised by another instance."""
        self._partitions -= partitions
        for stream_id, (_, partition) in list(self._heard_s.items()):
            if partition in partitions:
                self._forget(stream_id)

    def run(self, detections: Reader, specs: Reader, gallery: Reader, stop: StopEvent) -> None:
        """Work until `stop` is set or nobody can be recognised any more (then `failure` says why)."""
        self._worker.start()
        try:
            while not stop.is_set() and self._worker.failure is None:
                self.step(detections, specs, gallery)
        finally:
            self._worker.stop()

    def step(self, detections: Reader, specs: Reader, gallery: Reader) -> None:
        """Take in what has arrived, answer, and report."""
        for received in specs.poll(0):
            self._on_spec(received.key, received.message)
        for received in gallery.poll(0):
            if isinstance(received.message, GalleryChanged):
                self._worker.refresh(received.message.owner_id)
        for received in detections.poll(POLL_S):
            if isinstance(received.message, Detections):
                self._drain()
                self._on_detections(received.message, received.partition)
        self._drain()
        self._report(monotonic_s())

    def _drain(self) -> None:
        while not self._events.empty():
            event = self._events.get_nowait()
            if isinstance(event, Answer):
                stream = self._streams.get(event.request.stream_id)
                if stream is not None and stream.epoch == event.request.epoch:
                    stream.answer(event)
            elif self._people.get(event.owner) != event.versions:
                self._people[event.owner] = event.versions
                for stream_id in self._streams:
                    if self._owner(stream_id) == event.owner:
                        self._tell_people(stream_id)

    def _on_spec(self, stream_id: str, spec: StreamSpec | None) -> None:
        if spec is None:
            self._specs.pop(stream_id, None)
            self._forget(stream_id)
            return
        known = self._specs.get(stream_id)
        if known is not None and known.owner_id != spec.owner_id:
            self._forget(stream_id)
        self._specs[stream_id] = spec
        if stream_id in self._streams:
            self._streams[stream_id].use(within_delay(self._policy, spec.policy.delay_s))
        if known is None or known.visible_until != spec.visible_until:
            self._tell_people(stream_id)

    def _on_detections(self, detections: Detections, partition: int) -> None:
        stream_id, now = detections.stream_id, monotonic_s()
        if not self._gate.admit(StreamId(stream_id), Epoch(detections.epoch)):
            return
        stream = self._streams.get(stream_id)
        if stream is None or stream.epoch != detections.epoch:
            stream = self._begin(stream_id, detections.epoch)
        elif detections.seq <= stream.newest_seq:
            return  # the log delivers at least once
        self._heard_s[stream_id] = now, partition
        owner = self._owner(stream_id)  # must be known before anybody can be somebody
        if owner is None:
            verdict, _ = stream.recognise(detections, None, now)
            self._producer.send(VERDICTS, verdict)
            return
        self._worker.follow(owner)
        if wall_ms() >= self._next_end_ms.get(stream_id, 0):
            self._tell_people(stream_id)
        gallery_seen_s = None if stream_id in self._streams_without_templates else self._worker.gallery_seen_s(owner)
        verdict, wanted = stream.recognise(detections, gallery_seen_s, now)
        self._producer.send(VERDICTS, verdict)
        self._worker.ask(
            [
                EmbeddingRequest(
                    stream_id,
                    stream.epoch,
                    want.track_id,
                    want.ask,
                    owner,
                    face,
                    urgent=want.urgent,
                    since=want.since,
                    window=want.window,
                    second_from=want.second_from,
                    own=want.own,
                )
                for want, face in wanted
            ]
        )

    def _begin(self, stream_id: str, epoch: int) -> StreamRecognition:
        spec = self._specs.get(stream_id)
        policy = self._policy if spec is None else within_delay(self._policy, spec.policy.delay_s)
        stream = self._streams[stream_id] = StreamRecognition(epoch, first_track_id(wall_ms()), policy)
        self._tell_people(stream_id)
        return stream

    def _tell_people(self, stream_id: str) -> None:
        """Tell a stream who of its owner's people agreed to be seen on it, and still does."""
        spec, stream = self._specs.get(stream_id), self._streams.get(stream_id)
        if spec is None or stream is None:
            return
        agreed = {person: end_ms for person, end_ms in spec.visible_until.items() if end_ms > wall_ms()}
        self._next_end_ms[stream_id] = min(agreed.values(), default=FOREVER_MS)
        versions = self._people.get(spec.owner_id, {})
        if agreed and not versions:
            self._streams_without_templates.add(stream_id)
            return
        self._streams_without_templates.discard(stream_id)
        stream.people_changed({person: text for person, text in versions.items() if person in agreed})

    def _owner(self, stream_id: str) -> OwnerId | None:
        spec = self._specs.get(stream_id)
        return OwnerId(spec.owner_id) if spec else None

    def _forget(self, stream_id: str) -> None:
        self._streams.pop(stream_id, None)
        self._heard_s.pop(stream_id, None)
        self._next_end_ms.pop(stream_id, None)
        self._streams_without_templates.discard(stream_id)
        self._gate.forget(StreamId(stream_id))
        self._metrics.forget(stream_id)

    def _report(self, now: float) -> None:
        if now - self._reported_s < REPORT_S:
            return
        self._reported_s = now
        for stream_id, (heard_s, _) in list(self._heard_s.items()):
            if now - heard_s > SILENT_S:
                self._forget(stream_id)
                continue
            self._producer.send(
                STATUS, self._status(stream_id, self._streams[stream_id], live=now - heard_s < SILENT_S / 20)
            )

    def _status(self, stream_id: str, stream: StreamRecognition, *, live: bool) -> StatusReport:
        clear = stream.reasons[Reason.ENROLLED]
        gauges = {"tracks_clear": float(clear), "tracks_masked": float(stream.reasons.total() - clear)}
        for reason in Reason:
            self._metrics.tracks.labels(stream_id, reason.value).set(stream.reasons[reason])
            if reason is not Reason.ENROLLED:
                gauges[f"tracks_{reason.value}"] = float(stream.reasons[reason])
        return StatusReport(
            service="recognizer",
            instance=self._instance,
            stream_id=stream_id,
            epoch=stream.epoch,
            state="live" if live else "waiting",
            counters={"verdicts": stream.verdicts},
            gauges=gauges,
            visible=stream.visible if live else (),
            at_ms=wall_ms(),
        )
