"""An engine with a clock of our own and sinks that remember."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.sink import AudioFormat, SinkError
from mosaicast.contracts.messages import MediaPacket, VerdictMessage
from mosaicast.core.types import Box, Disposition
from services.compositor.engine import Engine
from services.compositor.wire import Outcome
from tests.services.compositor.media import verdicts

FULL, MASKED, CLEAR, DROPPED = Disposition.FULL_MOSAIC, Disposition.MASKED, Disposition.CLEAR, Disposition.DROPPED


@dataclass
class Shown:
    time_s: float
    key: bool
    luma: np.ndarray


@dataclass
class Memory:
    """A sink that keeps what it is given."""

    video: VideoFormat
    audio: AudioFormat | None
    frames: list[Shown] = field(default_factory=list)
    sound: list[tuple[float, bytes]] = field(default_factory=list)
    closed: bool = False
    broken: bool = False

    def write_frame(self, frame: av.VideoFrame, time_s: float, *, force_keyframe: bool = False) -> None:
        if self.broken:
            raise SinkError("broken")
        self.frames.append(Shown(time_s, force_keyframe, frame.to_ndarray(format="gray").copy()))

    def write_audio(self, packet: MediaPacket, time_s: float) -> None:
        self.sound.append((time_s, packet.data))

    def close(self) -> None:
        self.closed = True


class Rig:
    """An engine, its sinks, and a clock that follows the media."""

    def __init__(self) -> None:
        self.sinks: list[Memory] = []
        self.refuse = False
        self.wall_ms = 1
        self.engine = Engine(self._open, lambda: self.wall_ms)
        self.now = 100.0
        self.outcomes: list[Outcome] = []

    def _open(self, video: VideoFormat, audio: AudioFormat | None) -> Any:
        if self.refuse:
            raise SinkError("nobody there")
        self.sinks.append(Memory(video, audio))
        return self.sinks[-1]

    def feed(
        self, clip: list[MediaPacket], *boxes: Box, looks: bool = True, of: list[MediaPacket] | None = None
    ) -> None:
        """Play packets, each verdict with its packet. `of`: the clip that they are a part of."""
        self.play(clip, verdicts(of or clip, *boxes) if looks else {})

    def play(self, clip: list[MediaPacket], said: dict[int, VerdictMessage]) -> None:
        start = self.now
        for packet in clip:
            self.now = max(self.now, start + float(packet.decode_time))
            self.engine.on_media(packet, self.now)
            if packet.track == "video" and packet.pts in said:
                self.engine.on_verdict(said[packet.pts], self.now)
            self.step()

    def lag(self, clip: list[MediaPacket], late_s: Callable[[float], float], said: dict[int, VerdictMessage]) -> None:
        """Play packets over a way that takes so long, by their decoding time; verdicts come with their packets."""
        start, waiting = self.now, deque(clip)
        while waiting:
            at_s = float(waiting[0].decode_time)
            if self.now < start + at_s + late_s(at_s):
                self.now += 0.01
                self.step()
                continue
            packet = waiting.popleft()
            self.engine.on_media(packet, self.now)
            if packet.track == "video" and packet.pts in said:
                self.engine.on_verdict(said[packet.pts], self.now)

    def step(self) -> None:
        self.engine.step(self.now)
        self.outcomes += self.engine.take_outcomes()

    def drain(self, seconds: float = 3.0) -> None:
        for _ in range(int(seconds / 0.02)):
            self.now += 0.02
            self.step()

    def kinds(self) -> Counter[tuple[Disposition, str]]:
        return Counter((outcome.disposition, outcome.reason) for outcome in self.outcomes)

    @property
    def frames(self) -> list[Shown]:
        return [frame for sink in self.sinks for frame in sink.frames]


def videos(clip: list[MediaPacket]) -> int:
    return sum(packet.track == "video" for packet in clip)


def end_of(media: list[MediaPacket]) -> MediaPacket:
    return MediaPacket(
        stream_id="st-1", epoch=1, index=len(media), unit=videos(media), track="video", pts=0, dts=0,
        time_base=media[0].time_base, end_of_epoch=True, read_ms=1,
    )  # fmt: skip
