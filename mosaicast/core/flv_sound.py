"""What a tag of sound in FLV holds (FLV 10.1, E.4.2; Enhanced RTMP v2, "Enhanced Audio")."""

from dataclasses import dataclass

_AAC, _ENHANCED = 10, 9
_CODECS = {
    0: "pcm_s16le", 1: "adpcm_swf", 2: "mp3", 3: "pcm_s16le", 4: "nellymoser", 5: "nellymoser", 6: "nellymoser",
    7: "pcm_alaw", 8: "pcm_mulaw", 11: "speex", 14: "mp3",
}  # fmt: skip
"""FFmpeg's names by SoundFormat. 0 is PCM in the order of the encoder's machine, and those are little-endian."""
_FIXED_RATES = {4: 16000, 5: 8000, 7: 8000, 8: 8000, 11: 16000, 14: 8000}
_MONO = frozenset({4, 5, 11})
_RATES = (5512, 11025, 22050, 44100)
_FOURCC = {b"mp4a": "aac", b"Opus": "opus", b"ac-3": "ac3", b"ec-3": "eac3", b".mp3": "mp3", b"fLaC": "flac"}
_START, _FRAMES, _MULTITRACK, _MOD_EX = 0, 1, 5, 7


@dataclass(frozen=True, slots=True)
class SoundTag:
    """One tag."""

    codec: str
    """FFmpeg's name; empty where nobody knows it."""
    name: str
    """For people."""
    sample_rate: int = 0
    """As the tag says; 0: the codec says."""
    channels: int = 0
    header: bytes | None = None
    """What a decoder needs to begin, in a tag that holds nothing else."""
    data: bytes = b""


def parse_tag(body: bytes) -> SoundTag | None:
    """Return what the body of a tag holds; None: nothing to hear, or it is broken."""
    if len(body) < 2:
        return None
    sound_format = body[0] >> 4
    try:
        if sound_format == _ENHANCED:
            return _enhanced(body)
    except IndexError:
        return None
    if sound_format == _AAC:
        return SoundTag("aac", "aac", header=body[2:]) if body[1] == 0 else SoundTag("aac", "aac", data=body[2:])
    return _plain(sound_format, body)


def _plain(sound_format: int, body: bytes) -> SoundTag:
    codec = _CODECS.get(sound_format, "")
    if codec == "pcm_s16le" and not body[0] & 0x02:
        codec = "pcm_u8"
    rate = _FIXED_RATES.get(sound_format, _RATES[body[0] >> 2 & 0x03])
    channels = 1 if sound_format in _MONO else 1 + (body[0] & 0x01)
    return SoundTag(codec, codec or f"format {sound_format} of FLV", rate, channels, data=body[1:])


def _enhanced(body: bytes) -> SoundTag | None:
    """Read the header of Enhanced RTMP. Raises IndexError: the tag ends within."""
    kind, at = body[0] & 0x0F, 1
    while kind == _MOD_EX:
        size, at = body[at] + 1, at + 1
        if size == 256:
            size, at = int.from_bytes(body[at : at + 2], "big") + 1, at + 2
        at += size
        kind, at = body[at] & 0x0F, at + 1
    end, many, multitrack = len(body), 0, kind == _MULTITRACK
    if multitrack:
        many, kind, at = body[at] >> 4, body[at] & 0x0F, at + 1
    fourcc, at = body[at : at + 4], at + 4
    if multitrack:
        if body[at] != 0:  # one track is heard: the first
            return None
        at += 1
    if many:
        end, at = at + 3 + int.from_bytes(body[at : at + 3], "big"), at + 3
    return _of_kind(kind, fourcc, body[at:end])


def _of_kind(kind: int, fourcc: bytes, rest: bytes) -> SoundTag | None:
    codec = _FOURCC.get(fourcc, "")
    name = codec or f"format {fourcc.decode('ascii', 'replace')!a} of FLV"
    if kind == _START:
        return SoundTag(codec, name, header=rest[8:] if codec == "flac" else rest)  # without its magic and block header
    return SoundTag(codec, name, data=rest) if kind == _FRAMES else None
