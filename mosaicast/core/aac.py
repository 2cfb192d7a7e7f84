"""What AAC says of itself: its AudioSpecificConfig (ISO 14496-3, 1.6.2.1) and the header of ADTS frames (1.A.3.2)."""

from dataclasses import dataclass

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Samples a second, by index (table 1.18)."""
FRAME_SAMPLES = 1024
LC, SBR, PS = 2, 5, 29
"""Object types (table 1.17): plain AAC, and the two kinds of HE-AAC. Browsers and players know these three."""
_EXPLICIT_RATE = 15
_EXTENDED_TYPE = 31
_SHORT_TYPE_BITS, _INDEX_BITS, _RATE_BITS = 5, 4, 24
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)
"""By channel configuration (table 1.19); 0: a list of its own says."""
_ADTS_HEADER_BYTES, _CHECKSUM_BYTES = 7, 2


@dataclass(frozen=True, slots=True)
class AacConfig:
    """How AAC is coded."""

    object_type: int
    sample_rate: int
    """Of the core: HE-AAC sounds at twice of it."""
    channels: int
    """0: not told in the usual place."""
    rate_is_listed: bool = True
    """The rate is told by its index. Where it is written out, ADTS (MPEG-TS, and so HLS) has no room for it."""

    @property
    def is_common(self) -> bool:
        """Whether every player takes it."""
        return self.object_type in {LC, SBR, PS} and self.channels > 0 and self.rate_is_listed

    @property
    def is_simple(self) -> bool:
        """Whether FFmpeg's encoder makes the like of it: plain AAC of one or two channels."""
        return self.object_type == LC and self.channels in {1, 2} and self.sample_rate in RATES


def parse_config(config: bytes) -> AacConfig | None:
    """Return what an AudioSpecificConfig says, None where it says nothing that makes sense."""
    bits = _Bits(config)
    try:
        object_type, (rate, is_listed), channels = bits.object_type(), bits.rate(), bits.take(4)
    except ValueError:
        return None
    if object_type == 0 or rate == 0 or channels >= len(_CHANNELS):
        return None
    return AacConfig(object_type, rate, _CHANNELS[channels], is_listed)


def with_listed_rate(config: bytes) -> bytes:
    """Return an AudioSpecificConfig that tells its rate by the index, where there is one; else as it is. Neither FFmpeg
    nor ADTS takes a rate that is written out."""
    parsed = parse_config(config)
    if (
        parsed is None
        or parsed.rate_is_listed
        or parsed.object_type >= _EXTENDED_TYPE
        or parsed.sample_rate not in RATES
    ):
        return config
    kind, after = _SHORT_TYPE_BITS, _SHORT_TYPE_BITS + _INDEX_BITS + _RATE_BITS
    bits = f"{int.from_bytes(config, 'big'):0{8 * len(config)}b}"
    listed = f"{bits[:kind]}{RATES.index(parsed.sample_rate):04b}{bits[after:]}"
    listed += "0" * (-len(listed) % 8)
    return int(listed, 2).to_bytes(len(listed) // 8, "big")


def lc_config(sample_rate: int, channels: int) -> bytes:
    """Return the AudioSpecificConfig of plain AAC; `sample_rate` is one of `RATES`, `channels` 1 or 2."""
    return (LC << 11 | RATES.index(sample_rate) << 7 | channels << 3).to_bytes(2, "big")


def begins_like_adts(data: bytes) -> bool:
    """Whether data begins as an ADTS frame does. A bare frame never does: its first three bits would say that it ends.

    FFmpeg's muxer of FLV gives up the whole push where the first sound begins so.
    """
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xF0 == 0xF0


def unwrap_adts(data: bytes) -> tuple[bytes, list[bytes]] | None:
    """Return the AudioSpecificConfig and the bare frames of whole ADTS frames; None: it is something else.

    Frames of FLV should be bare, one in a tag, but some encoders leave the header on, and send several.
    """
    config, at = b"", 0
    frames: list[bytes] = []
    while at < len(data) or not frames:
        one = _unwrap_one(data[at:])
        if one is None or (frames and one[0] != config):
            return None
        config, frame, length = one
        frames.append(frame)
        at += length
    return config, frames


def _unwrap_one(data: bytes) -> tuple[bytes, bytes, int] | None:
    """Return the config, the bare frame, and the length of the ADTS frame with which data begins."""
    if len(data) <= _ADTS_HEADER_BYTES or data[0] != 0xFF or data[1] & 0xF6 != 0xF0 or data[6] & 0x03:
        return None
    length = (data[3] & 0x03) << 11 | data[4] << 3 | data[5] >> 5
    object_type, rate_index = (data[2] >> 6) + 1, data[2] >> 2 & 0x0F
    channels = (data[2] & 0x01) << 2 | data[3] >> 6
    header = _ADTS_HEADER_BYTES + (0 if data[1] & 0x01 else _CHECKSUM_BYTES)
    if not header < length <= len(data) or rate_index >= len(RATES) or channels == 0:
        return None
    config = (object_type << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")
    return config, data[header:length], length


class _Bits:
    """Reads bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data[:16], "big"), 8 * len(data[:16])

    def take(self, count: int) -> int:
        """Return the next bits as a number. Raises ValueError: there are not so many."""
        if count > self._left:
            raise ValueError("too few bits")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def object_type(self) -> int:
        short = self.take(5)
        return 32 + self.take(6) if short == _EXTENDED_TYPE else short

    def rate(self) -> tuple[int, bool]:
        """Return the rate, and whether it was told by its index."""
        index = self.take(4)
        if index == _EXPLICIT_RATE:
            return self.take(24), False
        return (RATES[index] if index < len(RATES) else 0), True
