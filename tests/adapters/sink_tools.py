"""What is pushed through a sink in tests, and what a player gets."""

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.sink import AudioFormat, FlvSink
from mosaicast.contracts.messages import MediaPacket
from tests.adapters.av_clips import RATE, make_clip, picture
from tests.services.compositor.media import packets

SIZE = (320, 180)
WAIT_S = 30.0
VIDEO = VideoFormat(*SIZE, float(RATE), "veryfast")


@dataclass
class Sound:
    """Packets of a source, and what fixes their format."""

    packets: list[MediaPacket]
    format: AudioFormat


def make_sound(folder: Path) -> Sound:
    """Return the sound of a clip of five seconds."""
    media = packets(make_clip(folder / "sound.flv", frames=150))
    parameters = next(codec for p in media for codec in p.codecs if codec.track == "audio")
    mine = [packet for packet in media if packet.track == "audio"]
    return Sound(mine, AudioFormat(parameters, mine[0].data))


def frame(number: int, size_wh: tuple[int, int] = SIZE) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture(number, size_wh), format="rgb24").reformat(format="yuv420p")


def push(sink: FlvSink, count: int, sound: Sound | None = None, *, forced: frozenset[int] = frozenset()) -> None:
    """Send frames at 30 a second, and the sound that belongs between them."""
    waiting = list(sound.packets) if sound else []
    for number in range(count):
        time_s = number / RATE
        sink.write_frame(frame(number), time_s, force_keyframe=number in forced)
        while waiting and waiting[0].time <= time_s:
            sink.write_audio(waiting[0], float(waiting.pop(0).time))


@dataclass
class Seen:
    """What a player got: milliseconds, keyframes, bytes."""

    video: list[tuple[int, bool]] = field(default_factory=list)
    audio: list[tuple[int, bytes]] = field(default_factory=list)

    def take(self, packet: av.Packet) -> None:
        at_ms = round(packet.pts * packet.time_base * 1000)
        if packet.stream.type == "video":
            self.video.append((at_ms, packet.is_keyframe))
        else:
            self.audio.append((at_ms, bytes(packet)))


class Player:
    """Reads a push back on a thread of its own until the edge ends."""

    def __init__(self, url: str, address: str = "127.0.0.1") -> None:
        self.seen = Seen()
        self.news = threading.Condition()
        self._thread = threading.Thread(target=self._play, args=(url, {"local_addr": address}), daemon=True)
        self._thread.start()

    def _play(self, url: str, options: dict[str, str]) -> None:
        with contextlib.suppress(av.FFmpegError), av.open(url, timeout=WAIT_S, options=options) as container:
            for packet in container.demux():
                if packet.dts is not None:
                    with self.news:
                        self.seen.take(packet)
                        self.news.notify_all()

    def until(self, condition: Any) -> Seen:
        with self.news:
            assert self.news.wait_for(lambda: condition(self.seen), WAIT_S), f"seen until now: {self.seen.video[-3:]}"
        return self.seen

    def join(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


def read(path: Path) -> Seen:
    seen = Seen()
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.dts is not None:
                seen.take(packet)
    return seen
