"""The parent's side of the output guard: pictures on to the detector, trips into metrics, log and status."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from mosaicast.contracts.messages import Message, OutgoingFaces, OutgoingFrame
from mosaicast.contracts.topics import OUTGOING, Topic
from mosaicast.runtime import logs
from mosaicast.runtime.clocks import wall_ms
from mosaicast.runtime.metrics import Metrics
from services.compositor.wire import OutgoingPicture, Tripped

MOST_PER_S = 12
"""Pictures of one stream: the setting's largest, and one after a trip. A child that sends more is broken."""


class Producer(Protocol):
    """The bus's writing side."""

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        """Hand over a message without blocking; False: it was dropped."""


class OutgoingPictures:
    """Pictures and trips of all streams. One thread calls it.

    Args:
        producer: where pictures go.
        metrics: where they are counted.
        clock: monotonic seconds.
    """

    def __init__(self, producer: Producer, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._producer, self._metrics, self._clock = producer, metrics, clock
        self._counts: dict[str, Counter[str]] = {}
        self._this_second: dict[str, tuple[int, int]] = {}
        self._log = logs.get_logger(__name__)

    def on_told(self, stream_id: str, told: OutgoingPicture | Tripped) -> None:
        """Take in what a child told."""
        if isinstance(told, OutgoingPicture):
            self._on_picture(stream_id, told)
        else:
            self._on_trip(stream_id, told)

    def on_answer(self, seen: OutgoingFaces) -> None:
        """An answer of the detector is on its way to the child."""
        self._count(seen.stream_id, "answered")
        self._metrics.guard_answer.observe(max(0, wall_ms() - seen.sent_ms) / 1000)

    def counters(self, stream_id: str) -> dict[str, int]:
        """Return totals for a status report: guard_looks, guard_answered, guard_trips; what never was is left out."""
        return {f"guard_{name}": count for name, count in self._counts.get(stream_id, Counter()).items()}

    def forget(self, stream_id: str) -> None:
        """Forget a stream that is gone."""
        self._counts.pop(stream_id, None)
        self._this_second.pop(stream_id, None)

    def _on_picture(self, stream_id: str, picture: OutgoingPicture) -> None:
        if self._too_many(stream_id):
            self._metrics.queue_drops.labels("guard", "too_many").inc()
            return
        frame = OutgoingFrame(
            stream_id=stream_id,
            epoch=picture.epoch,
            index=picture.index,
            width=picture.width,
            height=picture.height,
            threshold=picture.threshold,
            jpeg=picture.jpeg,
            sent_ms=wall_ms(),
        )
        if self._producer.send(OUTGOING, frame):
            self._count(stream_id, "looks")
        else:
            self._metrics.queue_drops.labels("guard", "bus_full").inc()

    def _on_trip(self, stream_id: str, trip: Tripped) -> None:
        self._count(stream_id, "trips")
        self._log.error(
            "guard_tripped",
            stream=stream_id,
            epoch=trip.epoch,
            index=trip.index,
            box=list(trip.box_xywh),
            score=round(trip.score, 3),
            faces=trip.faces,
        )

    def _count(self, stream_id: str, what: str) -> None:
        self._counts.setdefault(stream_id, Counter())[what] += 1
        self._metrics.guard.labels(stream_id, what).inc()

    def _too_many(self, stream_id: str) -> bool:
        second, count = self._this_second.get(stream_id, (-1, 0))
        this = int(self._clock())
        count = count + 1 if second == this else 1
        self._this_second[stream_id] = this, count
        return count > MOST_PER_S
