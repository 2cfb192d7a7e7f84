"""What a source gives: read whole, sorted by kind, and decoded as the compositor does it."""

from collections.abc import Sequence
from pathlib import Path

import av

from mosaicast.adapters.media.opening import open_source
from mosaicast.adapters.media.packets import PacketDecoder
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.source import EpochStarted, PacketRead, SourceEvent
from mosaicast.contracts.messages import MediaPacket


def read_file(path: Path) -> list[SourceEvent]:
    with open_source(str(path), live=False) as source:
        return list(source.events())


def starts(events: Sequence[SourceEvent]) -> list[EpochStarted]:
    return [event for event in events if isinstance(event, EpochStarted)]


def pictures(events: Sequence[SourceEvent]) -> list[Picture]:
    return [event for event in events if isinstance(event, Picture)]


def decoded(events: Sequence[SourceEvent]) -> list[tuple[int, av.VideoFrame]]:
    """Return what the compositor decodes of one epoch, each with its pts."""
    (start,) = starts(events)
    decoder = PacketDecoder(start.video)
    found = []
    for number, read in enumerate(event for event in events if isinstance(event, PacketRead)):
        packet = MediaPacket(
            stream_id="s", epoch=1, index=number, unit=number, track="video", pts=read.times.pts, dts=read.times.dts,
            time_base=read.time_base, keyframe=read.keyframe, data=read.data, read_ms=1,
        )  # fmt: skip
        found += decoder.decode(packet)
    return [(one.pts, one.frame) for one in [*found, *decoder.flush()]]
