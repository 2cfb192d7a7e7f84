"""All parts as one, without a clock, a process or a queue between them: what a job, a replay and a test run."""

from collections import Counter
from typing import Protocol

from mosaicast.contracts.messages import Detections, MediaPacket, SampledFrame
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import MediaTime, Style
from mosaicast.pipeline.analyse import Job, analyse
from mosaicast.pipeline.decide import Decider
from mosaicast.pipeline.frames import JobFrames, Lost, Ready
from mosaicast.pipeline.paint import paint, to_yuv420
from mosaicast.pipeline.ports import Detector, Frame, Jpeg


class Sink(Protocol):
    """Where a masked stream ends: a file, a list."""

    def frame(self, frame: Frame, time: MediaTime, plan: FramePlan) -> None:
        """Take a painted frame, 4:2:0, and what was painted on it. Frames come in order of time."""

    def sound(self, packet: MediaPacket) -> None:
        """Take a packet of sound."""

    def lost(self, index: int, reason: str) -> None:
        """Take note that the video packet of this index is not shown."""


class Pipeline:
    """One epoch, from its messages to a sink: an outlet for `source.SourceEpoch`.

    Args:
        detector: finds faces.
        jpeg: reads samples.
        decider: decides about them.
        frames: where the frames wait for it, told what is wanted.
        sink: takes what comes out.
        style: how masks look.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        detector: Detector,
        jpeg: Jpeg,
        decider: Decider,
        frames: JobFrames,
        sink: Sink,
        *,
        style: Style = Style.MOSAIC,
    ) -> None:
        self.counters: Counter[str] = Counter()
        """What the source did not pass on, and samples that got no answer, by reason."""
        self._detector, self._jpeg, self._decider = detector, jpeg, decider
        self._frames, self._sink, self._style = frames, sink, style
        self._answered = -1

    def packet(self, message: MediaPacket) -> None:
        """Take a packet: it is decoded at once, and what may leave does."""
        if message.end_of_epoch:
            self._emit(self._frames.finish(message.unit))
        elif message.track == "audio":
            self._sink.sound(message)
        else:
            self._emit(self._frames.add_video(message))

    def sample(self, message: SampledFrame) -> bool:
        """Take a sample: it is analysed and decided about before anything else happens."""
        found = analyse(self._detector, self._jpeg, [Job(message, crops=True, after_seq=self._answered)])[0]
        if isinstance(found, Detections):
            self._answered = found.seq
            self._emit(self._frames.add_verdict(self._decider.take(found).to_core(), 0.0))
        else:
            self.counters[found.reason] += 1  # and the frames around it are mosaicked whole
        return True

    def _emit(self, results: list[Ready | Lost]) -> None:
        for result in results:
            if isinstance(result, Lost):
                self._sink.lost(result.index, result.reason)
                continue
            frame = to_yuv420(result.frame)
            paint(frame, result.plan, self._style)
            self._sink.frame(frame, result.time, result.plan)
