"""HLS segments from packets that are encoded already: FFmpeg's own muxer, its files caught in memory.

Nothing here touches a disk or a socket: a segment is handed on whole, and whoever takes it writes it.
"""

import io
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from mosaicast.adapters.media.encoder import LONGEST_GROUP_S
from mosaicast.adapters.media.flv_audio import audio_template
from mosaicast.adapters.media.sink import AudioFormat
from mosaicast.contracts.messages import MediaPacket
from mosaicast.core.transport_stream import without_absent_sound
from mosaicast.runtime.clocks import monotonic_s

_OPTIONS = {
    # Shorter than any group of pictures: FFmpeg cuts at every keyframe, and we decide where those are.
    "hls_time": "0.001",
    "hls_list_size": "1",
    "hls_segment_filename": "memory://%d.ts",
    "max_interleave_delta": "1",  # as for RTMP: pictures never wait for sound
}
_TICKS = 90_000
"""A second in MPEG-TS."""
_TICK_S = Fraction(1, _TICKS)
_ERRORS = (av.FFmpegError, OSError, ValueError)
_FIRST_STEP_S = 1 / 30
"""How long a frame is shown when no other tells."""
_MOST_HELD_BACK = 8
"""Pictures in the encoder; x264 holds one back, for it waits for the time of the next."""
_LONGEST_S = LONGEST_GROUP_S + 0.05
"""A segment is never longer: all of them round to the target duration, which must not change."""


@dataclass(frozen=True, slots=True)
class HlsSegment:
    """One segment: MPEG-TS that begins with a keyframe."""

    data: bytes
    duration_s: float
    began_ms: int
    """Wall time at which its first frame left."""
    discontinuity: bool
    """Its times, tracks or formats do not continue those of the segment before."""
    revision: int
    """Of the stream's spec, when it began."""
    began_s: float = 0.0
    """The same moment, monotonic: what is taken back is decided by it, for wall clocks are set."""


Emit = Callable[[HlsSegment], None]


