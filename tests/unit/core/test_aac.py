"""What AAC says of itself."""

import pytest

from mosaicast.core.aac import (
    LC,
    PS,
    SBR,
    AacConfig,
    begins_like_adts,
    lc_config,
    parse_config,
    unwrap_adts,
    with_listed_rate,
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (b"", None),
        (b"\x12", None),
        (b"\x12\x10", AacConfig(LC, 44100, 2)),
        (b"\x11\x88\x56\xe5\x00", AacConfig(LC, 48000, 1)),
        (b"\x2b\x92\x08\x00", AacConfig(SBR, 22050, 2)),
        (b"\xeb\x8a\x08\x00", AacConfig(PS, 22050, 1)),
        (b"\x17\x80\x5d\xc0\x10", AacConfig(LC, 48000, 2, rate_is_listed=False)),
        (b"\x12\x00", AacConfig(LC, 44100, 0)),
        (b"\x11\xb8", AacConfig(LC, 48000, 8)),
        (b"\x16\x90", None),
        (b"\x00\x10", None),
        (b"\x12\x78", None),
    ],
    ids=[
        "empty", "too short", "LC", "LC with an extension", "HE-AAC", "HE-AAC v2", "rate in full", "a list of channels",
        "7.1", "reserved rate", "no type", "reserved channels",
    ],
)  # fmt: skip
def test_a_config_tells_type_rate_and_channels(config: bytes, expected: AacConfig | None) -> None:
    assert parse_config(config) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (b"\x17\x80\x5d\xc0\x10", b"\x11\x90"),
        (b"\x17\x80\x5d\xc0\x12\xb7\x28", b"\x11\x92\xb7\x28"),
        (b"\x12\x10", b"\x12\x10"),
        (b"\x17\x80\x5d\xc1\x10", b"\x17\x80\x5d\xc1\x10"),
        (b"", b""),
    ],
    ids=["written out", "with an extension behind it", "listed already", "a rate that is not in the list", "empty"],
)
def test_a_rate_that_is_written_out_is_told_by_its_index(config: bytes, expected: bytes) -> None:
    assert with_listed_rate(config) == expected


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (7350, 1)])
def test_what_is_made_is_read_back(rate: int, channels: int) -> None:
    config = parse_config(lc_config(rate, channels))
    assert config == AacConfig(LC, rate, channels)
    assert config.is_common
    assert config.is_simple


def test_what_our_encoder_does_not_make_is_not_simple() -> None:
    assert not AacConfig(SBR, 22050, 2).is_simple
    assert not AacConfig(LC, 48000, 6).is_simple
    assert not AacConfig(LC, 48000, 0).is_common
    assert not AacConfig(42, 48000, 2).is_common, "xHE-AAC: no browser plays it"
    assert not AacConfig(LC, 48000, 2, rate_is_listed=False).is_common, "MPEG-TS can't carry it"


def adts(size: int, *, channels: int = 2, checksum: bool = False) -> bytes:
    length = size + (9 if checksum else 7)
    head = bytes(
        [
            0xFF,
            0xF0 if checksum else 0xF1,
            0x50,
            channels << 6 | length >> 11,
            length >> 3 & 0xFF,
            length << 5 & 0xFF,
            0,
        ]
    )
    return head + (b"\xaa\xbb" if checksum else b"") + b"x" * size


@pytest.mark.parametrize("checksum", [False, True])
def test_an_adts_frame_gives_its_config_and_the_bare_frame(checksum: bool) -> None:
    found = unwrap_adts(adts(100, checksum=checksum))
    assert found is not None
    assert (parse_config(found[0]), found[1]) == (AacConfig(LC, 44100, 2), [b"x" * 100])


def test_several_adts_frames_are_as_many_bare_ones() -> None:
    found = unwrap_adts(adts(100) + adts(20) + adts(3))
    assert found is not None
    assert [len(frame) for frame in found[1]] == [100, 20, 3]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xf1", adts(0), adts(50) + b"x", adts(50)[:-1], b"\x21" + adts(50)[1:], adts(50, channels=0),
     adts(50) + adts(50, channels=1)],
)  # fmt: skip
def test_what_is_no_whole_adts_frame_is_none(data: bytes) -> None:
    assert unwrap_adts(data) is None


@pytest.mark.parametrize(
    ("data", "does"),
    [(b"", False), (b"\xff", False), (adts(5), True), (b"\xff" * 9, True), (b"\xff\xef", False), (b"\x21\x10", False)],
)
def test_what_begins_like_adts(data: bytes, does: bool) -> None:
    assert begins_like_adts(data) is does
