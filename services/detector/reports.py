"""What the detector says about each stream, about once a second. Pure: time is an argument."""

from collections import Counter
from dataclasses import dataclass, field

from mosaicast.contracts.messages import Detections, StatusReport
from mosaicast.contracts.situations import masking

EVERY_S = 1.0
SILENT_AFTER_S = 10.0
"""A stream that brings no frames for so long is not reported any more."""


@dataclass(slots=True)
class _Tally:
    epoch: int = 0
    counters: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    """Since the last report."""
    failed: int = 0
    """Since the last report."""
    age_s: float = 0.0
    """How old the newest answered frame was when its detections went out."""
    seen_s: float = 0.0


class Reports:
    """Counts per stream and turns the counts into messages. Not thread-safe: the caller locks."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._streams: dict[str, _Tally] = {}
        self._next_s = 0.0

    def answered(self, detections: Detections, age_s: float, now: float) -> None:
        """Count a frame whose detections went out."""
        tally = self._tally(detections.stream_id, now)
        tally.epoch, tally.age_s = max(tally.epoch, detections.epoch), age_s
        tally.answered += 1
        tally.counters["frames"] += 1
        tally.counters["faces"] += len(detections.faces)
        tally.counters["crops"] += sum(face.crop is not None for face in detections.faces)

    def failed(self, stream_id: str, reason: str, now: float) -> None:
        """Count a frame without an answer."""
        tally = self._tally(stream_id, now)
        tally.failed += 1
        tally.counters[f"failed_{reason}"] += 1

    def dropped(self, stream_id: str, reason: str, count: int, now: float) -> None:
        """Count frames that were never analysed."""
        self._tally(stream_id, now).counters[f"dropped_{reason}"] += count

    def due(self, now: float, at_ms: int) -> list[StatusReport]:
        """Return a report for each stream, once in `EVERY_S`; else nothing."""
        if now < self._next_s:
            return []
        self._next_s = now + EVERY_S
        self._streams = {key: tally for key, tally in self._streams.items() if now - tally.seen_s <= SILENT_AFTER_S}
        return [self._report(stream_id, tally, at_ms) for stream_id, tally in self._streams.items()]

    def _report(self, stream_id: str, tally: _Tally, at_ms: int) -> StatusReport:
        in_trouble = tally.failed > 0 and tally.answered == 0
        tally.failed = tally.answered = 0
        return StatusReport(
            service="detector",
            instance=self._instance,
            stream_id=stream_id,
            epoch=tally.epoch,
            state="error" if in_trouble else "live",
            reason=masking.NO_DETECTION.says() if in_trouble else "",
            counters=dict(tally.counters),
            gauges={"answer_age_s": round(tally.age_s, 4)},
            at_ms=at_ms,
        )

    def _tally(self, stream_id: str, now: float) -> _Tally:
        tally = self._streams.setdefault(stream_id, _Tally())
        tally.seen_s = now
        return tally
