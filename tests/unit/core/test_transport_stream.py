"""Tables of MPEG-TS say what is there."""

import zlib

import pytest

from mosaicast.core.transport_stream import _crc, without_absent_sound

PAT_PID, PMT_PID, VIDEO_PID, SOUND_PID = 0, 0x1000, 0x100, 0x101


def packet(pid: int, body: bytes = b"", *, begins: bool = False) -> bytes:
    head = bytes([0x47, 0x40 * begins | pid >> 8, pid & 0xFF, 0x10])
    return (head + body).ljust(188, b"\xff")


def section(kind: int, body: bytes) -> bytes:
    whole = bytes([kind, 0xB0, len(body) + 9]) + b"\x00\x01\xc1\x00\x00" + body
    return b"\x00" + whole + _crc(whole).to_bytes(4, "big")


PAT = packet(PAT_PID, section(0, b"\x00\x01" + (0xE000 | PMT_PID).to_bytes(2, "big")), begins=True)


def pmt(*tracks: tuple[int, int, bytes]) -> bytes:
    entries = b"".join(
        bytes([kind]) + (0xE000 | pid).to_bytes(2, "big") + (0xF000 | len(more)).to_bytes(2, "big") + more
        for kind, pid, more in tracks
    )
    return packet(PMT_PID, section(2, (0xE000 | VIDEO_PID).to_bytes(2, "big") + b"\xf0\x00" + entries), begins=True)


BOTH, ALONE = pmt((0x1B, VIDEO_PID, b""), (0x0F, SOUND_PID, b"")), pmt((0x1B, VIDEO_PID, b""))
DESCRIBED = pmt((0x1B, VIDEO_PID, b"de"))
OTHER_WAY_ROUND = pmt((0x0F, SOUND_PID, b"abc"), (0x1B, VIDEO_PID, b"de"))
VIDEO, SOUND = packet(VIDEO_PID, b"picture"), packet(SOUND_PID, b"sound")


@pytest.mark.parametrize(
    ("data", "expected", "sounds"),
    [
        (PAT + BOTH + VIDEO + SOUND + VIDEO, PAT + BOTH + VIDEO + SOUND + VIDEO, True),
        (PAT + BOTH + VIDEO + PAT + BOTH + VIDEO, PAT + ALONE + VIDEO + PAT + ALONE + VIDEO, False),
        (PAT + ALONE + VIDEO, PAT + ALONE + VIDEO, False),
        (PAT + OTHER_WAY_ROUND + VIDEO, PAT + DESCRIBED + VIDEO, False),
        (b"", b"", False),
        (VIDEO, VIDEO, False),
        (PAT, PAT, False),
        (BOTH + VIDEO, BOTH + VIDEO, False),
        (PAT + BOTH + VIDEO[:100], PAT + ALONE + VIDEO[:100], False),
    ],
)  # fmt: skip
def test_sound_is_named_if_it_is_there(data: bytes, expected: bytes, sounds: bool) -> None:
    assert without_absent_sound(data) == (expected, sounds)


@pytest.mark.parametrize("fill", [0x00, 0x47, 0xFF])
def test_no_table_is_too_odd(fill: int) -> None:
    for keep in range(4, 30):
        odd = BOTH[:keep].ljust(188, bytes([fill]))
        assert len(without_absent_sound(PAT + odd + VIDEO)[0]) == 3 * 188
        without_absent_sound(PAT[:keep].ljust(188, bytes([fill])) + odd + VIDEO)


def test_the_checksum_is_the_one_of_mpeg() -> None:
    assert _crc(b"123456789") == 0x0376E6E7
    assert zlib.crc32(b"123456789") != 0x0376E6E7, "another one than that of files"
