"""The service's loop: follows the desired state of its partitions, one runner for each stream in them."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mosaicast.adapters.kafka import Received
from mosaicast.contracts.messages import StatusReport, StreamSpec
from mosaicast.contracts.topics import STATUS
from mosaicast.core.types import Epoch, StreamId
from mosaicast.runtime.metrics import StreamSeries
from services.ingest.context import IngestContext
from services.ingest.runner import StreamRunner

POLL_S = 0.05
"""How long a change of desired state and the end of a child may wait."""
STATUS_EVERY_S = 1.0
SETTLE_S = 1.0
"""After new partitions: the old states in the log pass by before any child starts for one of them."""


REPORTS_S = 10.0
"""After new partitions: so long no child starts while the log has not told which epochs are known. Without an answer
the clock decides; what is told later still counts."""


class Specs(Protocol):
    """Where desired states come from."""

    def poll(self, timeout_s: float) -> Sequence[Received]:
        """Return what is new."""


class Reports(Protocol):
    """Where the reports of all parts come from: the newest ones of before, and those of now."""

    @property
    def caught_up(self) -> bool:
        """Whether those of before have been returned."""

    def poll(self, timeout_s: float) -> Sequence[Received]:
        """Return what is new."""


@dataclass(slots=True)
class _Owned:
    runner: StreamRunner
    partition: int


class IngestService:
    """Not thread-safe, except for `assigned`, `revoked` and `lost`.

    Args:
        context: what the runners share.
    """

    def __init__(self, context: IngestContext) -> None:
        self._context = context
        self._series = StreamSeries(context.metrics)
        self._changes: queue.SimpleQueue[tuple[bool, frozenset[int]]] = queue.SimpleQueue()
        self._owned: dict[str, _Owned] = {}
        self._partitions: frozenset[int] = frozenset()
        self._settled_at_s = self._assigned_at_s = context.now_s()
        self._told = False
        """Whether the epochs known before our start are known to us."""
        self._status_at_s = context.now_s()

    @property
    def ready(self) -> bool:
        """Whether it owns partitions."""
        return bool(self._partitions)

    def on_assigned(self, partitions: frozenset[int]) -> None:
        """Note new partitions; from any thread."""
        self._changes.put((True, partitions))

    def on_revoked(self, partitions: frozenset[int]) -> None:
        """Note partitions that another instance reads from now on; from any thread."""
        self._changes.put((False, partitions))

    def on_lost(self, stream_id: str) -> None:
        """The bus lost a video packet of this stream after taking it; from any thread."""
        owned = self._owned.get(stream_id)
        if owned is not None:
            owned.runner.on_lost()

    def run(self, specs: Specs, reports: Reports, stop: threading.Event) -> None:
        """Follow `specs` (the `streams` topic, from its beginning at each assignment) until `stop` is set.

        Raises:
            BusError: the message log refuses for good; a new process may do better.
        """
        while not stop.is_set():
            self.take_reports(reports.poll(0), caught_up=reports.caught_up)
            self.step(specs.poll(POLL_S))

    def take_reports(self, reports: Sequence[Received], *, caught_up: bool) -> None:
        """Take in what all parts, we among them, reported of the epochs and headers of streams."""
        for item in reports:
            if isinstance(item.message, StatusReport):
                self._context.epochs.note(StreamId(item.message.stream_id), Epoch(item.message.epoch))
                self._context.headers.note(item.message.stream_id, item.message.headers)
        self._told = self._told or caught_up

    def step(self, received: Sequence[Received]) -> None:
        """Take in what is new and look after every stream."""
        self._take_changes()
        for item in received:
            self._take_spec(item)
        now_s = self._context.now_s()
        if self._may_read(now_s):
            for owned in self._owned.values():
                owned.runner.tick()
        if now_s >= self._status_at_s:
            self._status_at_s = now_s + STATUS_EVERY_S
            self._series.sweep(now_s)
            self._tell()

    def close(self) -> None:
        """End every child and say so."""
        for stream_id in list(self._owned):
            self._drop(stream_id)

    def _may_read(self, now_s: float) -> bool:
        if not self._told and now_s >= self._assigned_at_s + REPORTS_S:
            self._told = True
            self._context.log.warning("epochs_unknown")
        return self._told and now_s >= self._settled_at_s

    def _take_changes(self) -> None:
        while not self._changes.empty():
            gained, partitions = self._changes.get()
            if gained:
                self._partitions |= partitions
                self._assigned_at_s = self._context.now_s()
                self._settled_at_s = self._assigned_at_s + SETTLE_S
                continue
            self._partitions -= partitions
            for stream_id in [key for key, owned in self._owned.items() if owned.partition in partitions]:
                self._drop(stream_id)
                self._series.moved(stream_id, self._context.now_s())

    def _take_spec(self, item: Received) -> None:
        if item.partition not in self._partitions:
            return  # polled before the partition was revoked
        owned = self._owned.get(item.key)
        if item.message is None:
            self._drop(item.key)
            self._series.deleted(item.key, self._context.now_s())
        elif isinstance(item.message, StreamSpec) and owned is None:
            self._series.began(item.key)
            self._owned[item.key] = _Owned(StreamRunner(item.message, self._context), item.partition)
        elif isinstance(item.message, StreamSpec) and owned is not None:
            owned.runner.update(item.message)

    def _drop(self, stream_id: str) -> None:
        owned = self._owned.pop(stream_id, None)
        if owned is not None:
            owned.runner.stop()
            self._context.bus.send(STATUS, owned.runner.report())

    def _tell(self) -> None:
        states: dict[str, int] = {}
        for owned in self._owned.values():
            report = owned.runner.report()
            states[report.state] = states.get(report.state, 0) + 1
            self._context.bus.send(STATUS, report)
        self._context.metrics.streams.clear()
        for state, count in states.items():
            self._context.metrics.streams.labels(state).set(count)