class Segmenter:
    """Cuts one stream's packets into segments, over any number of pushes and epochs.

    Args:
        emit: told of every finished segment.
        wall_ms: wall time in milliseconds.
        now_s: monotonic seconds, of a clock that all processes of this machine share.
    """

    def __init__(self, emit: Emit, wall_ms: Callable[[], int], now_s: Callable[[], float] = monotonic_s) -> None:
        self.revision = 0
        self._emit, self._wall_ms, self._now_s = emit, wall_ms, now_s
        self._video: Stream | None = None
        self._audio: AudioFormat | None = None
        self._muxer: _Muxer | None = None
        self._last_s: float | None = None
        self._step_s = _FIRST_STEP_S
        self._key_s = 0.0
        self._resume_s: float | None = None
        """Pictures before this one are left out: the encoder may hold one back that was painted before `forget`."""
        self._break_s: float | None = None
        """This picture does not follow from the one before."""
        self._expected: deque[_Cut] = deque(maxlen=_MOST_HELD_BACK)
        """Pictures that the encoder was given: under which spec, and when."""

    def expect(self, time_s: float, *, broken: bool) -> bool:
        """A frame is about to be encoded: return whether it has to be a keyframe.

        Args:
            time_s: when it is shown, since the push began.
            broken: it does not follow from the frame before (an epoch began).
        """
        if broken:
            self._break_s = time_s
        self._expected.append(_Cut(time_s, self._wall_ms(), self._now_s(), self.revision))
        if self._video is None or self._muxer is not None or self._resume_s is not None:
            return False
        self._resume_s = time_s
        return True

    def begin(self, video: Stream, audio: AudioFormat | None) -> None:
        """A push begins: times start anew.

        Args:
            video: stream of an open container that carries the encoder's parameters; it stays open until `end`.
            audio: the sound of the push.
        """
        self.end()
        self._video, self._audio = video, audio
        self._step_s = _FIRST_STEP_S
        self._last_s = self._resume_s = self._break_s = None
        self._expected.clear()

    def video(self, packet: av.Packet, time_s: float) -> None:
        """Take in a picture, in the order of `expect` but later: the encoder holds one back. The packet is ours."""
        if packet.is_keyframe:
            self._at_keyframe(time_s)
        if self._muxer is None:
            return
        try:
            self._muxer.video(packet)
        except _ERRORS:
            self.forget()
        if self._last_s is not None:
            self._step_s = max(time_s - self._last_s, 0.001)
        self._last_s = time_s

    def audio(self, packet: MediaPacket, time_s: float) -> None:
        """Take in a packet of sound."""
        if self._muxer is None or not self._muxer.has_audio:
            return
        try:
            self._muxer.audio(packet, time_s)
        except _ERRORS:
            self.forget()
            self._audio = None  # pictures go on without it

    def forget(self) -> None:
        """Throw away what was not handed on yet: nobody may see it any more."""
        if self._muxer is not None:
            self._muxer.discard()
        self._muxer = self._resume_s = None

    def end(self) -> None:
        """The push has ended: hand on the rest."""
        self._finish()
        self._video = None

    def _at_keyframe(self, time_s: float) -> None:
        broken = self._break_s is not None and time_s >= self._break_s
        if broken:
            self._break_s = None
        if self._muxer is not None and (broken or self._pauses(time_s)):
            self._finish()
        if self._muxer is None:
            self._open(time_s)
        if self._muxer is not None:
            self._muxer.cut(self._cut_at(time_s))
        self._key_s = time_s

    def _cut_at(self, time_s: float) -> "_Cut":
        """Return when the picture left and by which spec it was painted: before the encoder gave it back."""
        while len(self._expected) > 1 and self._expected[0].time_s < time_s:
            self._expected.popleft()
        return replace(self._expected[0], time_s=time_s)

    def _pauses(self, time_s: float) -> bool:
        """Whether nothing came for so long that the segment would be longer than any may be."""
        return time_s - self._key_s > _LONGEST_S

    def _open(self, time_s: float) -> None:
        if self._video is None or self._resume_s is None or time_s < self._resume_s:
            return
        try:
            self._muxer = _Muxer(self._video, self._audio, self._emit)
        except _ERRORS:
            # Try without sound at the next keyframe. If sound is not to blame, wait for the next push.
            self._video = self._video if self._audio is not None else None
            self._audio = None

    def _finish(self) -> None:
        if self._muxer is not None:
            end_s = (self._last_s or 0.0) + self._step_s
            self._muxer.close(min(end_s, self._key_s + _LONGEST_S))
        self._muxer = None


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where a segment begins."""

    time_s: float
    wall_ms: int
    at_s: float
    """Monotonic."""
    revision: int


class _Muxer:
    """FFmpeg's `hls` muxer over an uninterrupted stretch: one timeline, fixed tracks."""

    def __init__(self, video: Stream, audio: AudioFormat | None, emit: Emit) -> None:
        self._emit = emit
        self._cuts: deque[_Cut] = deque()
        self._end_s: float | None = None
        self._sounded: bool | None = None
        self._discarded = False
        self._template: InputContainer | None = None
        self._container: OutputContainer = av.open(
            "memory://list.m3u8", "w", format="hls", io_open=self._open_file, container_options=_OPTIONS
        )
        self._video = self._container.add_stream_from_template(video, opaque=True)
        self._audio: Stream | None = None
        if audio is not None:
            self._template, template = audio_template(audio.parameters, audio.first_packet)
            self._audio = self._container.add_stream_from_template(template)
        self._container.start_encoding()  # what MPEG-TS has no place for shows now, not at a picture

    @property
    def has_audio(self) -> bool:
        return self._audio is not None

    def cut(self, cut: _Cut) -> None:
        """The packet that follows begins a segment."""
        self._cuts.append(cut)

    def video(self, packet: av.Packet) -> None:
        packet.stream = self._video
        self._container.mux(packet)

    def audio(self, packet: MediaPacket, time_s: float) -> None:
        assert self._audio is not None
        raw = av.Packet(packet.data)
        raw.stream = self._audio
        raw.time_base = _TICK_S
        raw.pts = raw.dts = round(time_s * _TICKS)
        base = packet.time_base
        raw.duration = round(packet.duration * base.num * _TICKS / base.den)
        self._container.mux(raw)

    def close(self, end_s: float) -> None:
        """Hand on the rest, which ends at `end_s`."""
        self._end_s = end_s
        self._hang_up()

    def discard(self) -> None:
        self._discarded = True
        self._hang_up()

    def _hang_up(self) -> None:
        try:
            self._container.close()
        except _ERRORS:
            self._discarded = True
        if self._template is not None:
            self._template.close()

    def _open_file(self, url: str, _flags: int, _options: dict[str, str]) -> "_File":
        return _File(self._finished if url.endswith(".ts") else lambda _: None)

    def _finished(self, data: bytes) -> None:
        """FFmpeg has closed a segment: in `cut`'s order, and at the latest with the packet after the next cut."""
        cut = self._cuts.popleft()
        end_s = self._cuts[0].time_s if self._cuts else self._end_s
        if self._discarded or end_s is None or not data:
            return
        duration_s = max(end_s - cut.time_s, 0.001)
        data, sounds = without_absent_sound(data)
        broken = sounds != self._sounded  # the first one too: nothing is before it
        self._sounded = sounds
        self._emit(HlsSegment(data, duration_s, cut.wall_ms, broken, cut.revision, cut.at_s))


class _File(io.RawIOBase):
    """What FFmpeg takes for a file."""

    def __init__(self, finished: Callable[[bytes], None]) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._finished = finished

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._finished(b"".join(self._parts))
        super().close()
