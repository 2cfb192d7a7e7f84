"""Which packets hold a picture, and where what holds none goes."""

import pytest

from mosaicast.adapters.media.units import LARGEST_HELD_BYTES, PictureUnits

AVCC = bytes.fromhex("0164001fffe1")
HVCC = bytes([1]) + bytes(20) + b"\x03" + b"\x00"


def prefixed(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def after_start_codes(*units: bytes) -> bytes:
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


AUD, SEI, SPS, PPS, END, IDR, SLICE = (bytes([first]) + b"abc" for first in (0x09, 0x06, 0x67, 0x68, 0x0A, 0x65, 0x41))
HEVC_SEI, HEVC_AUD, HEVC_EOS, HEVC_IDR, HEVC_TRAIL = (bytes([kind << 1, 1]) + b"abc" for kind in (39, 35, 36, 19, 1))
OBU_TD, OBU_SEQUENCE, OBU_METADATA, OBU_PADDING = b"\x12\x00", b"\x0a\x03abc", b"\x2a\x02ab", b"\x7a\x01a"
OBU_FRAME, OBU_HEADER, OBU_UNSIZED_FRAME = b"\x32\x03abc", b"\x1a\x01a", b"\x30abc"


@pytest.mark.parametrize("picture", [IDR, SLICE, b"\x61x", b"\x01x", b"\x54xxxx"])
@pytest.mark.parametrize(("extradata", "joined"), [(AVCC, prefixed), (b"", after_start_codes)])
def test_h264(picture: bytes, extradata: bytes, joined: object) -> None:
    assert callable(joined)
    units = PictureUnits("h264")
    for alone in (joined(AUD), joined(SEI), joined(SPS, PPS), joined(END), joined(AUD, SEI)):
        assert units.joined(alone, extradata) is None
    last = joined(AUD, picture)
    held = joined(AUD) + joined(SEI) + joined(SPS, PPS) + joined(END) + joined(AUD, SEI)
    assert units.joined(last, extradata) == held + last
    assert units.joined(last, extradata) is last, "and it waits for nothing any more"


@pytest.mark.parametrize("picture", [HEVC_IDR, HEVC_TRAIL])
@pytest.mark.parametrize(("extradata", "joined"), [(HVCC, prefixed), (b"", after_start_codes)])
def test_hevc(picture: bytes, extradata: bytes, joined: object) -> None:
    assert callable(joined)
    units = PictureUnits("hevc")
    for alone in (joined(HEVC_AUD), joined(HEVC_SEI), joined(HEVC_EOS)):
        assert units.joined(alone, extradata) is None
    held = joined(HEVC_AUD) + joined(HEVC_SEI) + joined(HEVC_EOS)
    assert units.joined(joined(picture), extradata) == held + joined(picture)


@pytest.mark.parametrize("picture", [OBU_FRAME, OBU_HEADER, OBU_UNSIZED_FRAME, OBU_SEQUENCE + OBU_FRAME])
def test_av1(picture: bytes) -> None:
    units = PictureUnits("av1")
    for alone in (OBU_TD, OBU_SEQUENCE, OBU_METADATA + OBU_PADDING, OBU_TD + OBU_SEQUENCE + b"\x28ab"):
        assert units.joined(alone, b"") is None
    assert (units.joined(picture, b"") or b"").endswith(picture)
    assert units.joined(picture, b"") is picture


def test_empty_units_are_left_out() -> None:
    units = PictureUnits("h264")
    assert units.joined(prefixed(b""), AVCC) is None
    assert units.joined(prefixed(b"", SEI, b""), AVCC) is None
    assert units.joined(prefixed(AUD, b"", IDR, b""), AVCC) == prefixed(SEI, AUD, IDR)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_lengths_of_any_size(size: int) -> None:
    extradata = AVCC[:4] + bytes([0xFC | (size - 1)]) + AVCC[5:]
    one = len(SEI).to_bytes(size, "big") + SEI
    units = PictureUnits("h264")
    assert units.joined(one, extradata) is None
    two = len(IDR).to_bytes(size, "big") + IDR
    assert units.joined(two, extradata) == one + two


@pytest.mark.parametrize(
    ("codec", "data", "extradata"),
    [("h264", prefixed(SEI)[:-1], AVCC), ("h264", prefixed(SEI) + b"\x00", AVCC), ("h264", b"\xff" * 40, AVCC),
     ("h264", b"no start code", b""), ("hevc", b"\x00\x00\x07\x00abc", HVCC), ("av1", b"\x0a\x7fabc", b""),
     ("av1", b"\xffabc", b""), ("av1", b"\x0a" + b"\xff" * 9, b""), ("vp9", b"\x06", b""),
     ("mpeg4", prefixed(SEI), AVCC)],
)  # fmt: skip
def test_what_can_not_be_understood_is_the_decoders_to_judge(codec: str, data: bytes, extradata: bytes) -> None:
    assert PictureUnits(codec).joined(data, extradata) is data


def test_what_waits_is_bounded() -> None:
    units = PictureUnits("h264")
    for _ in range(100):
        assert units.joined(prefixed(SEI[:1] + bytes(1000)), AVCC) is None
    assert 0 < len(units.joined(prefixed(IDR), AVCC) or b"") <= LARGEST_HELD_BYTES + len(prefixed(IDR))
