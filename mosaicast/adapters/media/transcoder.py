"""Sound of any codec in, AAC out: FFmpeg decodes and encodes, and the times are kept. For a child process."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from mosaicast.adapters.media.allowed import decoder_of
from mosaicast.core.aac import FRAME_SAMPLES
from mosaicast.pipeline.errors import DecodeError

BITS_PER_CHANNEL = 64_000
"""Of the AAC that we make, a second."""
JITTER_S = 0.02
"""Times of FLV are whole milliseconds, and some encoders' wander; sound goes on without a seam as long as it is no
further from its time than this."""
LONGEST_FILLED_S = 0.5
"""A hole up to so long is filled with silence; after a longer one, and where times go back, the encoder begins anew."""
_ERRORS = (av.FFmpegError, ValueError, MemoryError, OSError)


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """What fixes a decoder."""

    codec: str
    """FFmpeg's name; empty: unknown."""
    name: str
    """For people."""
    config: bytes = b""
    """AAC's AudioSpecificConfig, Opus' header: what stands before everything."""
    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class AacFrame:
    """One frame of AAC; its time counts samples."""

    pts: int
    data: bytes


class Transcoder:
    """Decodes one format and makes plain AAC of it.

    Args:
        source: what comes.
        sample_rate: of the AAC.
        channels: of the AAC, 1 or 2.

    Raises:
        DecodeError: FFmpeg has no such decoder, or refuses its parameters.
    """

    def __init__(self, source: SoundFormat, sample_rate: int, channels: int) -> None:
        self._rate, self._channels = sample_rate, channels
        self._layout = "mono" if channels == 1 else "stereo"
        self._decoder = _decoder(source)
        self._resampler: AudioResampler | None = None
        self._resampled: tuple[str, str, int] | None = None
        self._encoder: AudioCodecContext | None = None
        self._waiting: NDArray[np.float32] = np.zeros((channels, 0), np.float32)
        self._next = 0
        """Time of the first sample that waits."""

    def take(self, data: bytes, time_s: Fraction) -> list[AacFrame]:
        """Return the frames that a packet at `time_s` completes.

        Raises:
            DecodeError: it can't be decoded; the next may be tried.
        """
        packet = av.Packet(data)
        packet.pts = packet.dts = round(time_s * self._rate)
        packet.time_base = Fraction(1, self._rate)
        try:
            return [made for frame in self._decoder.decode(packet) for made in self._take(frame)]
        except _ERRORS as exc:
            raise DecodeError("the sound does not decode") from exc

    def _take(self, frame: AudioFrame) -> Iterator[AacFrame]:
        start = frame.pts
        for part in self._converted(frame):
            block = part.to_ndarray()
            if start is not None:
                self._place(start)
            self._waiting = np.concatenate([self._waiting, block], axis=1)
            start = None
        while self._waiting.shape[1] >= FRAME_SAMPLES:
            yield from self._encode_one()

    def _converted(self, frame: AudioFrame) -> list[AudioFrame]:
        key = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or key != self._resampled:
            self._resampler = AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
            self._resampled = key
        return self._resampler.resample(frame)

    def _place(self, start: int) -> None:
        """Make sure that what comes next is heard at `start`."""
        hole = start - (self._next + self._waiting.shape[1])
        if self._encoder is None or not -JITTER_S * self._rate <= hole <= LONGEST_FILLED_S * self._rate:
            self._encoder = _encoder(self._rate, self._channels, self._layout)
            self._waiting, self._next = self._waiting[:, :0], start
        elif hole > JITTER_S * self._rate:
            silence = np.zeros((self._channels, hole), np.float32)
            self._waiting = np.concatenate([self._waiting, silence], axis=1)

    def _encode_one(self) -> Iterator[AacFrame]:
        block = np.ascontiguousarray(self._waiting[:, :FRAME_SAMPLES])
        frame = AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
        frame.sample_rate, frame.time_base, frame.pts = self._rate, Fraction(1, self._rate), self._next
        self._waiting = self._waiting[:, FRAME_SAMPLES:]
        self._next += FRAME_SAMPLES
        assert self._encoder is not None
        for packet in self._encoder.encode(frame):
            if packet.pts is not None:
                yield AacFrame(packet.pts, bytes(packet))


def _decoder(source: SoundFormat) -> AudioCodecContext:
    try:
        decoder: Any = av.CodecContext.create(decoder_of(source.codec), "r")
        if not isinstance(decoder, AudioCodecContext):
            raise DecodeError(f"{source.codec} is no sound")
        if source.sample_rate:
            decoder.sample_rate = source.sample_rate
        decoder.layout = "mono" if source.channels == 1 else "stereo"
        if source.config:
            decoder.extradata = source.config
        decoder.thread_count = 1
    except _ERRORS as exc:
        raise DecodeError(f"no decoder for {source.codec}") from exc
    return decoder


def _encoder(sample_rate: int, channels: int, layout: str) -> AudioCodecContext:
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = sample_rate, layout, "fltp"
    encoder.bit_rate, encoder.time_base = BITS_PER_CHANNEL * channels, Fraction(1, sample_rate)
    return encoder
