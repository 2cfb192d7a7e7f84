"""Metrics and status of the streams, from their outcomes."""

import statistics
from collections import deque
from dataclasses import dataclass, field

from mosaicast.contracts.messages import PublicationState, StatusReport
from mosaicast.contracts.situations import masking
from mosaicast.core.types import Disposition
from mosaicast.runtime.metrics import Metrics
from services.compositor.runner import StreamRunner
from services.compositor.wire import Outcome

_REMEMBERED = 300
"""Frames that the gauges speak of: ten seconds at 30 a second."""
_LIVE_S = 3.9
"""A source that sends nothing for so long is waited for, unless its last picture goes on by then."""


@dataclass(slots=True)
class _Recent:
    verdict_age_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    delay_beyond_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    end_to_end_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    published: int = 0
    published_before: int = 0


class Reports:
    """Counts outcomes into metrics and makes a status report of each stream once a second."""

    def __init__(self, metrics: Metrics, instance: str) -> None:
        self._metrics = metrics
        self._instance = instance
        self._recent: dict[str, _Recent] = {}

    def on_outcomes(self, stream_id: str, outcomes: list[Outcome]) -> None:
        """Count outcomes that are new."""
        recent = self._recent.setdefault(stream_id, _Recent())
        metrics = self._metrics
        for outcome in outcomes:
            metrics.frames_out.labels(stream_id, outcome.disposition.value, outcome.reason).inc()
            recent.published += outcome.disposition is not Disposition.DROPPED
            for value, kept, histogram in (
                (outcome.verdict_age_s, recent.verdict_age_s, metrics.verdict_age),
                (outcome.delay_beyond_s, recent.delay_beyond_s, metrics.delay_beyond),
                (outcome.end_to_end_s, recent.end_to_end_s, metrics.end_to_end),
            ):
                if value is not None:
                    kept.append(value)
                    histogram.labels(stream_id).observe(value)

    def forget(self, stream_id: str) -> None:
        """Forget a stream that is gone."""
        self._recent.pop(stream_id, None)

    def status(self, runner: StreamRunner, now: float, elapsed_s: float, at_ms: int) -> StatusReport:
        """Return the report of one stream.

        Args:
            now: monotonic seconds.
            elapsed_s: since the last report.
            at_ms: wall time.
        """
        recent = self._recent.setdefault(runner.stream_id, _Recent())
        fps = (recent.published - recent.published_before) / elapsed_s if elapsed_s > 0 else 0.0
        recent.published_before = recent.published
        return StatusReport(
            service="compositor",
            instance=self._instance,
            stream_id=runner.stream_id,
            epoch=runner.epoch,
            state=_state(runner, now, fps),
            reason=masking.MASKING_QUARANTINED.says() if runner.quarantined else runner.note,
            counters={**runner.ledger.counters(), "restarts": runner.restarts, "repeated": runner.repeated},
            gauges={
                "fps": round(fps, 2),
                "end_to_end_ms": _median_ms(recent.end_to_end_s),
                "delay_beyond_p95_ms": _p95_ms(recent.delay_beyond_s),
                "verdict_age_ms": _median_ms(recent.verdict_age_s),
                "behind_ms": round(runner.behind_s * 1000, 1),
            },
            at_ms=at_ms,
        )


def _state(runner: StreamRunner, now: float, fps: float) -> PublicationState:
    if runner.stopped:
        return "stopped"
    if runner.quarantined:
        return "quarantined"
    if runner.goes_on:
        return "live"
    if now - runner.last_packet_s > _LIVE_S:
        return "waiting"
    return "live" if fps > 0 else "starting"


def _median_ms(values: deque[float]) -> float:
    return round(statistics.median(values) * 1000, 1) if values else 0.0


def _p95_ms(values: deque[float]) -> float:
    ordered = sorted(values)
    return round(ordered[int(0.95 * (len(ordered) - 1))] * 1000, 1) if ordered else 0.0
