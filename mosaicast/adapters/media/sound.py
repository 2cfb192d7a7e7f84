"""The sound of one source, whatever it is, as AAC: untouched where it is AAC, transcoded where it is not.

What viewers get keeps one format. Players take a change of format for another stream or fall silent, so what a source
changes to later is transcoded into what it began with, where that is plain AAC. For a child process.
"""

from dataclasses import replace

from mosaicast.adapters.media.times import Times
from mosaicast.adapters.media.transcoder import SoundFormat, Transcoder
from mosaicast.contracts.messages import CodecParameters, TimeBase
from mosaicast.contracts.situations import sound
from mosaicast.core.aac import (
    FRAME_SAMPLES,
    AacConfig,
    begins_like_adts,
    lc_config,
    parse_config,
    unwrap_adts,
    with_listed_rate,
)
from mosaicast.core.allowed import Allowed
from mosaicast.core.flv_sound import SoundTag
from mosaicast.pipeline.errors import DecodeError
from mosaicast.pipeline.source import PacketRead

MADE_RATE, MADE_CHANNELS = 48_000, 2
"""Of the AAC that we make, if the source did not begin with another."""
MOST_CHANGES = 10
"""Of what viewers get, in one reading: each one is a new push. Then the last one stays."""
_LEAST_BYTES = 2
"""Of a frame of AAC: the muxer of MPEG-TS gives up all sound at a shorter one."""
MANY_FAILURES = 50
"""Packets in a row, about a second, that can't be decoded: then the status says so."""


