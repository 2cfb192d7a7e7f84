"""Prometheus metrics of every service: each name once, here, typed. No label can hold a name, key or picture."""

import contextlib
import importlib.metadata
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

LINGER_S = 60.0
"""How long the series of a stream outlive its move to another instance: Prometheus reads them once more, and a stream
that comes back (a broker was away and assigns partitions anew) goes on counting where it was."""

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_DELAY_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)

_WORK_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

Activity = Literal["wait", "decode", "network", "crop", "publish", "guard", "search", "check"]
"""What a worker's thread spends its time on; values of a label."""

Timed = Callable[[Activity], AbstractContextManager[Any]]
"""Measures what happens within; see `Metrics.timed`."""


def untimed(_: Activity) -> AbstractContextManager[None]:
    """Measure nothing."""
    return contextlib.nullcontext()


M = TypeVar("M", Counter, Gauge, Histogram)


class Metrics:
    """All metrics of one process. A service uses its part; the rest stays empty and is not exposed as zero.

    Args:
        registry: where they are registered; a fresh one if absent, so that tests do not share state.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._by_stream: list[Counter | Gauge | Histogram] = []
        self._build()
        self._frames()
        self._timing()
        self._bus()
        self._recognition()
        self._processes()

    def timed(self, activity: Activity) -> AbstractContextManager[Any]:
        """Count the time that is spent within. Costs 3 microseconds."""
        return self.work.labels(activity).time()

    def forget(self, stream_id: str) -> None:
        """Remove all series of a stream."""
        for metric in self._by_stream:
            metric.remove_by_labels({"stream": stream_id})

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return self._kept(Counter(f"mosaicast_{name}", text, labels, registry=self.registry), labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return self._kept(Gauge(f"mosaicast_{name}", text, labels, registry=self.registry), labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        made = Histogram(f"mosaicast_{name}", text, labels, buckets=buckets, registry=self.registry)
        return self._kept(made, labels)

    def _kept(self, metric: M, labels: tuple[str, ...]) -> M:
        if "stream" in labels:
            self._by_stream.append(metric)
        return metric

    def _build(self) -> None:
        ProcessCollector(registry=self.registry)
        Info("mosaicast_build", "The version that runs.", registry=self.registry).info({"version": _version()})

    def _frames(self) -> None:
        self.frames_ingested = self._counter("frames_ingested", "Video access units read from sources.", "stream")
        self.frames_refused = self._counter(
            "frames_refused", "Of these, access units that the media topic did not take.", "stream", "reason"
        )
        self.frames_sampled = self._counter("frames_sampled", "Frames sent to analysis.", "stream")
        self.frames_out = self._counter(
            "frames_out",
            "What became of each video frame: clear, masked, full_mosaic or dropped.",
            "stream", "disposition", "reason",
        )  # fmt: skip

        self.guard = self._counter(
            "guard",
            "The output guard: pictures sent to the detector (`looks`), answered ones, trips.",
            "stream",
            "what",
        )

    def _timing(self) -> None:
        self.verdict_age = self._histogram(
            "verdict_age_seconds",
            "Distance of a frame to the older verdict that brackets it.",
            _DELAY_S,
            "stream",
        )
        self.end_to_end = self._histogram(
            "end_to_end_seconds", "From ingest's read to the push of the masked frame.", _DELAY_S, "stream"
        )
        self.guard_answer = self._histogram(
            "guard_answer_seconds", "From a masked frame's leaving to the detector's answer about it.", _DELAY_S
        )
        self.delay_beyond = self._histogram(
            "delay_beyond_seconds", "How much later than the set delay a frame left.", _DELAY_S, "stream"
        )
        self.work = self._histogram(
            "work_seconds", "What threads that run networks do with their time, piece by piece.", _WORK_S, "activity"
        )
        self.model_seconds = self._histogram("model_seconds", "One run of a model.", _FAST_S, "model")

    def _bus(self) -> None:
        self.queue_depth = self._gauge("queue_depth", "Items waiting.", "queue")
        self.queue_drops = self._counter("queue_drops", "Items dropped from a full queue.", "queue", "reason")
        self.contract_errors = self._counter("contract_errors", "Messages that did not decode.", "topic", "reason")
        self.bus_drops = self._counter("bus_drops", "Messages that could not be sent.", "topic", "reason")

    def _recognition(self) -> None:
        self.tracks = self._gauge("tracks", "Tracks of the newest verdict by reason.", "stream", "reason")
        self.embeddings = self._counter("embeddings", "Faces embedded.", "model")
        self.gallery_errors = self._counter("gallery_errors", "Failed gallery requests.", "reason")

    def _processes(self) -> None:
        self.child_layers = self._gauge(
            "child_layers", "Version of what the kernel holds back media's children with; 0: it has none.", "layer"
        )
        self.streams = self._gauge("streams", "Streams that this instance handles.", "state")
        self.child_restarts = self._counter("child_restarts", "Restarts of children.", "reason")
        self.http_requests = self._counter("http_requests", "Requests answered.", "route", "method", "status")


class StreamSeries:
    """When the series of streams go. Not thread-safe.

    Args:
        metrics: of this process.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._left_s: dict[str, float] = {}

    def began(self, stream_id: str) -> None:
        """A stream is ours, perhaps again."""
        self._left_s.pop(stream_id, None)

    def moved(self, stream_id: str, now_s: float) -> None:
        """A stream is another instance's now (monotonic seconds): its series stay for LINGER_S."""
        self._left_s[stream_id] = now_s

    def deleted(self, stream_id: str, now_s: float) -> None:
        """A stream was deleted: remove its series at once, and again later, in case a thread still counts for it."""
        self._metrics.forget(stream_id)
        self._left_s[stream_id] = now_s

    def sweep(self, now_s: float) -> None:
        """Remove what is due."""
        for stream_id in [key for key, left_s in self._left_s.items() if now_s - left_s >= LINGER_S]:
            del self._left_s[stream_id]
            self._metrics.forget(stream_id)


def _version() -> str:
    try:
        return importlib.metadata.version("mosaicast")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"  # a checkout that is not installed
