"""Frames that wait for the model: bounded, fair between streams, in order within one. Pure: time is an argument.

Two promises. A live stream that outruns the model loses its oldest waiting frames, never its newest: late verdicts
are worth nothing. And **a scene cut is never lost silently**: a verdict before it and one after it would seem to
bracket frames of the new scene, whose faces neither of them saw early enough. So cuts are dropped last, and where one
is lost (or a frame is missing that might have been one), frames are withheld until the hole in the stream's verdicts
is wider than the delay line bridges: those frames are mosaicked whole.
"""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import replace

from mosaicast.contracts.messages import SampledFrame
from mosaicast.core.types import MediaTime
from mosaicast.pipeline.analyse import Job
from services.detector.batching import begins_at_s

__all__ = ["CROPS_EVERY", "FORGOTTEN_AFTER_S", "HOLE", "PER_STREAM", "Job", "WaitingFrames", "time_of"]

PER_STREAM = 4
"""Frames: 0.4 s at 10 a second. With the model's time and the recognizer's that is within the delay of 1 s."""
AT_FIRST, FIRST_S, CATCHES_UP_S = 20, Fraction(2), 0.4
"""So many wait in the first seconds of an epoch, while none waits longer than a full queue does otherwise. FFmpeg
hands over in one burst what it read to learn a source's tracks: those frames leave fully mosaicked, but faces that are
followed through them have earned their persons when the first others leave."""
HOLE = Fraction(3, 10)
"""Seconds without a verdict that nobody bridges: more than the delay line's `max_gap` of 0.25."""
CROPS_EVERY = Fraction(1, 4)
"""Seconds between frames of a stream whose faces are all cut out even while more of its frames wait: small faces cost a
second, full decoding. Else they are cut out of every frame: whoever is to be recognised is seen at every look."""
FORGOTTEN_AFTER_S = 60.0
"""A stream that was silent so long is over, or has its state again after one HOLE."""


def time_of(frame: SampledFrame) -> MediaTime:
    """Return a frame's presentation time, exact seconds."""
    return frame.time


class _Waiting(NamedTuple):
    frame: SampledFrame
    since_s: float


@dataclass(slots=True)
class _Stream:
    """What is known of one stream's newest epoch."""

    partition: int
    epoch: int
    begun: MediaTime
    """Time of the first frame of this epoch that came."""
    newest_seq: int = -1
    taken_seq: int = -1
    waiting: deque[_Waiting] = field(default_factory=deque)
    dropped_seqs: set[int] = field(default_factory=set)
    busy: int = 0
    """Frames that a worker has; several of one batch."""
    handed_seq: int = -1
    """The newest of them."""
    published: MediaTime | None = None
    """Time of the newest frame whose detections went out."""
    published_seq: int = -1
    """Its number."""
    lost_cut_seq: int = -1
    """The newest frame that is lost and was, or may have been, a scene cut."""
    cropped: MediaTime | None = None
    seen_s: float = 0.0

    @property
    def cut_lost(self) -> bool:
        """Whether a cut was lost since the newest frame whose detections went out."""
        return self.lost_cut_seq > self.published_seq

    def in_hole(self, time: MediaTime) -> bool:
        """Whether a verdict at `time` and the one before would seem to bracket what a lost cut began."""
        return self.cut_lost and self.published is not None and abs(time - self.published) < HOLE


