"""A reader who comes late: nginx-rtmp keeps no header of enhanced RTMP, so it is handed on from reader to reader."""

from pathlib import Path

import av
import pytest

from mosaicast.adapters.media import opening
from mosaicast.adapters.media.flv_pipe import FlvPipe
from mosaicast.adapters.media.late import lost_header
from mosaicast.adapters.media.opening import limit_libraries, open_source
from mosaicast.adapters.media.source import PacketRead, SourceEvent
from mosaicast.adapters.media.source_errors import SourceError
from mosaicast.contracts.messages import CodecParameters
from mosaicast.core.allowed import Allowed
from tests.adapters.av_clips import concatenated_flv, make_clip
from tests.adapters.source_events import pictures, starts
from tests.flv_tags import read_tags, write_tags

FRAMES = 60


@pytest.fixture(autouse=True)
def quiet() -> None:
    limit_libraries()


@pytest.fixture(scope="module")
def hevc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hevc") / "clip.flv"
    return make_clip(path, frames=FRAMES, audio=False, codec="libx265", size_wh=(320, 192))


def read(path: Path, headers: tuple[CodecParameters, ...] = ()) -> list[SourceEvent]:
    """Read a file as the live stream that it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "open_pipe", lambda url, _, lost: FlvPipe(av.open(url, format="data"), lost))
        with open_source(str(path), live=True, headers=headers, allowed=Allowed.live("h264,hevc,aac")) as source:
            return list(source.events())


def late(path: Path, clip: Path, *, from_picture: int = 5) -> Path:
    """Write what a player gets who comes after the header, in the middle of a group of pictures."""
    pictures = [tag for tag in read_tags(clip) if tag.kind == 9 and not tag.is_video_header]
    return write_tags(path, pictures[from_picture:])


def test_the_header_of_an_earlier_reader_is_enough(tmp_path: Path, hevc: Path) -> None:
    (first,) = starts(read(hevc))
    assert first.video.codec == "hevc"
    events = read(late(tmp_path / "late.flv", hevc), first.codecs)
    (start,) = starts(events)
    assert (start.video.extradata, start.video.width, start.video.height) == (first.video.extradata, 320, 192)
    packets = [event for event in events if isinstance(event, PacketRead)]
    assert packets[0].keyframe
    assert sum(packet.keyframe for packet in packets) == 3
    assert len(packets) == len(pictures(events)) == FRAMES - 15


def test_without_one_it_is_refused_by_name(tmp_path: Path, hevc: Path) -> None:
    with pytest.raises(SourceError, match="hevc video began before we listened") as caught:
        read(late(tmp_path / "late.flv", hevc))
    assert (caught.value.code, caught.value.fault) == ("header_missed", "content")
    assert caught.value.retry, "some encoders say it again"


def test_a_header_that_is_out_of_date_is_replaced(tmp_path: Path, hevc: Path) -> None:
    """The encoder begins anew in another size, while the reader lives on a header that was handed to it."""
    other = make_clip(tmp_path / "other.flv", frames=30, audio=False, codec="libx265", size_wh=(480, 256))
    (first,) = starts(read(hevc))
    joined = concatenated_flv(tmp_path / "joined.flv", late(tmp_path / "late.flv", hevc), other)
    events = read(joined, first.codecs)
    sizes = [(start.video.width, start.video.height) for start in starts(events)]
    assert sizes == [(320, 192), (480, 256)]
    assert len(pictures(events)) == FRAMES - 15 + 30


def test_a_header_that_is_not_missing_does_no_harm(tmp_path: Path, hevc: Path) -> None:
    (first,) = starts(read(hevc))
    assert len(pictures(read(hevc, first.codecs))) == FRAMES


def test_sound_comes_with_it(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.flv", frames=FRAMES, codec="libx265", size_wh=(320, 192))
    (first,) = starts(read(clip))
    kept = [tag for tag in read_tags(clip) if not (tag.is_video_header and tag.body[0] == 0x90)]
    events = read(write_tags(tmp_path / "late.flv", kept), first.codecs)
    assert sum(isinstance(event, PacketRead) and event.track == "audio" for event in events) > 50
    assert len(pictures(events)) == FRAMES


def test_headers_that_an_edge_keeps_are_not_lent(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "h264.flv", audio=False)
    assert lost_header(starts(read(clip))[0].codecs) == b""
    assert lost_header(()) == b""


def test_a_stream_that_ends_within_its_first_bytes_is_an_error_of_the_source(tmp_path: Path, hevc: Path) -> None:
    (first,) = starts(read(hevc))
    (tmp_path / "short.flv").write_bytes(b"FLV\x01")
    with pytest.raises(SourceError):
        read(tmp_path / "short.flv", first.codecs)
