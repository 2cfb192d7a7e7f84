"""Reading a video that somebody sent to be enrolled with, in this process, which is a child with limits: samples only.

Sound is not opened. What is sampled is what a stream's analysis would see: an even grid and both sides of each cut.
"""

import io
import resource
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.media.allowed import whitelists
from mosaicast.adapters.media.clip import BROKEN, LONGEST_CPU_S, LOOKED_AT_S, SHOWN_SIDE, ClipError, ClipSample
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.turning import Rotation, rotation_of
from mosaicast.core.allowed import Allowed
from mosaicast.core.sampling import Sampler, SamplingPolicy, SceneCutDetector
from mosaicast.core.transitions import Transitions
from mosaicast.core.types import MediaTime
from mosaicast.pipeline.errors import PictureError

LONGEST_SIDE = 4096
"""Of the file's pictures, pixels: phones film 3840 wide."""
MOST_FRAMES = LOOKED_AT_S * 240
"""Phones film slow motion with 240 frames a second; frames without end at one time are an attack."""
MOST_FAILURES_IN_A_ROW = 300
MOST_WAITING = 16
"""Samples that wait for what follows, which may show them to be mixtures: 0.75 s at ten a second; a film that cuts at
each frame must not fill the memory."""
CODECS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mjpeg")
"""What phones, cameras and screen recorders write; each more is a decoder for strangers to attack."""
FORMATS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "flv")
"""No pictures, playlists or scripts."""
_ALLOWED = Allowed(frozenset(CODECS), FORMATS, "")
A_PICTURE = "it is a picture; send it as a photo"
NO_PICTURES = "it has no pictures"
NOT_DECODED = "its pictures can't be decoded; encode it as H.264"
TURNED = "its tag turns it by an angle that is no quarter of a turn; encode it upright"
TOO_MUCH_MEMORY = "its pictures take too much memory to read; send a smaller one"

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC: the cover of an album is no video


def read(data: bytes) -> Iterator[ClipSample]:
    """Yield the samples of a video, in order of time.

    Raises:
        ClipError: it is none that is read, broken, or too large.
    """
    if data.startswith(_PICTURES) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        raise ClipError("unreadable", A_PICTURE)
    try:
        yield from _samples(data)
    except MemoryError as exc:
        raise ClipError("too_large", TOO_MUCH_MEMORY) from exc
    except (av.FFmpegError, OSError, ValueError, PictureError) as exc:
        raise ClipError("unreadable", BROKEN) from exc


def _samples(data: bytes) -> Iterator[ClipSample]:
    options = {"max_pixels": str(LONGEST_SIDE * LONGEST_SIDE), "protocol_whitelist": "none", "ignore_editlist": "1"}
    with av.open(io.BytesIO(data), options=options | whitelists(_ALLOWED), metadata_errors="replace") as container:
        stream = _video(container)
        sampled, pictures = _Sampled(), 0
        for picture in _pictures(container, stream):
            pictures += 1
            yield from sampled.take(picture)
        if not pictures:
            raise ClipError("unreadable", NOT_DECODED)
        yield from sampled.end()


def _video(container: Any) -> Any:
    streams = [one for one in container.streams.video if not int(one.disposition) & _ATTACHED_PICTURE]
    best = container.streams.best("video")
    stream = best if best in streams else next(iter(streams), None)
    if stream is None:
        raise ClipError("unreadable", NO_PICTURES)
    context = stream.codec_context
    # The list that FFmpeg has holds while it looks for tracks only; PyAV opens decoders by itself.
    if context is None or context.codec.canonical_name not in CODECS:
        raise ClipError("unreadable", NOT_DECODED)
    if max(context.width, context.height) > LONGEST_SIDE:
        raise _too_large(context.width, context.height)
    context.thread_count = 1  # each thread takes memory, and a machine may have many cores
    return stream


def _too_large(width: int, height: int) -> ClipError:
    return ClipError("too_large", f"its pictures are {width}x{height}; at most {LONGEST_SIDE} pixels a side are read")


def _pictures(container: Any, stream: Any) -> Iterator[Picture]:
    """Yield the decoded pictures with rising times from the first on, as long as they are looked at."""
    start: MediaTime | None = None
    newest: MediaTime | None = None
    rotation: Rotation = 0
    until_s = _cpu_s() + LONGEST_CPU_S
    for number, frame in enumerate(_frames(container, stream)):
        if frame.pts is None or frame.is_corrupt:
            continue  # the stretch ends there, as at any gap
        time = frame.pts * Fraction(stream.time_base)
        start = time if start is None else start
        if time - start > LOOKED_AT_S or number >= MOST_FRAMES or _cpu_s() > until_s:
            return
        if newest is not None and time <= newest:
            continue
        newest = time
        if max(frame.width, frame.height) > LONGEST_SIDE:
            raise _too_large(frame.width, frame.height)
        turn = rotation_of(frame, rotation)
        if turn is None:
            raise ClipError("unreadable", TURNED)
        rotation = turn
        yield Picture(frame, Fraction(stream.time_base), rotation)


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield what is decoded; damage in the middle leaves a hole, and the end of what can be read is the end."""
    failures, came = 0, False
    packets = container.demux(stream)
    while failures < MOST_FAILURES_IN_A_ROW:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError, ValueError):
            if not came:
                raise
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            failures += 1
            continue
        failures, came = (0, True) if frames else (failures, came)
        yield from frames


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(slots=True)
class _Waiting:
    time: MediaTime
    pixels: NDArray[np.uint8]
    cut: bool


class _Sampled:
    """Chooses samples, and holds them until it is known whether they are mixtures of two shots."""

    def __init__(self) -> None:
        self._sampler = Sampler(SamplingPolicy())
        self._cuts, self._transitions = SceneCutDetector(), Transitions()
        self._waiting: deque[_Waiting] = deque()
        self._previous: tuple[Picture, bool] | None = None
        self._start: MediaTime | None = None

    def take(self, picture: Picture) -> Iterator[ClipSample]:
        """Take in the next picture and yield the samples that nothing can change any more."""
        thumbnail = picture.thumbnail()
        before, self._start = self._previous, picture.time if self._start is None else self._start
        resized = before is not None and before[0].size_wh != picture.size_wh
        cut = self._cuts.update(thumbnail) or resized
        self._transitions.add(picture.time, thumbnail)
        cut = self._transitions.just_over() or cut
        decision = self._sampler.decide(picture.time, scene_cut=cut)
        if decision.previous and before is not None:
            self._wait(*before)
        if decision.current:
            self._wait(picture, cut)
        self._previous = picture, cut and not decision.current
        yield from self._ready(picture.time)

    def end(self) -> Iterator[ClipSample]:
        """Yield the samples that are left: no picture follows."""
        self._transitions.end()
        while self._waiting:
            yield self._next()

    def _wait(self, picture: Picture, cut: bool) -> None:
        self._waiting.append(_Waiting(picture.time, picture.bgr(SHOWN_SIDE), cut))

    def _ready(self, now: MediaTime) -> Iterator[ClipSample]:
        while self._waiting and (self._transitions.reach(self._waiting[0].time) or len(self._waiting) > MOST_WAITING):
            yield self._next()
        self._transitions.forget_before(self._waiting[0].time if self._waiting else now)

    def _next(self) -> ClipSample:
        one = self._waiting.popleft()
        assert self._start is not None
        mixed = self._transitions.gradual(one.time)
        return ClipSample(one.time - self._start, one.pixels, one.cut, mixed)
