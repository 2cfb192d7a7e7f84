"""What the parent accepts from a child, which decodes strangers' media and may have been taken over.

The compositor hands encoded packets and their parameters to a decoder, in a child of its own. So only codecs and sizes
that a source may have get that far. Sampled frames must be JPEGs of the size and kind that our child makes.
"""

from mosaicast.contracts.messages import CodecParameters, MediaPacket, SampledFrame
from mosaicast.core.allowed import LONGEST_SIDE, Allowed
from mosaicast.imaging.jpeg_header import fitted, read_header


def packet_violation(packet: MediaPacket, allowed: Allowed) -> str | None:
    """Return what is wrong with a packet in a word, None if nothing."""
    if len({codec.track for codec in packet.codecs}) < len(packet.codecs):
        return "codec_twice"
    return next((wrong for codec in packet.codecs if (wrong := _codec_violation(codec, allowed))), None)


def _codec_violation(codec: CodecParameters, allowed: Allowed) -> str | None:
    # Ingest makes AAC of all sound, and nobody behind it decodes that.
    if codec.codec not in ({"aac"} if codec.track == "audio" else allowed.codecs):
        return "foreign_codec"
    if (
        codec.track == "video"
        and not 0 < min(codec.width, codec.height) <= max(codec.width, codec.height) <= LONGEST_SIDE
    ):
        return "absurd_size"
    return None


def sample_violation(sample: SampledFrame, size_wh: tuple[int, int], pixel_wh: tuple[int, int] = (1, 1)) -> str | None:
    """Return what is wrong with a sampled frame of an epoch, None if nothing.

    Args:
        size_wh: of its pictures.
        pixel_wh: width to height of one of their pixels.
    """
    if (sample.width, sample.height) != size_wh:
        return "other_size"
    header = read_header(sample.jpeg)
    if header is None or not header.baseline:
        return "no_jpeg"
    return None if (header.width, header.height) == fitted(size_wh, pixel_wh) else "other_jpeg_size"
