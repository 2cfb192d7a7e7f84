"""What the picture is coded with, and what it says of itself."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.e2e.field.inputs import Edit, media
from tests.e2e.field.recording import Recording
from tests.e2e.field.rows import Live, Row, Shows, once_more
from tests.e2e.flv_publisher import Timed
from tests.flv_tags import PICTURE, Tag

HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-g", "24", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p")
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "24", "-pix_fmt", "yuv420p", "-svtav1-params", "lookahead=0")
SILENT_S = 7.0
"""Longer than ingest waits for a packet."""


KEYFRAMES = 24
"""Frames from one keyframe to the next."""


def x264(*more: str, pixels: str = "yuv420p", keyframes: int = KEYFRAMES) -> tuple[str, ...]:
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-g", str(keyframes), "-sc_threshold", "0")
    return (*coded, "-pix_fmt", pixels, *more)


# --- what happens to them ------------------------------------------------------------------------------------


def silent_for_a_while(live: Live) -> None:
    """The network is silent, the connection lives, and then all of it goes on."""
    os.kill(live.publisher.pid, signal.SIGSTOP)
    threading.Event().wait(SILENT_S)
    os.kill(live.publisher.pid, signal.SIGCONT)
    once_more(live)


def nothing_lost(live: Live) -> None:
    """For a while: no frame is taken for damaged but those that build on one lost on a busy machine."""
    once_more(live)
    dropped = live.session.books(live.stream).dropped
    assert dropped.get("decode_error", 0) <= dropped.get("lost_in_log", 0) * KEYFRAMES, live.summary()


def both_sizes(live: Live) -> None:
    """The second size comes out."""
    live.until(lambda: live.rtmp.pictures[-1].size_wh == (320, 180), "the larger picture")
    once_more(live)


# --- what is changed in tags ---------------------------------------------------------------------------------


def with_units(*units: bytes) -> Edit:
    """Return an edit that sends a tag with these units of H.264 between frames, after every third."""
    body = bytes([0x27, 1, 0, 0, 0]) + b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)

    def edit(timed: list[Timed]) -> list[Timed]:
        edited, number = [], 0
        for at_s, tag in timed:
            edited.append(Timed(at_s, tag))
            if tag.kind == PICTURE and not tag.is_header:
                number += 1
                if number % 3 == 0:
                    edited.append(Timed(at_s, Tag(PICTURE, tag.at_ms + 1, body)))
        return edited

    return edit


def turned(degrees: int) -> Edit:
    """Return an edit that has each keyframe say how it is held, as phones do (ITU-T H.264, D.1.27)."""
    said = int(f"000{round(degrees / 360 * 65536):016b}01001", 2).to_bytes(3, "big")
    unit = b"\x00\x00\x00\x07\x06\x2f\x03" + said + b"\x80"

    def edit(timed: list[Timed]) -> list[Timed]:
        return [
            Timed(at_s, tag._replace(body=tag.body[:5] + unit + tag.body[5:]) if tag.body[:2] == b"\x17\x01" else tag)
            for at_s, tag in timed
        ]

    return edit


SEI = b"\x06\x05\x14" + bytes(range(20)) + b"\x80"
AUD, END_OF_SEQUENCE = b"\x09\xf0", b"\x0a"

# --- what viewers must see -----------------------------------------------------------------------------------


def recordings(live: Live) -> Iterable[tuple[str, Recording]]:
    return (("rtmp", live.rtmp), ("hls", live.hls))


def looks(
    *, size_wh: tuple[int, int] = (256, 144), aspect: str = "1", full: bool | None = None,
    colours: tuple[int, int, int] | None = None,
) -> Shows:  # fmt: skip
    """Return a judgement of how the stream describes itself: primaries, transfer and matrix by their numbers."""

    def judge(live: Live) -> None:
        for name, recording in recordings(live):
            shot = recording.pictures[-1]
            assert shot.size_wh == size_wh, (name, shot)
            assert recording.described[-1].sample_aspect_ratio == aspect, name
            assert shot.rotation == 0, name
            assert full is None or (shot.colour_range == 2) == full, (name, shot)
            assert colours is None or (shot.primaries, shot.transfer, shot.colour_space) == colours, (name, shot)

    return judge


def smooth(live: Live) -> None:
    """Frames come in order, and none is missing for long."""
    assert live.rtmp.in_order()
    assert live.rtmp.longest_gap_s < 1.0, live.summary()


def in_two_sizes(live: Live) -> None:
    for name, recording in recordings(live):
        sizes = [shot.size_wh for shot in recording.pictures]
        assert sizes == sorted(sizes), name
        assert set(sizes) == {(256, 144), (320, 180)}, name


def coloured(primaries: int, transfer: int, matrix: int, *, full: bool = False) -> tuple[str, ...]:
    """Have the encoder say so (ITU-T H.264, E.2.1)."""
    said = f"colour_primaries={primaries}:transfer_characteristics={transfer}:matrix_coefficients={matrix}"
    return ("-bsf:v", f"h264_metadata={said}:video_full_range_flag={int(full)}")


def two_sizes(path: Path) -> None:
    """Write a file whose encoder begins anew in another size after 8 s."""
    one, two = path.with_suffix(".one"), path.with_suffix(".two")
    media(seconds=8)(one)
    media(seconds=30, size="320x180")(two)
    path.write_bytes(one.read_bytes() + b"".join(_shifted(two.read_bytes(), 8_000)))


def _shifted(data: bytes, by_ms: int) -> Iterator[bytes]:
    at = 13
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        when = (int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24) + by_ms
        yield data[at : at + 4] + (when & 0xFFFFFF).to_bytes(3, "big") + bytes([when >> 24])
        yield data[at + 8 : at + 11 + size + 4]
        at += size + 15


# --- the table -----------------------------------------------------------------------------------------------

ROWS: tuple[Row, ...] = (
    Row("hevc, and a silent network", media(picture=HEVC), during=silent_for_a_while, shows=looks()),
    Row("av1, and a silent network", media(picture=AV1), during=silent_for_a_while, shows=looks()),
    Row("h264, and a silent network", media(picture=x264()), during=silent_for_a_while),
    Row(
        "4k, with keyframes larger than a message",
        media(
            seconds=12, size="3840x2160", rate=3, filters="noise=c0s=40:c0f=p", sound=None,
            picture=x264("-qp", "20", "-bf", "0", keyframes=6),
        ),
        tracks={"video"}, pictures=15, sentence=".*", shows=looks(size_wh=(3840, 2160)),
    ),
    Row("pixels of 4:3", media(filters="setsar=4/3"), shows=looks(aspect="4/3")),
    Row("pixels of 16:11", media(filters="setsar=16/11"), shows=looks(aspect="16/11")),
    Row(
        "full range", media(picture=x264(*coloured(1, 1, 1, full=True))), shows=looks(full=True, colours=(1, 1, 1)),
    ),
    Row("colours of bt.709", media(picture=x264(*coloured(1, 1, 1))), shows=looks(full=False, colours=(1, 1, 1))),
    Row("colours of bt.601", media(picture=x264(*coloured(5, 6, 5))), shows=looks(full=False, colours=(5, 6, 5))),
    Row(
        "colours of bt.2020, 10 bit", media(picture=x264(*coloured(9, 16, 9), pixels="yuv420p10le")),
        shows=looks(full=False, colours=(9, 16, 9)),
    ),
    Row("stored turned by 90", media(), edit=turned(90), shows=looks(size_wh=(144, 256))),
    Row(
        "stored turned by 180, with b-frames", media(picture=x264("-bf", "2")), edit=turned(180), shows=looks(),
    ),
    Row("messages alone between frames", media(), edit=with_units(SEI), during=nothing_lost, shows=smooth),
    Row("delimiters alone between frames", media(), edit=with_units(AUD), during=nothing_lost, shows=smooth),
    Row(
        "empty units and ends of sequences", media(), edit=with_units(b"", END_OF_SEQUENCE), during=nothing_lost,
        shows=smooth,
    ),
    Row(
        "intra refresh", media(picture=x264("-bf", "0", "-x264-params", "intra-refresh=1:keyint=24")), shows=smooth,
    ),
    Row("4:4:4", media(picture=x264(pixels="yuv444p")), shows=looks()),
    Row("4:2:2, 10 bit", media(picture=x264(pixels="yuv422p10le")), shows=looks()),
    Row("odd sides", media(size="255x143", picture=x264(pixels="yuv444p")), shows=looks(size_wh=(254, 142))),
    Row("b-frames", media(picture=x264("-bf", "3")), during=nothing_lost, shows=smooth),
    Row("a keyframe each 10 s", media(picture=x264(keyframes=120)), shows=smooth),
    Row("another size in the middle", two_sizes, during=both_sizes, shows=in_two_sizes),
)  # fmt: skip
