"""FLV with sound of any codec, made at test time: a beep of a quarter of a second at each full second but
the first, and tags that can be rearranged."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.media.flv_pipe import FlvPipe
from mosaicast.adapters.media.opening import SourceLimits, _options
from mosaicast.adapters.media.source import AvSource, EpochStarted, PacketRead
from mosaicast.core.allowed import Allowed
from tests.adapters.av_clips import RATE
from tests.flv_tags import PICTURE, Tag, read_tags

SIZE = (128, 96)
BEEP_S = 0.25
LOUD = 0.1
BLOCK_S = 0.005


def beeps(rate: int, seconds: float) -> NDArray[np.float32]:
    """Return one channel of samples, -1 to 1."""
    at = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * 880 * at) * (at % 1.0 < BEEP_S) * (at >= 1.0)).astype(np.float32)


def make_flv(path: Path, codec: str, *, rate: int = 44100, layout: str = "stereo", seconds: float = 4.0) -> Path:
    """Write pictures at 30 a second and sound of this codec, interleaved as they come."""
    with av.open(str(path), "w", format="flv") as output:
        video: Any = output.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.options = {"bf": "0", "g": "30", "preset": "ultrafast", "sc_threshold": "0"}
        sound: Any = output.add_stream(codec, rate=rate, layout=layout)
        tone = beeps(rate, seconds)
        step = rate // RATE
        for number in range(int(seconds * RATE)):
            picture = av.VideoFrame.from_ndarray(np.full((SIZE[1], SIZE[0], 3), 40, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, RATE)
            output.mux(video.encode(picture))
            output.mux(sound.encode(_frame(tone[number * step : (number + 1) * step], rate, layout, number * step)))
        for track in (video, sound):
            output.mux(track.encode(None))
    return path


def _frame(samples: NDArray[np.float32], rate: int, layout: str, pts: int) -> av.AudioFrame:
    channels = 1 if layout == "mono" else 2
    frame = av.AudioFrame.from_ndarray(np.tile(samples, (channels, 1)), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, pts, Fraction(1, rate)
    return frame


def tags_of(path: Path) -> list[Tag]:
    """Return the tags of an FLV file, in order."""
    return list(read_tags(path))


def begin_ms(tags: Sequence[Tag]) -> int:
    """Return the time of the first picture: muxers begin with what encoders of sound put before theirs."""
    return next(tag.at_ms for tag in tags if tag.kind == PICTURE)


def write_flv(path: Path, tags: Iterable[Tag]) -> Path:
    """Write tags as a file."""
    path.write_bytes(b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00" + b"".join(tag.encoded() for tag in tags))
    return path


def live(path: Path, *, allowed: Allowed | None = None, now_s: Callable[[], float] = lambda: 0.0) -> AvSource:
    """Return a file as a live source, its FLV read through the pipe."""
    lists = allowed or Allowed.live()
    pipe = FlvPipe(av.open(str(path), format="data", options={"raw_packet_size": "1000"}))
    container = av.open(pipe, format="flv", options=_options(SourceLimits(), lists, live=True))
    return AvSource(container, lists, live=True, pipe=pipe, now_s=now_s)


def sound_of(events: Iterable[Any]) -> list[PacketRead]:
    """Return the packets of sound among events of a source."""
    return [event for event in events if isinstance(event, PacketRead) and event.track == "audio"]


def starts_of(events: Iterable[Any]) -> list[EpochStarted]:
    """Return where epochs begin."""
    return [event for event in events if isinstance(event, EpochStarted)]


def onsets_s(events: Sequence[Any]) -> list[float]:
    """Return when it begins to beep, as a player of the AAC hears it: seconds since the first picture."""
    first_s = next(float(event.decode_time) for event in events if isinstance(event, PacketRead))
    heard = decoded(sound_of(events))
    levels = [level for packet, frames in heard for frame in frames for level in _levels(packet, frame)]
    return [at - first_s for (_, before), (at, now) in itertools.pairwise(levels) if before < LOUD <= now]


def decoded(packets: Sequence[PacketRead]) -> list[tuple[PacketRead, list[Any]]]:
    """Return what each packet decodes to; parameters that change are another decoder."""
    found, decoder, known = [], None, None
    for packet in packets:
        if packet.parameters != known:
            known = packet.parameters
            assert known is not None
            decoder = av.CodecContext.create("aac", "r")
            decoder.extradata = known.extradata
        assert decoder is not None
        found.append((packet, list(decoder.decode(av.Packet(packet.data)))))
    return found


def _levels(packet: PacketRead, frame: Any) -> list[tuple[float, float]]:
    samples = frame.to_ndarray()[0]
    size = int(BLOCK_S * frame.sample_rate)
    begin_s = float(packet.time_base.seconds(packet.times.pts))
    return [
        (begin_s + at / frame.sample_rate, float(np.sqrt(np.mean(samples[at : at + size] ** 2))))
        for at in range(0, len(samples) - size + 1, size)
    ]
