"""Clips as the messages that ingest would send."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import av
from msgspec.structs import replace

from mosaicast.adapters.media.packets import DecodeError, PacketDecoder
from mosaicast.adapters.media.pictures import fingerprint_of
from mosaicast.contracts.messages import CodecParameters, MediaPacket, StreamSpec, TimeBase, VerdictMessage, WireTrack
from mosaicast.core.types import Box, Reason

STREAM = "st-1"


def packets(path: Path, *, epoch: int = 1) -> list[MediaPacket]:
    """Return a clip's packets, video and audio, as one epoch."""
    messages: list[MediaPacket] = []
    units = 0
    with av.open(str(path)) as container:
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        parameters = {stream.index: _parameters(stream) for stream in streams}
        for packet in container.demux(streams):
            if packet.dts is None:
                continue
            of = parameters[packet.stream.index]
            starts = of.track == "video" and packet.is_keyframe
            messages.append(
                MediaPacket(
                    stream_id=STREAM,
                    epoch=epoch,
                    index=len(messages),
                    unit=units,
                    track=of.track,
                    pts=packet.pts,
                    dts=packet.dts,
                    duration=packet.duration or 0,
                    time_base=of.time_base,
                    keyframe=packet.is_keyframe,
                    codecs=tuple(parameters.values()) if starts else (),
                    data=bytes(packet),
                    read_ms=1,
                )
            )
            units += of.track == "video"
    return messages


def _parameters(stream: av.stream.Stream) -> CodecParameters:
    context, is_video = stream.codec_context, stream.type == "video"
    return CodecParameters(
        track="video" if is_video else "audio",
        codec=context.name,
        time_base=TimeBase(stream.time_base.numerator, stream.time_base.denominator),
        extradata=context.extradata or b"",
        width=context.width if is_video else 0,
        height=context.height if is_video else 0,
        frame_rate=30.0 if is_video else 0.0,
        sample_rate=0 if is_video else context.sample_rate,
    )


def distinct(media: Sequence[MediaPacket]) -> list[MediaPacket]:
    """Return packets whose sound tells one from another; nobody decodes it."""
    return [replace(one, data=b"%d" % one.index) if one.track == "audio" else one for one in media]


def spec(revision: int = 1, **changes: object) -> StreamSpec:
    """Return a stream's spec."""
    return StreamSpec(stream_id=STREAM, owner_id="o", revision=revision, **changes)  # type: ignore[arg-type]


def fingerprints(media: Sequence[MediaPacket]) -> dict[int, bytes]:
    """Return the fingerprint of each picture, by pts, as ingest's decoder sees it."""
    video = [packet for packet in media if packet.track == "video"]
    codecs = next((packet.codecs for packet in video if packet.codecs), ())
    if not codecs:
        return {}
    decoder, found = PacketDecoder(codecs[0]), {}
    for packet in (*video, None):
        with suppress(DecodeError):
            for decoded in decoder.flush() if packet is None else decoder.decode(packet):
                found[decoded.pts] = fingerprint_of(decoded.frame)
    return found


def verdicts(media: Sequence[MediaPacket], *boxes: Box, every: int = 3) -> dict[int, VerdictMessage]:
    """Return a verdict on every third picture and the last, by pts: strangers in these boxes."""
    prints = fingerprints(media)
    of = {packet.pts: packet for packet in media if packet.track == "video"}
    looked_at = sorted({*sorted(prints)[::every], *sorted(prints)[-1:]})
    return {pts: verdict(of[pts], *boxes, seq=seq, print_=prints[pts]) for seq, pts in enumerate(looked_at)}


def verdict(packet: MediaPacket, *boxes: Box, seq: int = 0, print_: bytes = bytes(144)) -> VerdictMessage:
    """Return the verdict on a packet's frame: strangers in these boxes."""
    return VerdictMessage(
        stream_id=STREAM,
        epoch=packet.epoch,
        seq=seq,
        pts=packet.pts,
        time_base=packet.time_base,
        width=320,
        height=180,
        fingerprint=print_,
        after_seq=seq - 1,
        tracks=tuple(WireTrack(track_id=n, box=box, clear=False, reason=Reason.UNKNOWN) for n, box in enumerate(boxes)),
        read_ms=1,
    )
