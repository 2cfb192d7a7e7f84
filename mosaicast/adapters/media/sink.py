"""Output: x264 and FLV, pushed over RTMP or written to a file; what is encoded goes to HLS as it is."""

import contextlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from mosaicast.adapters.media.encoder import KEYFRAME_S, LONGEST_GROUP_S, TIME_BASE, VideoFormat, encoder_options
from mosaicast.adapters.media.flv_audio import audio_template
from mosaicast.contracts.messages import CodecParameters, MediaPacket

_OPTIONS = {
    "flvflags": "no_duration_filesize",
    # FFmpeg waits up to 10 s for a packet of the other track before it writes one: when the sound stops, so would
    # the picture. Ours are in order already. A microsecond is the least value (0 means "wait for ever").
    "max_interleave_delta": "1",
}
_ERRORS = (av.FFmpegError, OSError, ValueError)


class SinkError(Exception):
    """The output can't be opened or written: the edge is away or refuses us. Try again with a new sink."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What fixes the audio of an output."""

    parameters: CodecParameters
    first_packet: bytes = field(compare=False, repr=False)


class Tap(Protocol):
    """Another receiver of what was encoded for a push. It never raises: the push goes on without it."""

    def expect(self, time_s: float, *, broken: bool) -> bool:
        """A frame is about to be encoded: return whether it has to be a keyframe.

        Args:
            time_s: when it is shown.
            broken: it does not follow from the frame before (an epoch began).
        """

    def begin(self, video: Stream, audio: AudioFormat | None) -> None:
        """A push begins; `video` carries the encoder's parameters and stays open until `end`."""

    def video(self, packet: av.Packet, time_s: float) -> None:
        """Take in a picture. The packet is the tap's from here on."""

    def audio(self, packet: MediaPacket, time_s: float) -> None:
        """Take in a packet of sound."""

    def end(self) -> None:
        """The push has ended."""


class FlvSink:
    """One push: an encoder, a muxer, a connection.

    Timestamps are seconds since the push began; the caller keeps them rising. An edge that takes the connection
    and then says nothing holds the whole process for as long (PyAV's time-outs are for reading only, and it keeps the
    interpreter's lock): open sinks in a process that somebody watches.

    Args:
        url: where to.
        video: what it looks like.
        audio: what it sounds like; None: it is silent.
        tap: gets the same packets.

    Raises:
        SinkError: the address does not take it.
    """

    def __init__(self, url: str, video: VideoFormat, audio: AudioFormat | None, tap: Tap | None = None) -> None:
        self.video, self.audio = video, audio
        self._tap = tap
        self._last_keyframe_s: float | None = None
        self._last_s = 0.0
        self._last_ms = -1
        self._template: InputContainer | None = None
        self._container: OutputContainer = av.open(url, "w", format="flv", container_options=_OPTIONS)  # no I/O yet
        try:
            self._video = self._video_stream(video)
            self._audio = self._audio_stream(audio) if audio else None
            self._container.start_encoding()
        except _ERRORS as exc:
            self._hang_up()
            raise SinkError(f"the output does not open: {type(exc).__name__}") from exc
        if tap is not None:
            tap.begin(self._video, audio)

    def write_frame(self, frame: av.VideoFrame, time_s: float, *, force_keyframe: bool = False) -> None:
        """Encode a yuv420p frame and send it. `time_s` of frames must rise.

        Raises:
            SinkError: the connection broke.
        """
        frame.pts = max(round(time_s * 1000), self._last_ms + 1)
        self._last_ms = frame.pts
        frame.time_base = TIME_BASE
        wanted = self._tap is not None and self._tap.expect(frame.pts / 1000, broken=force_keyframe)
        key = force_keyframe or wanted or self._due(time_s)
        frame.pict_type = PictureType.I if key else PictureType.NONE
        if key:
            self._last_keyframe_s = time_s
        self._last_s = time_s
        self._encode(frame)

    def _due(self, time_s: float) -> bool:
        if self._last_keyframe_s is None:
            return True
        since_s, step_s = time_s - self._last_keyframe_s, time_s - self._last_s
        return since_s >= KEYFRAME_S - 1e-3 or since_s + step_s > LONGEST_GROUP_S

    def write_audio(self, packet: MediaPacket, time_s: float) -> None:
        """Send an audio packet as it is. Without an audio stream it is ignored; so is one that is no sound: pictures go
        on.

        Raises:
            SinkError: the connection broke.
        """
        if self._audio is None:
            return
        if self._tap is not None:
            self._tap.audio(packet, time_s)
        raw = av.Packet(packet.data)
        raw.stream = self._audio
        raw.time_base = TIME_BASE
        raw.pts = raw.dts = round(time_s * 1000)
        raw.duration = round(float(packet.time_base.seconds(packet.duration)) * 1000)
        try:
            self._container.mux(raw)
        except (av.error.InvalidDataError, av.error.ArgumentError):
            return
        except _ERRORS as exc:
            raise SinkError(f"the output broke: {type(exc).__name__}") from exc

    def close(self) -> None:
        """Flush and hang up; errors of a dead connection no longer matter. A second call does nothing."""
        with contextlib.suppress(SinkError):
            self._encode(None)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._tap is not None:
            self._tap.end()
            self._tap = None
        with contextlib.suppress(*_ERRORS):
            self._container.close()
        if self._template is not None:
            self._template.close()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._video.encode(frame):
                at_ms = packet.pts
                self._container.mux(packet)
                if self._tap is not None and at_ms is not None:
                    self._tap.video(packet, at_ms / 1000)
        except _ERRORS as exc:
            raise SinkError(f"the output broke: {type(exc).__name__}") from exc

    def _video_stream(self, video: VideoFormat) -> VideoStream:
        rate = Fraction(video.frame_rate).limit_denominator(1001) if video.frame_rate > 0 else Fraction(30)
        stream = self._container.add_stream("libx264", rate=rate, options=encoder_options(video))
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        stream.time_base = TIME_BASE
        context = stream.codec_context
        context.time_base = TIME_BASE
        context.color_range, context.color_primaries = video.color_range, video.color_primaries
        context.color_trc, context.colorspace = video.color_trc, video.colorspace
        if video.sample_aspect != (1, 1):
            context.sample_aspect_ratio = Fraction(*video.sample_aspect)
        return stream

    def _audio_stream(self, audio: AudioFormat) -> Stream:
        self._template, template = audio_template(audio.parameters, audio.first_packet)
        return self._container.add_stream_from_template(template)