class SoundTrack:
    """Turns packets of sound into AAC.

    Args:
        allowed: codecs that may be decoded.
    """

    def __init__(self, allowed: Allowed) -> None:
        self.parameters: CodecParameters | None = None
        """Of what is passed on; None: nothing was, yet."""
        self.note = ""
        """A sentence for the user while nothing can be heard; empty when all is well."""
        self._allowed = allowed
        self._format: SoundFormat | None = None
        self._headers: dict[str, bytes] = {}
        """The newest of each codec."""
        self._passes = False
        self._transcoder: Transcoder | None = None
        self._failures = self._changes = 0

    def adopt(self, source: SoundFormat) -> None:
        """From here on the sound is of this format."""
        if source == self._format:
            return
        self._format, self._transcoder, self._failures = source, None, 0
        self._passes = self._may_pass(source)
        self.note = "" if self._passes else self._why_not(source)

    def begin(self, source: SoundFormat, time_base: TimeBase) -> None:
        """The sound is of this format, and it will come: what goes out as it is can be announced."""
        self.adopt(source)
        if self._passes:
            self._announce(time_base)

    def adopt_tag(self, tag: SoundTag) -> None:
        """Follow a tag of FLV; the header of its codec may have come long before."""
        if tag.header is not None and tag.codec:
            self._headers[tag.codec] = with_listed_rate(tag.header) if tag.codec == "aac" else tag.header
        config = self._headers.get(tag.codec, b"")
        self.adopt(SoundFormat(tag.codec, tag.name, config, tag.sample_rate, tag.channels))

    def take(self, data: bytes, times: Times, time_base: TimeBase) -> list[PacketRead]:
        """Return the AAC that a packet gives, as far as it can be heard."""
        is_bare = len(data) >= _LEAST_BYTES and not begins_like_adts(data)
        if self._format is None or self._format.codec != "aac" or is_bare:
            return self._heard(data, times, time_base)
        bare = unwrap_adts(data)
        if bare is None:
            self._failed(self._format)
            return []
        self._headers["aac"], frames = bare
        self.adopt(replace(self._format, config=self._headers["aac"]))
        lasts = self._lasts(time_base)
        moved = [Times(times.pts + number * lasts, times.dts + number * lasts, lasts) for number in range(len(frames))]
        return [made for frame, at in zip(frames, moved, strict=True) for made in self._heard(frame, at, time_base)]

    def _heard(self, data: bytes, times: Times, time_base: TimeBase) -> list[PacketRead]:
        if self._passes:
            return [self._passed(data, times, time_base)]
        return self._transcoded(data, times, time_base) if self._may_decode else []

    def _lasts(self, time_base: TimeBase) -> int:
        """Return how long a frame of AAC lasts, in ticks."""
        config = None if self._format is None else parse_config(self._format.config)
        rate = MADE_RATE if config is None else config.sample_rate
        return round(FRAME_SAMPLES * time_base.den / (rate * time_base.num))

    @property
    def _may_decode(self) -> bool:
        source = self._format
        if source is None or source.codec not in self._allowed.codecs:
            return False
        return source.codec != "aac" or source.config != b""

    def _may_pass(self, source: SoundFormat) -> bool:
        """Whether viewers get this sound as it is: AAC, if nothing else went out before."""
        config = parse_config(source.config) if source.codec == "aac" else None
        if config is None or not config.is_common or "aac" not in self._allowed.codecs:
            return False
        if self.parameters is None or _alike(self.parameters.extradata, source.config):
            return True
        return self._target() is None and self._changes < MOST_CHANGES

    def _target(self) -> AacConfig | None:
        """Return the format to transcode into, None where viewers get none that we could make."""
        went_out = None if self.parameters is None else parse_config(self.parameters.extradata)
        return went_out if went_out is not None and went_out.is_simple else None

    def _why_not(self, source: SoundFormat) -> str:
        if source.codec not in self._allowed.codecs:
            return sound.NOT_LET_IN.says(codec=source.name, setting=self._allowed.codecs_setting)
        if source.codec == "aac" and not source.config:
            return sound.NO_HEADER.says()
        return ""

    def _passed(self, data: bytes, times: Times, time_base: TimeBase) -> PacketRead:
        self._announce(time_base)
        lasts = Times(times.pts, times.dts, self._lasts(time_base))
        return PacketRead("audio", lasts, time_base, True, data, self.parameters)

    def _announce(self, time_base: TimeBase) -> None:
        """Say that the source's own AAC goes out."""
        assert self._format is not None
        config = parse_config(self._format.config)
        assert config is not None
        rate = self._format.sample_rate or config.sample_rate
        self._go_out(self._format.config, rate, config.channels, time_base)

    def _transcoded(self, data: bytes, times: Times, time_base: TimeBase) -> list[PacketRead]:
        target = self._target()
        rate, channels = (MADE_RATE, MADE_CHANNELS) if target is None else (target.sample_rate, target.channels)
        assert self._format is not None
        try:
            if self._transcoder is None:
                self._transcoder = Transcoder(self._format, rate, channels)
            frames = self._transcoder.take(data, time_base.seconds(times.pts))
        except DecodeError:
            self._failed(self._format)
            return []
        self._failures = 0
        self.note = ""
        ticks = TimeBase(1, rate)
        if frames and target is None:
            self._go_out(lc_config(rate, channels), rate, channels, ticks)
        return [
            PacketRead("audio", Times(one.pts, one.pts, FRAME_SAMPLES), ticks, True, one.data, self.parameters)
            for one in frames
        ]

    def _failed(self, source: SoundFormat) -> None:
        self._failures += 1
        if self._failures >= MANY_FAILURES:
            self.note = sound.UNDECODABLE.says(codec=source.name)

    def _go_out(self, config: bytes, rate: int, channels: int, time_base: TimeBase) -> None:
        if self.parameters is not None:
            if _alike(self.parameters.extradata, config):
                return
            self._changes += 1
        self.parameters = CodecParameters(
            track="audio", codec="aac", time_base=time_base, extradata=config, sample_rate=rate, channels=channels
        )


def _alike(one: bytes, other: bytes) -> bool:
    """Whether two configs say the same: that of plain AAC may have an extension that says that there is none."""
    if one == other:
        return True
    config = parse_config(one)
    return config is not None and config.is_simple and config == parse_config(other)
