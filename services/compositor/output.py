"""The push of one stream: opened when the first frame leaves, kept over epochs while its format stays."""

from collections.abc import Callable
from typing import Protocol

import av

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.sink import AudioFormat, SinkError
from mosaicast.contracts.messages import MediaPacket

RETRY_S = 1.0
"""After a failure the next try waits so long; frames of that time are dropped, never sent late."""
_LEAST_STEP_S = 0.001
_APART_S = 1.0
"""Sound so far behind a picture that is repeated belongs to a source that goes on where it was."""


class Sink(Protocol):
    """Where masked frames go."""

    video: VideoFormat
    audio: AudioFormat | None

    def write_frame(self, frame: av.VideoFrame, time_s: float, *, force_keyframe: bool = False) -> None:
        """Encode and send a frame. Raises SinkError."""

    def write_audio(self, packet: MediaPacket, time_s: float) -> None:
        """Send an audio packet. Raises SinkError."""

    def close(self) -> None:
        """Hang up."""


OpenSink = Callable[[VideoFormat, AudioFormat | None], Sink]


class Output:
    """Keeps one push going and its timestamps rising.

    Inside an epoch media time is kept exactly, sound and picture by the same offset. A new epoch continues where
    the clock is, and another push (its format is another, or the last one broke) where the last one would be: viewers
    stay connected, and players whose times go back stand still.
    """

    def __init__(self, open_sink: OpenSink) -> None:
        self._open_sink = open_sink
        self._sink: Sink | None = None
        self._opened_s: float | None = None
        """When the first push of this broadcast was opened; the times of later ones go on from it."""
        self._retry_s = 0.0
        self._offset_s: float | None = None
        self._last_frame_s = -1.0
        self._last_audio_s = -1.0
        self._force_keyframe = True
        self._repeated = False
        """The picture that was sent last was no new one."""
        self._sent_s = 0.0

    def begin_epoch(self) -> None:
        """The next frame belongs to another reading of the source."""
        self._offset_s = None
        self._force_keyframe = True

    def frame(
        self, frame: av.VideoFrame, time_s: float, now: float, video: VideoFormat, audio: AudioFormat | None
    ) -> bool:
        """Send a frame; False: the push is away and the frame is lost."""
        sink = self._ensure(video, audio, now)
        if sink is None:
            return False
        if self._offset_s is None:
            assert self._opened_s is not None
            start_s = max(now - self._opened_s, self._last_frame_s + _LEAST_STEP_S, self._last_audio_s + _LEAST_STEP_S)
            self._offset_s = start_s - time_s
        elif self._repeated and time_s + self._offset_s <= self._last_frame_s:
            self._offset_s = self._after_repetitions_s(now) - time_s
        at_s = max(time_s + self._offset_s, self._last_frame_s + _LEAST_STEP_S)
        try:
            sink.write_frame(frame, at_s, force_keyframe=self._force_keyframe)
        except SinkError:
            self._broke(now)
            return False
        self._last_frame_s, self._sent_s, self._force_keyframe, self._repeated = at_s, now, False, False
        return True

    def repeat(
        self, frame: av.VideoFrame, time_s: float | None, now: float, video: VideoFormat, audio: AudioFormat | None
    ) -> bool:
        """Send a frame once more, as of `time_s`; None: as much later than the last one as it is by the clock.

        The next new one follows it: in the source's own time if that has gone on meanwhile; otherwise, with the sound
        that belongs to it, as much later as pictures were repeated.

        Returns: False: the push is away.
        """
        next_s = self._last_frame_s + now - self._sent_s - (self._offset_s or 0.0)
        self._repeated = False
        self._repeated = self.frame(frame, next_s if time_s is None else max(time_s, next_s), now, video, audio)
        return self._repeated

    def takes(self, audio: AudioFormat | None) -> bool:
        """Whether a push is open that carries such sound; the next frame opens one."""
        return audio is not None and self._sink is not None and self._sink.audio == audio

    def audio(self, packet: MediaPacket, now: float) -> None:
        """Send a packet of sound in step with the frames; before the first of them it is dropped."""
        if self._sink is None or self._offset_s is None:
            return
        at_s = float(packet.time) + self._offset_s
        if at_s <= self._last_audio_s or at_s < 0:
            return
        if self._repeated and at_s < self._last_frame_s - _APART_S:
            return  # its pictures follow, and say where it belongs
        try:
            self._sink.write_audio(packet, at_s)
        except SinkError:
            self._broke(now)
            return
        self._last_audio_s = at_s

    def close(self) -> None:
        """Hang up; the next frame opens a new push, whose times begin at 0."""
        self._hang_up()
        self._opened_s = self._offset_s = None

    def _hang_up(self) -> None:
        if self._sink is not None:
            self._sink.close()
        self._sink = None

    def _after_repetitions_s(self, now: float) -> float:
        """Return the time of a new frame after repeated ones, where its own would go back."""
        return max(self._last_frame_s + max(_LEAST_STEP_S, now - self._sent_s), self._last_audio_s + _LEAST_STEP_S)

    def _ensure(self, video: VideoFormat, audio: AudioFormat | None, now: float) -> Sink | None:
        # Sound that is not there (yet) is no reason to interrupt pictures: it may come back.
        sink = self._sink
        if sink is not None and sink.video == video and (audio is None or audio == sink.audio):
            return sink
        self._hang_up()
        if now < self._retry_s:
            return None
        try:
            self._sink = self._open_sink(video, audio)
        except SinkError:
            self._retry_s = now + RETRY_S
            return None
        if self._opened_s is None:
            self._opened_s, self._offset_s = now, None
            self._last_frame_s = self._last_audio_s = -1.0
        self._force_keyframe = True
        return self._sink

    def _broke(self, now: float) -> None:
        self._retry_s = now + RETRY_S
        self._hang_up()