class WaitingFrames:
    """The queue between the bus and the workers. Not thread-safe: the caller locks.

    Args:
        per_stream: frames of one stream that wait at most.
        at_first: the same in an epoch's first seconds.
    """

    def __init__(self, per_stream: int = PER_STREAM, at_first: int = AT_FIRST) -> None:
        self._per_stream, self._at_first = per_stream, at_first
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        """In the order of their turns."""
        self._drops: Counter[tuple[str, str]] = Counter()

    @property
    def depth(self) -> int:
        """Frames that wait now."""
        return sum(len(stream.waiting) for stream in self._streams.values())

    @property
    def streams(self) -> int:
        """Streams that are known now."""
        return len(self._streams)

    def offer(self, frame: SampledFrame, partition: int, now: float) -> None:
        """Add a frame as it arrives; what has to give way is dropped and counted."""
        stream = self._stream_for(frame, partition)
        stream.seen_s = now
        if frame.epoch < stream.epoch:
            self._drop(frame, "old_epoch")
        elif frame.seq <= stream.newest_seq:
            self._drop(frame, "repeated")
        else:
            stream.newest_seq = frame.seq
            stream.waiting.append(_Waiting(frame, now))
            at_first = time_of(frame) - stream.begun < FIRST_S and now - stream.waiting[0].since_s <= CATCHES_UP_S
            self._make_room(stream, self._at_first if at_first else self._per_stream)

    def begins_at_s(self, batch: int) -> float | None:
        """Return when `take` should be called for a batch of so many; None: there is nothing to take."""
        free = [stream.waiting for stream in self._streams.values() if not stream.busy]
        return begins_at_s([waiting[0].since_s for waiting in free if waiting], batch, len(free))

    def take(self, limit: int) -> list[Job]:
        """Return up to `limit` frames: streams in turn, each in order, none of a stream that is being analysed."""
        jobs: list[Job] = []
        idle = [stream_id for stream_id, stream in self._streams.items() if not stream.busy]
        while len(jobs) < limit and (idle := [one for one in idle if self._streams[one].waiting]):
            for stream_id in idle[: limit - len(jobs)]:
                jobs += self._next(stream_id)
        return jobs

    def finish(self, job: Job, *, published: bool) -> None:
        """Say how a taken frame ended; its stream may be taken from again."""
        stream = self._streams.get(job.frame.stream_id)
        if stream is None:
            return
        stream.busy = max(0, stream.busy - 1)
        if job.frame.epoch != stream.epoch:
            return
        if published:
            stream.published, stream.published_seq = time_of(job.frame), job.frame.seq
        elif job.frame.scene_cut:
            stream.lost_cut_seq = max(stream.lost_cut_seq, job.frame.seq)

    def forget_partitions(self, partitions: frozenset[int]) -> None:
        """Drop everything of partitions that another instance owns now."""
        for stream_id, stream in list(self._streams.items()):
            if stream.partition in partitions:
                self._forget(stream_id, "revoked")

    def forget_silent(self, now: float) -> None:
        """Free the state of streams that have ended."""
        for stream_id, stream in list(self._streams.items()):
            if not stream.busy and now - stream.seen_s > FORGOTTEN_AFTER_S:
                self._forget(stream_id, "silent")

    def drain_drops(self) -> Counter[tuple[str, str]]:
        """Return how many frames were dropped since the last call, by stream and reason."""
        drops, self._drops = self._drops, Counter()
        return drops

    def _stream_for(self, frame: SampledFrame, partition: int) -> _Stream:
        stream = self._streams.get(frame.stream_id)
        if stream is not None and frame.epoch <= stream.epoch:
            return stream
        if stream is not None:
            self._forget(frame.stream_id, "old_epoch")
        busy = 0 if stream is None else stream.busy
        fresh = _Stream(partition, frame.epoch, time_of(frame), busy=busy)
        if frame.seq > 0:
            # Somebody else analysed this epoch before; what he published last, and what was lost since, is unknown.
            fresh.published, fresh.lost_cut_seq, fresh.taken_seq = time_of(frame), frame.seq - 1, frame.seq - 1
        self._streams[frame.stream_id] = fresh
        return fresh

    def _make_room(self, stream: _Stream, most: int) -> None:
        """Drop the oldest frame that is no scene cut, or the oldest cut if only cuts wait; never the newest."""
        while len(stream.waiting) > most:
            older = list(stream.waiting)[:-1]
            given_up = next((one for one in older if not one.frame.scene_cut), older[0])
            stream.waiting.remove(given_up)
            victim = given_up.frame
            stream.dropped_seqs.add(victim.seq)
            if victim.scene_cut:
                stream.lost_cut_seq = max(stream.lost_cut_seq, victim.seq)
            self._drop(victim, "behind")

    def _next(self, stream_id: str) -> list[Job]:
        stream = self._streams[stream_id]
        self._streams.move_to_end(stream_id)
        frame = stream.waiting.popleft().frame
        self._account(stream, frame)
        if stream.in_hole(time_of(frame)):
            self._drop(frame, "after_lost_cut")
            return []
        # The frame before it in this batch will be answered before it. If that fails, the readers see the hole.
        after_seq = stream.handed_seq if stream.busy else stream.published_seq
        stream.busy, stream.handed_seq = stream.busy + 1, frame.seq
        frame = replace(frame, scene_cut=frame.scene_cut or stream.cut_lost)
        due = stream.cropped is None or not 0 <= time_of(frame) - stream.cropped < CROPS_EVERY
        crops = frame.scene_cut or due or not stream.waiting
        if crops:
            stream.cropped = time_of(frame)
        return [Job(frame, crops, after_seq)]

    def _account(self, stream: _Stream, frame: SampledFrame) -> None:
        """A frame that never arrived may have been a scene cut."""
        known = {seq for seq in stream.dropped_seqs if seq < frame.seq}
        if frame.seq - stream.taken_seq - 1 > len(known):
            stream.lost_cut_seq = frame.seq - 1
        stream.dropped_seqs -= known
        stream.taken_seq = frame.seq

    def _forget(self, stream_id: str, reason: str) -> None:
        for waiting in self._streams.pop(stream_id).waiting:
            self._drop(waiting.frame, reason)

    def _drop(self, frame: SampledFrame, reason: str) -> None:
        self._drops[frame.stream_id, reason] += 1
