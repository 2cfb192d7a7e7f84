"""One epoch inside a child, live: packets wait encoded, are decoded shortly before they are due, and leave on time."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from mosaicast.adapters.media.packets import PacketDecoder
from mosaicast.adapters.media.pictures import thumbnail_of
from mosaicast.contracts.messages import CodecParameters, MediaPacket
from mosaicast.core.delayline import DelayLine
from mosaicast.core.pacing import Pacer, PacingPolicy
from mosaicast.core.types import MediaTime
from mosaicast.pipeline.frames import EpochFrames, Lost, Ready, Wanted

AHEAD_S = 0.45
"""Decoded so long before it is due. A frame leaves only when the next sampled picture (0.2 s later at most) is decoded
too and proved to be the one that its verdict speaks of, and when the next 0.3 s tell whether the frame is part of a
blend. The rest is for a stall of the scheduler."""
NEED_S = 0.75
"""So much of what follows a frame must have come when it leaves: verdicts reach `lead` (0.4 s) beyond it, the sample
that ends that reach is up to 0.1 s later, and the answer takes the rest."""
PATIENCE_S = 1.8
"""A frame waits so long for that beyond its time. Nobody knows whether a way that is silent has become longer or is
gone; what nothing follows by then leaves mosaicked."""
MOST_HELD_BYTES = 256 * 1024 * 1024
"""Decoded pictures that may wait: 20 of 4K (8 bit 4:2:0), which is `AHEAD_S` at 60 a second. A source whose pictures
are shown long after they are decoded would need more. Then decoding waits, and pictures that come too late are
dropped."""
MOST_ENCODED_BYTES = 256 * 1024 * 1024
"""Packets that may wait for their time: 10 s (the longest delay) at 200 Mbit a second."""
MOST_SOUND_BYTES = 4 * 1024 * 1024
"""Sound that may wait for its time: three times the longest delay at 1 Mbit a second."""
SOUND_AHEAD_S = 5.0
"""Sound that comes so long before its picture is left out: its clock is wrong, and it would wait here for ever."""
MANY_ASTRAY = 50
"""Packets of sound in a row, about a second, that are too far from their pictures: then the status says so."""


@dataclass(frozen=True, slots=True)
class _Sound:
    """A packet of sound that waits for its time."""

    packet: MediaPacket
    parameters: CodecParameters | None


class EpochRun(EpochFrames):
    """Packets and verdicts of one epoch in, frames to show out, each when it is due; sound too.

    Args:
        epoch: its number.
        delay_s: from arrival to release.
    """

    def __init__(self, epoch: int, delay_s: float) -> None:
        self._pacer = Pacer(PacingPolicy(delay_s=delay_s, need_s=NEED_S, patience_s=PATIENCE_S))
        line = DelayLine(self._pacer)
        super().__init__(epoch, line, PacketDecoder, thumbnail_of)
        self.first_audio: bytes = b""
        """The first packet of sound with the present parameters."""
        self.astray = 0
        """Packets of sound in a row that were too far from their pictures to be heard."""
        self._first_parameters: CodecParameters | None = None
        self._encoded: deque[MediaPacket] = deque()
        self._encoded_bytes = 0
        self._sound: deque[_Sound] = deque()
        self._sound_bytes = 0
        self._heard: MediaTime | None = None
        """Time of the newest packet of sound."""

    @property
    def behind_s(self) -> float:
        """How long after the source shows it a frame leaves; see `Pacer`."""
        return self._pacer.behind_s

    @property
    def empty(self) -> bool:
        """Whether nothing waits any more."""
        return super().empty and not (self._encoded or self._sound)

    def apply(self, wanted: Wanted) -> None:
        """Follow what is wanted now: its delay too."""
        self._pacer.set_delay(wanted.policy.delay_s)
        super().apply(wanted)

    def add_video(self, packet: MediaPacket, now: float, lain_s: float = 0.0) -> list[Lost]:
        """Take in a video packet; the first must be a keyframe with its parameters. See `Pacer` for `lain_s`."""
        if packet.codecs:
            self._take_parameters(packet.codecs)
        if self.video is None:
            return [Lost(packet.index, "awaiting_keyframe")]
        self._pacer.observe(packet.decode_time, now, lain_s)
        if self._encoded_bytes + len(packet.data) > MOST_ENCODED_BYTES:
            return [Lost(packet.index, "too_many_bytes")]
        self._note(packet)
        self._encoded.append(packet)
        self._encoded_bytes += len(packet.data)
        return []

    def add_audio(self, packet: MediaPacket, now: float) -> None:
        """Take in a packet of sound."""
        if packet.codecs:
            self._take_parameters(packet.codecs)
        if not self.first_audio or self.audio_parameters != self._first_parameters:
            self.first_audio, self._first_parameters = packet.data, self.audio_parameters
        if self.video is not None and self.due(packet.time) - now > self._pacer.policy.delay_s + SOUND_AHEAD_S:
            self.astray += 1
            return
        self._sound.append(_Sound(packet, self.audio_parameters))
        self._heard = packet.time
        self._sound_bytes += len(packet.data)
        while self._sound_bytes > MOST_SOUND_BYTES:
            self._take_sound()

    def source_ended(self, units: int, now: float) -> None:
        """The source has ended after so many video packets; see `end`."""
        self.end(units)
        self._pacer.end(now)

    def stands_for_s(self, now: float) -> float:
        """Return for how long no picture has come, 0 while one waits to leave."""
        return 0.0 if self._encoded or len(self.line) else self.silent_s(now)

    def silent_s(self, now: float) -> float:
        """Return for how long no picture has come."""
        return self._pacer.silent_s(now)

    def media_s(self, now: float) -> float:
        """Return the media time, in seconds, that is due at `now`."""
        return self._pacer.media_s(now)

    def abandon(self) -> list[Lost]:
        """Give up everything that waits: a newer epoch has begun."""
        indexes = [packet.index for packet in self._encoded] + [lost.index for lost in super().abandon()]
        self._encoded.clear()
        self._encoded_bytes = 0
        self._forget_sound()
        return [Lost(index, "old_epoch") for index in sorted(indexes)]

    def step(self, now: float) -> list[Ready | Lost]:
        """Decode what is nearly due and return what leaves at `now`."""
        results: list[Ready | Lost] = []
        while self._may_decode(now):
            packet = self._encoded.popleft()
            self._encoded_bytes -= len(packet.data)
            results += self._decode(packet, now)
        if self.ended and not self._encoded and self._decoder is not None:
            results += self._drain(now)
        return [*results, *self._commands(self.line.tick(now))]

    def due_audio(self, now: float) -> Iterator[MediaPacket]:
        """Yield the packets of sound that leave at `now`, as far as they are of the format that goes out."""
        if self.video is None:
            self._forget_sound()
        while self._sound and now >= self._sounds_at(self._sound[0].packet.time):
            sound = self._take_sound()
            if sound.parameters == self.audio_parameters:
                yield sound.packet

    def due(self, time: MediaTime) -> float:
        """Return when what is shown or heard at `time` is due; at once when no picture has set the pace yet."""
        try:
            return self._pacer.due(time)
        except ValueError:
            return 0.0

    def late_s(self, time: MediaTime, now: float) -> float:
        """Return how much too late it is for the picture at `time`; below 0 it is in time."""
        return now - self._pacer.deadline(time)

    def sound_late_s(self, time: MediaTime, now: float) -> float:
        """Return how much too late it is for the sound at `time`; below 0 it is in time."""
        return now - self._sounds_at(time)

    def next_wake(self) -> float | None:
        """Return the monotonic second of the next thing to do."""
        times = [self.line.next_due()]
        if self._encoded and self._held_bytes < MOST_HELD_BYTES:
            times.append(self._pacer.due(self._encoded[0].decode_time) - AHEAD_S)
        if self._sound and self.video is not None:
            times.append(self._sounds_at(self._sound[0].packet.time))
        return min((time for time in times if time is not None), default=None)

    def _sounds_at(self, time: MediaTime) -> float:
        """Return when sound leaves. It waits where a picture would, unless sound itself goes on."""
        goes_on = self._heard is not None and self._heard - time >= NEED_S
        waits_s = 0.0 if goes_on or self._pacer.reached(time) else PATIENCE_S
        return self.due(time) + waits_s

    def _take_sound(self) -> "_Sound":
        sound = self._sound.popleft()
        self._sound_bytes -= len(sound.packet.data)
        return sound

    def _forget_sound(self) -> None:
        self._sound.clear()
        self._sound_bytes = 0

    def _may_decode(self, now: float) -> bool:
        if not self._encoded or now < self._pacer.due(self._encoded[0].decode_time) - AHEAD_S:
            return False
        return self._held_bytes < MOST_HELD_BYTES
