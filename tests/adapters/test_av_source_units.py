"""Units without a picture between frames: they are no frames, and nothing is lost by them."""

from itertools import pairwise
from pathlib import Path

import pytest

from mosaicast.adapters.media.opening import limit_libraries, open_source
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.source import PacketRead
from tests.adapters.av_clips import make_clip
from tests.adapters.avc_units import AVC_KEYFRAME, avc_tag, with_after
from tests.adapters.source_events import decoded
from tests.flv_tags import Tag, read_tags, write_tags

SEI = b"\x06\x05\x14" + bytes(range(20)) + b"\x80"
AUD, END_OF_SEQUENCE, EMPTY = b"\x09\xf0", b"\x0a", b""


@pytest.fixture(autouse=True)
def quiet() -> None:
    limit_libraries()


@pytest.mark.parametrize(
    "units",
    [(SEI,), (AUD,), (AUD, SEI), (EMPTY,), (EMPTY, EMPTY), (END_OF_SEQUENCE,)],
    ids=["sei", "delimiter", "both", "empty", "two empty", "end of sequence"],
)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_they_are_no_frames(tmp_path: Path, units: tuple[bytes, ...], b_frames: int) -> None:
    clip = make_clip(tmp_path / "clip.flv", audio=False, b_frames=b_frames)
    odd = with_after(
        tmp_path / "odd.flv", clip, lambda number, tag: [avc_tag(tag.at_ms + 1, *units)] if number % 3 == 1 else []
    )
    with open_source(str(odd), live=False) as source:
        events = list(source.events())
    packets = [event for event in events if isinstance(event, PacketRead)]
    pictures = [event.pts for event in events if isinstance(event, Picture)]
    assert len(packets) == len(pictures) == 45
    assert source.counters.units_without_picture == 15
    assert source.counters.decode_errors == 0
    assert [pts for pts, _ in decoded(events)] == pictures
    assert all(a < b for a, b in pairwise(pictures))


def test_parameter_sets_in_a_packet_of_their_own_reach_the_decoder(tmp_path: Path) -> None:
    """Some encoders send them so at each keyframe, and the header of the container says nothing that is true."""
    clip = make_clip(tmp_path / "clip.flv", audio=False)
    header = next(tag.body for tag in read_tags(clip) if tag.is_video_header)
    sps, pps = parameter_sets(header)

    def apart() -> list[Tag]:
        edited = []
        for tag in read_tags(clip):
            if tag.body[:2] == bytes([AVC_KEYFRAME, 1]):
                edited.append(avc_tag(tag.at_ms, sps, pps))
            edited.append(tag)
        return edited

    with open_source(str(write_tags(tmp_path / "apart.flv", apart())), live=False) as source:
        events = list(source.events())
    keyframes = [event for event in events if isinstance(event, PacketRead) and event.keyframe]
    assert len(keyframes) == 3
    assert all(sps in keyframe.data and pps in keyframe.data for keyframe in keyframes)
    assert len([event for event in events if isinstance(event, Picture)]) == len(decoded(events)) == 45


def parameter_sets(header: bytes) -> tuple[bytes, bytes]:
    """Return SPS and PPS of an AVC header with one of each (ISO/IEC 14496-15, 5.3.3.1)."""
    avcc = header[5:]
    length = int.from_bytes(avcc[6:8], "big")
    sps, rest = avcc[8 : 8 + length], avcc[8 + length :]
    return sps, rest[3 : 3 + int.from_bytes(rest[1:3], "big")]
