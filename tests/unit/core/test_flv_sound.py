"""Tags of sound, old and enhanced."""

import pytest

from mosaicast.core.flv_sound import SoundTag, parse_tag


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", None),
        (b"\xaf", None),
        (b"\xaf\x00\x12\x10", SoundTag("aac", "aac", header=b"\x12\x10")),
        (b"\xaf\x01data", SoundTag("aac", "aac", data=b"data")),
        (b"\x2fdata", SoundTag("mp3", "mp3", 44100, 2, data=b"data")),
        (b"\xe2data", SoundTag("mp3", "mp3", 8000, 1, data=b"data")),
        (b"\x3edata", SoundTag("pcm_s16le", "pcm_s16le", 44100, 1, data=b"data")),
        (b"\x09data", SoundTag("pcm_u8", "pcm_u8", 22050, 2, data=b"data")),
        (b"\x72data", SoundTag("pcm_alaw", "pcm_alaw", 8000, 1, data=b"data")),
        (b"\x83data", SoundTag("pcm_mulaw", "pcm_mulaw", 8000, 2, data=b"data")),
        (b"\xb7data", SoundTag("speex", "speex", 16000, 1, data=b"data")),
        (b"\x1fdata", SoundTag("adpcm_swf", "adpcm_swf", 44100, 2, data=b"data")),
        (b"\xf0data", SoundTag("", "format 15 of FLV", 5512, 1, data=b"data")),
        (b"\x90OpusOpusHead", SoundTag("opus", "opus", header=b"OpusHead")),
        (b"\x91Opusdata", SoundTag("opus", "opus", data=b"data")),
        (b"\x91ac-3data", SoundTag("ac3", "ac3", data=b"data")),
        (b"\x90mp4a\x12\x10", SoundTag("aac", "aac", header=b"\x12\x10")),
        (b"\x90fLaCfLaC\x00\x00\x00\x22info", SoundTag("flac", "flac", header=b"info")),
        (b"\x91wxyzdata", SoundTag("", "format 'wxyz' of FLV", data=b"data")),
        (b"\x92Opus", None),
        (b"\x97\x00\xff\x01Opusdata", SoundTag("opus", "opus", data=b"data")),
        (b"\x97\xff\x00\x01abc\x01Opusdata", None),
        (b"\x95\x01Opus\x00data", SoundTag("opus", "opus", data=b"data")),
        (b"\x95\x01Opus\x01data", None),
        (b"\x95\x11Opus\x00\x00\x00\x02dataother", SoundTag("opus", "opus", data=b"da")),
        (b"\x95\x01Opus", None),
        (b"\x97", None),
    ],
)
def test_a_tag_tells_its_codec_and_what_is_in_it(body: bytes, expected: SoundTag | None) -> None:
    assert parse_tag(body) == expected


@pytest.mark.parametrize("first", range(256))
def test_no_tag_is_too_odd(first: int) -> None:
    for length in range(20):
        parse_tag(bytes([first]) * length)
        parse_tag(bytes([first]) + b"\xff" * length)
