"""Pixels that are not square and pictures that are stored turned: said of an epoch, and done alike on both sides."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from msgspec import UNSET

from mosaicast.adapters.media.opening import limit_libraries
from mosaicast.adapters.media.pictures import fingerprint_of
from mosaicast.adapters.media.source import EpochStarted, PacketRead
from mosaicast.core.fingerprint import fingerprint
from tests.adapters.av_clips import concatenated_flv, make_clip
from tests.adapters.source_events import decoded, pictures, read_file, starts
from tests.flv_tags import read_tags, write_tags


@pytest.fixture(autouse=True)
def quiet() -> None:
    limit_libraries()


def filtered(path: Path, clip: Path, description: str) -> Path:
    """Copy a clip's pictures through a bitstream filter."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream, opaque=True)
        bits = BitStreamFilterContext(description, stream, copy)
        for packet in source.demux(stream):
            for one in bits.filter(packet) if packet.dts is not None else bits.filter(None):
                one.stream = copy
                target.mux(one)
    return path


def turned_by_sei(path: Path, clip: Path, degrees: int) -> Path:
    """Copy an FLV, with what a phone says at each keyframe of how it is held (ITU-T H.264, D.1.27)."""
    bits = f"000{round(degrees / 360 * 65536):016b}010" + "0" + "1"
    sei = b"\x06\x2f\x03" + int(bits, 2).to_bytes(3, "big") + b"\x80"
    unit = len(sei).to_bytes(4, "big") + sei
    return write_tags(
        path,
        (
            tag._replace(body=tag.body[:5] + unit + tag.body[5:]) if tag.body[:2] == b"\x17\x01" else tag
            for tag in read_tags(clip)
        ),
    )


def made_wide(path: Path, clip: Path, aspect: str) -> Path:
    return filtered(path, clip, f"h264_metadata=sample_aspect_ratio={aspect}")


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_shape_of_pixels_is_told(tmp_path: Path, b_frames: int) -> None:
    wide = made_wide(tmp_path / "wide.flv", make_clip(tmp_path / "a.flv", audio=False, b_frames=b_frames), "4/3")
    events = read_file(wide)
    (start,) = starts(events)
    assert start.video.sample_aspect == (4, 3)
    assert len(pictures(events)) == 45


def test_square_pixels_are_not_told(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.flv", audio=False)
    assert starts(read_file(clip))[0].video.sample_aspect is UNSET
    assert starts(read_file(made_wide(tmp_path / "one.flv", clip, "1/1")))[0].video.sample_aspect is UNSET


@pytest.mark.parametrize("aspect", ["4/1", "1/100", "65535/1"])
def test_a_shape_that_nobody_means_is_not_told(tmp_path: Path, aspect: str) -> None:
    """Viewers see what was looked at: the picture as it is stored."""
    clip = make_clip(tmp_path / "a.flv", audio=False)
    assert starts(read_file(made_wide(tmp_path / "wide.flv", clip, aspect)))[0].video.sample_aspect is UNSET


@pytest.mark.parametrize("b_frames", [0, 2])
def test_another_shape_of_pixels_begins_another_epoch(tmp_path: Path, b_frames: int) -> None:
    clip = make_clip(tmp_path / "a.ts", audio=False, b_frames=b_frames)
    wide = made_wide(tmp_path / "wide.ts", clip, "4/3")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(clip.read_bytes() + wide.read_bytes())
    events = read_file(joined)
    assert [start.video.sample_aspect for start in starts(events)][-1] == (4, 3)
    at = max(number for number, event in enumerate(events) if isinstance(event, EpochStarted))
    times = [picture.pts for picture in pictures(events[at:])]
    assert times == sorted(set(times))
    sent = {event.times.pts for event in events[at:] if isinstance(event, PacketRead)}
    assert set(times) <= sent, "no picture of the epoch before is taken for one of this"


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_picture_that_is_stored_turned_is_upright_for_analysis_and_for_viewers(
    tmp_path: Path, degrees: int, b_frames: int
) -> None:
    clip = make_clip(tmp_path / "a.flv", audio=False, b_frames=b_frames)
    events = read_file(turned_by_sei(tmp_path / "b.flv", clip, degrees))
    (start,) = starts(events)
    size_wh = (180, 320) if degrees in (90, 270) else (320, 180)
    assert (start.video.width, start.video.height, start.video.rotation) == (*size_wh, degrees)
    seen, frames = pictures(events), dict(decoded(events))
    assert len(seen) == len(frames) == 45
    stored = {picture.pts: picture for picture in pictures(read_file(clip))}
    for picture in seen:
        frame = frames[picture.pts]
        assert picture.size_wh == (frame.width, frame.height) == size_wh
        assert fingerprint(picture.thumbnail()) == fingerprint_of(frame)
        expected = np.rot90(stored[picture.pts].luma(), degrees // 90)
        assert np.array_equal(picture.luma(), expected), "counterclockwise, as players turn it"


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_picture_may_have_odd_sides(tmp_path: Path, degrees: int) -> None:
    """Each keyframe began another epoch, and no picture was ever looked at."""
    clip = make_clip(tmp_path / "a.flv", audio=False, size_wh=(321, 181), pixel_format="yuv444p")
    events = read_file(turned_by_sei(tmp_path / "b.flv", clip, degrees))
    (start,) = starts(events)
    size_wh = (180, 320) if degrees in (90, 270) else (320, 180)
    assert (start.video.width, start.video.height) == size_wh
    assert [picture.size_wh for picture in pictures(events)] == [size_wh] * 45
    assert {(frame.width, frame.height) for _, frame in decoded(events)} == {size_wh}


def test_a_turn_in_the_middle_begins_another_epoch(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.flv", audio=False)
    joined = concatenated_flv(tmp_path / "b.flv", clip, turned_by_sei(tmp_path / "c.flv", clip, 90))
    events = read_file(joined)
    assert [(start.video.width, start.video.rotation) for start in starts(events)] == [(320, UNSET), (180, 90)]
    assert len(pictures(events)) == 90


def test_pixels_that_are_not_square_are_turned_too(tmp_path: Path) -> None:
    wide = made_wide(tmp_path / "wide.flv", make_clip(tmp_path / "a.flv", audio=False), "4/3")
    (start,) = starts(read_file(turned_by_sei(tmp_path / "b.flv", wide, 90)))
    assert start.video.sample_aspect == (3, 4)


def test_an_angle_that_is_no_quarter_is_refused(tmp_path: Path) -> None:
    clip = turned_by_sei(tmp_path / "b.flv", make_clip(tmp_path / "a.flv", audio=False), 30)
    with pytest.raises(Exception, match="can't be turned upright"):
        read_file(clip)


def test_ffmpeg_agrees_about_the_shape(tmp_path: Path) -> None:
    with av.open(str(made_wide(tmp_path / "wide.flv", make_clip(tmp_path / "a.flv", audio=False), "4/3"))) as opened:
        assert opened.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
