"""What the reader of sources promises, on clips made here."""

import itertools
import socket
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from mosaicast.adapters.media.allowed import decoder_of, whitelists
from mosaicast.adapters.media.opening import SourceLimits, limit_libraries, open_source
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.source import EpochStarted, PacketRead, SourceEvent
from mosaicast.adapters.media.source_errors import SourceError
from mosaicast.core.allowed import Allowed
from mosaicast.core.sampling import SceneCutDetector
from mosaicast.imaging.jpeg_header import fitted
from tests.adapters.av_clips import concatenated_flv, make_clip, picture, retimed_flv
from tests.adapters.source_events import read_file


@pytest.fixture(autouse=True)
def quiet() -> None:
    limit_libraries()


def of(events: list[SourceEvent], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def packets(events: list[SourceEvent], track: str) -> list[PacketRead]:
    return [event for event in of(events, PacketRead) if event.track == track]


@pytest.mark.parametrize("suffix", ["flv", "mp4", "mkv", "ts"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_every_packet_and_picture_comes_with_equal_times(tmp_path: Path, suffix: str, b_frames: int) -> None:
    events = read_file(make_clip(tmp_path / f"clip.{suffix}", b_frames=b_frames))
    video, pictures = packets(events, "video"), of(events, Picture)
    assert isinstance(events[0], EpochStarted)
    assert len(video) == len(pictures) == 45
    assert sorted(packet.times.pts for packet in video) == [picture.pts for picture in pictures]
    assert len(packets(events, "audio")) > 40
    assert all(packet.times.dts <= packet.times.pts for packet in video)


def test_the_epoch_begins_with_its_codecs_and_a_keyframe(tmp_path: Path) -> None:
    events = read_file(make_clip(tmp_path / "clip.flv"))
    start, first = events[0], events[1]
    assert isinstance(start, EpochStarted)
    assert isinstance(first, PacketRead)
    assert (first.track, first.keyframe) == ("video", True)
    video, audio = start.codecs
    assert (video.codec, video.width, video.height) == ("h264", 320, 180)
    assert video.extradata[:1] == b"\x01"  # avcC, as FLV carries it
    assert (audio.codec, audio.sample_rate, audio.channels) == ("aac", 48_000, 1)
    assert video.time_base.seconds(1000) == 1  # FLV counts milliseconds
    assert 29 <= video.frame_rate <= 31


def test_media_without_sound_is_read(tmp_path: Path) -> None:
    events = read_file(make_clip(tmp_path / "clip.flv", audio=False))
    assert len(of(events, EpochStarted)[0].codecs) == 1
    assert len(of(events, Picture)) == 45


def test_another_size_in_the_middle_begins_a_new_epoch(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "a.flv", size_wh=(320, 180), b_frames=2)
    second = make_clip(tmp_path / "b.flv", size_wh=(480, 272), b_frames=2)
    events = read_file(concatenated_flv(tmp_path / "ab.flv", first, second))
    starts = [number for number, event in enumerate(events) if isinstance(event, EpochStarted)]
    videos = [event.video for event in of(events, EpochStarted)]
    assert [(video.width, video.height) for video in videos] == [(320, 180), (480, 272)]
    before, after = events[: starts[1]], events[starts[1] :]
    assert {picture.size_wh for picture in of(before, Picture)} == {(320, 180)}
    assert {picture.size_wh for picture in of(after, Picture)} == {(480, 272)}
    assert len(of(before, Picture)) == len(of(after, Picture)) == 45
    assert videos[0].extradata != videos[1].extradata


def test_a_clock_that_goes_back_begins_a_new_epoch(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.flv")
    events = read_file(concatenated_flv(tmp_path / "aa.flv", clip, clip))
    assert len(of(events, EpochStarted)) == 2
    assert len(packets(events, "video")) == 90


@pytest.mark.parametrize("back_ms", [34, 417, 1000])
def test_a_step_back_however_small_begins_a_new_epoch(tmp_path: Path, back_ms: int) -> None:
    """After a step of -0.417 s, 13 frames that nobody had looked at were sorted in between those of before."""
    clip = make_clip(tmp_path / "a.flv", frames=90)
    stepped = retimed_flv(tmp_path / "b.flv", clip, lambda ms: ms + 2000 if ms <= 1500 else ms + 2000 - back_ms)
    events = read_file(stepped)
    starts = [number for number, event in enumerate(events) if isinstance(event, EpochStarted)]
    assert len(starts) == 2
    for begin, end in itertools.pairwise([*starts, len(events)]):
        times = [picture.pts for picture in of(events[begin:end], Picture)]
        assert times == sorted(set(times))
    assert len(of(events, Picture)) > 45, "from the next keyframe on"


def test_b_frames_are_no_step_back(tmp_path: Path) -> None:
    events = read_file(make_clip(tmp_path / "a.flv", frames=90, b_frames=3))
    assert len(of(events, EpochStarted)) == 1
    assert len(of(events, Picture)) == 90


def test_pictures_that_go_back_begin_a_new_epoch_though_packets_do_not(tmp_path: Path) -> None:
    """Decoding times that grow say nothing about the pictures' own."""
    clip = make_clip(tmp_path / "a.flv", frames=90)
    data = bytearray(clip.read_bytes())
    at, seen = 13, 0
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if data[at] == 9 and data[at + 12] == 1:
            data[at + 13 : at + 16] = (500 if seen < 20 else 0).to_bytes(3, "big")
            seen += 1
        at += 11 + size + 4
    (tmp_path / "b.flv").write_bytes(data)
    events = read_file(tmp_path / "b.flv")
    starts = [number for number, event in enumerate(events) if isinstance(event, EpochStarted)]
    assert len(starts) == 2
    for begin, end in itertools.pairwise([*starts, len(events)]):
        times = [picture.pts for picture in of(events[begin:end], Picture)]
        assert times == sorted(set(times))


def test_a_source_that_shows_its_frames_long_after_it_sends_them_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.flv")
    late = retimed_flv(tmp_path / "b.flv", clip, lambda ms: ms, shown_later_ms=2100)
    with pytest.raises(SourceError, match="more than 2 s") as caught:
        read_file(late)
    assert (caught.value.code, caught.value.fault, caught.value.retry) == ("reordered", "content", False)


def test_a_new_epoch_begins_at_the_next_keyframe_when_asked_for(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.flv", frames=90)
    events = []
    with open_source(str(clip), live=False) as source:
        for event in source.events():
            events.append(event)
            if len(of(events, Picture)) == 20 and isinstance(event, Picture):
                source.begin_anew()
    starts = [number for number, event in enumerate(events) if isinstance(event, EpochStarted)]
    assert len(starts) == 2
    first = events[starts[1] + 1]
    assert isinstance(first, PacketRead)
    assert first.keyframe
    assert 20 <= len(of(events[: starts[1]], Picture)) <= 22


def test_another_size_without_a_header_begins_a_new_epoch_at_its_keyframe(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "a.ts", size_wh=(320, 180), audio=False)
    second = make_clip(tmp_path / "b.ts", size_wh=(480, 272), audio=False)
    joined = tmp_path / "ab.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    events = read_file(joined)
    at = max(number for number, event in enumerate(events) if isinstance(event, EpochStarted))
    assert of(events[at:], EpochStarted)[0].video.width == 480
    assert {picture.size_wh for picture in of(events[at:], Picture)} == {(480, 272)}
    assert {picture.size_wh for picture in of(events[:at], Picture)} == {(320, 180)}


def test_damaged_packets_are_passed_on_and_counted(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", audio=False)
    data = bytearray(clip.read_bytes())
    rng = np.random.default_rng(3)
    for at in rng.integers(len(data) // 4, len(data), 400):
        data[at] ^= 0xFF
    clip.write_bytes(bytes(data))
    with open_source(str(clip), live=False) as source:
        seen: list[SourceEvent] = []
        try:
            seen.extend(source.events())
        except SourceError as exc:
            assert exc.fault == "content"  # noqa: PT017 - either way of ending is right; a crash is not
    assert packets(seen, "video")


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ({"video": False}, "no_video", "no video"),
        ({"content": b""}, "damaged", "not a video"),
        ({"content": b"\0" * 4096}, "damaged", "not a video"),
        ({"content": b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n"}, "damaged", "not a video"),
    ],
)
def test_what_can_not_be_used_is_refused_in_words(
    tmp_path: Path, options: dict[str, Any] | dict[str, bytes], code: str, word: str
) -> None:
    path = tmp_path / "clip.mp4"
    if "content" in options:
        path.write_bytes(options["content"])
    else:
        make_clip(path, **options)
    with pytest.raises(SourceError) as caught:
        read_file(path)
    assert (caught.value.code, caught.value.fault, caught.value.retry) == (code, "content", False)
    assert word in caught.value.text


@pytest.mark.parametrize(
    ("codecs", "words"), [("vp9,aac", "video of the source is h264"), ("h264,mp3", "sound of the source is aac")]
)
def test_a_codec_that_is_not_on_the_list_is_refused_by_name(tmp_path: Path, codecs: str, words: str) -> None:
    clip = make_clip(tmp_path / "clip.flv")
    with pytest.raises(SourceError) as caught:
        open_source(str(clip), live=False, allowed=Allowed.file(codecs))
    assert (caught.value.code, caught.value.fault, caught.value.retry) == ("codec_not_allowed", "content", False)
    assert words in caught.value.text
    assert "MOSAICAST_MEDIA__FILE_CODECS" in caught.value.text


def test_ffmpeg_itself_opens_no_other_decoder_and_no_other_container(tmp_path: Path) -> None:
    """Also not to learn the tracks, before anything of ours could look: a PNG is decoded to learn its size."""
    Image.fromarray(picture(0, (320, 180))).save(tmp_path / "a.png")
    with av.open(str(tmp_path / "a.png"), options=whitelists(Allowed.file("png"))) as opened:
        assert opened.streams.video[0].format is not None
    with av.open(str(tmp_path / "a.png"), options=whitelists(Allowed.file("h264"))) as opened:
        assert opened.streams.video[0].format is None, "it was decoded"
    with pytest.raises(SourceError, match="MOSAICAST_MEDIA__FILE_FORMATS"):
        open_source(str(tmp_path / "a.png"), live=False, allowed=Allowed.file(formats="flv,mov"))


def test_live_is_flv_with_what_rtmp_was_made_for() -> None:
    lists = whitelists(Allowed.live())
    assert lists["format_whitelist"] == "flv,live_flv"
    decoders = set(lists["codec_whitelist"].split(","))
    assert {"h264", "aac", "mp3float", "speex"} <= decoders
    assert not {"hevc", "libdav1d", "vp9", "flv", "vp6f", "nellymoser", "png"} & decoders


@pytest.mark.parametrize("codec", sorted(Allowed.file().codecs | Allowed.live().codecs))
def test_every_name_of_the_default_lists_is_a_codec_that_ffmpeg_decodes(codec: str) -> None:
    assert av.Codec(decoder_of(codec), "r").canonical_name == codec


def test_a_missing_file_is_the_operators(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_file(tmp_path / "absent.mp4")
    assert (caught.value.code, caught.value.fault) == ("not_found", "operator")
    assert str(tmp_path) not in caught.value.text


def test_a_closed_port_and_a_silent_server_are_retried_and_end_in_time() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        with pytest.raises(SourceError) as refused:
            open_source(f"rtmp://127.0.0.1:{port}/live/x?token=secret", live=True)
        server.listen()
        with pytest.raises(SourceError) as silent:
            open_source(
                f"rtmp://127.0.0.1:{port}/live/x?token=secret", live=True, limits=SourceLimits(open_s=0.2, read_s=0.2)
            )
    assert (refused.value.code, silent.value.code) == ("edge_down", "silent")
    assert refused.value.retry
    assert silent.value.retry
    assert "secret" not in str(refused.value) + str(silent.value)


def test_a_live_source_may_not_open_other_protocols(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.flv")
    with pytest.raises(SourceError):
        open_source(str(clip), live=True)


@pytest.mark.parametrize(
    "codec_and_format", [("libx264", "yuv444p"), ("mjpeg", "yuvj422p"), ("libx264", "yuv420p10le")]
)
def test_thumbnails_and_jpegs_of_any_pixel_format_show_the_picture(
    tmp_path: Path, codec_and_format: tuple[str, str]
) -> None:
    codec, pixel_format = codec_and_format
    events = read_file(make_clip(tmp_path / "clip.mkv", frames=3, codec=codec, pixel_format=pixel_format, audio=False))
    picture = of(events, Picture)[0]
    decoded = cv2.imdecode(np.frombuffer(picture.jpeg(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    assert decoded.shape == (180, 320)
    thumbnail = picture.thumbnail()
    assert (thumbnail.shape, thumbnail.dtype) == ((36, 64), np.uint8)
    expected = cv2.resize(decoded, (64, 36), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(expected.ravel(), thumbnail.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    ("size_wh", "expected"),
    [((640, 360), (640, 360)), ((1920, 1080), (1280, 720)), ((3840, 2160), (1280, 720)), ((1080, 1920), (1080, 1920)),
     ((8192, 64), (1280, 10)), ((64, 8192), (20, 2560)), ((8192, 1), (1280, 1))],
)  # fmt: skip
def test_jpegs_fit_and_keep_their_shape(size_wh: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(size_wh) == expected


@pytest.mark.parametrize(
    ("size_wh", "pixel_wh", "expected"),
    [((480, 360), (4, 3), (640, 360)), ((720, 576), (64, 45), (1024, 576)), ((1440, 1080), (4, 3), (1280, 720)),
     ((960, 1080), (2, 1), (1280, 720)), ((1280, 360), (1, 2), (1280, 720)), ((8, 8192), (1, 65535), (1, 2560))],
)  # fmt: skip
def test_jpegs_have_the_shape_that_viewers_see(
    size_wh: tuple[int, int], pixel_wh: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fitted(size_wh, pixel_wh) == expected


def test_a_cut_is_seen_through_the_codec(tmp_path: Path) -> None:
    events = read_file(make_clip(tmp_path / "clip.flv", cut_at=20, keyframe_every=60))
    detector = SceneCutDetector()
    assert [n for n, picture in enumerate(of(events, Picture)) if detector.update(picture.thumbnail())] == [20]


def test_picture_times_are_exact(tmp_path: Path) -> None:
    events = read_file(make_clip(tmp_path / "clip.mp4", audio=False))
    assert [picture.time for picture in of(events, Picture)][:4] == [Fraction(n, 30) for n in range(4)]
