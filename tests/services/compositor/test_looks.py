"""What a source says of its pixels and colours is what viewers of RTMP and HLS are told."""

import io
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest

from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.hls import HlsSegment, Segmenter
from mosaicast.adapters.media.opening import open_source
from mosaicast.adapters.media.sink import AudioFormat, FlvSink
from mosaicast.adapters.media.source import EpochStarted
from mosaicast.contracts.messages import MediaPacket, SampledFrame
from mosaicast.pipeline.source import SourceEpoch, feed
from services.compositor.engine import Engine
from services.ingest.checks import sample_violation
from services.ingest.wire import Command
from tests.adapters.av_clips import make_clip
from tests.adapters.test_av_source_shape import filtered, turned_by_sei
from tests.services.compositor.media import STREAM, spec, verdicts
from tests.services.compositor.rig import CLEAR, FULL, Rig


class Outlet:
    """Keeps the packets of a source's epochs."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.media: list[MediaPacket] = []
        self.samples: list[SampledFrame] = []

    def packet(self, message: MediaPacket) -> None:
        self.media.append(message)

    def sample(self, message: SampledFrame) -> bool:
        self.samples.append(message)
        return True


def messages(clip: Path) -> list[MediaPacket]:
    """Return the packets that ingest makes of a clip."""
    return ingested(clip).media


def ingested(clip: Path) -> Outlet:
    outlet = Outlet()

    def begin(start: EpochStarted) -> SourceEpoch:
        return SourceEpoch(STREAM, 1, start, Command(10.0, 0.2), outlet)

    with open_source(str(clip), live=False) as source:
        feed(source.events(), begin)
    return outlet


class Look(NamedTuple):
    """What a player reads."""

    size_wh: tuple[int, int]
    sample_aspect: str
    full_range: bool
    primaries: int
    transfer: int
    matrix: int


class Broadcast(Rig):
    """An engine that pushes into a file, with HLS beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.segments: list[HlsSegment] = []
        self._segmenter = Segmenter(self.segments.append, lambda: 1)
        super().__init__()
        self.engine.on_spec(spec())

    def _open(self, video: VideoFormat, audio: AudioFormat | None) -> Any:
        return FlvSink(str(self._path), video, audio, self._segmenter)


def broadcast(clip: Path, folder: Path) -> tuple[list[Look], float]:
    """Return what viewers of RTMP and of HLS get, and the mean luma of what they see."""
    media = messages(clip)
    played = Broadcast(folder / "out.flv")
    played.play(media, verdicts(media))
    played.drain()
    played.engine.close()
    assert played.kinds()[CLEAR, ""] > 20, played.kinds()
    with av.open(str(folder / "out.flv")) as opened:
        luma = float(np.mean([luma_of(frame) for frame in opened.decode(video=0)]))
    return [look(folder / "out.flv"), look(io.BytesIO(played.segments[0].data))], luma


def luma_of(frame: av.VideoFrame) -> float:
    """Mean of the first plane, as it is stored."""
    plane = frame.planes[0]
    return float(np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width].mean())


def look(source: Any) -> Look:
    with av.open(str(source) if isinstance(source, Path) else source) as opened:
        stream = opened.streams.video[0]
        frame = next(opened.decode(video=0))
        return Look(
            (frame.width, frame.height), str(stream.sample_aspect_ratio or 1), frame.color_range == 2,
            int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace),
        )  # fmt: skip


@pytest.mark.parametrize(
    "colours",
    [(1, 1, 1), (5, 6, 5), (6, 6, 6), (9, 16, 9), (9, 18, 9), (2, 2, 2)],
    ids=["bt709", "bt601 of 625 lines", "bt601 of 525 lines", "bt2020 pq", "bt2020 hlg", "unspecified"],
)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p10le"])
def test_colours(tmp_path: Path, colours: tuple[int, int, int], pixel_format: str, *, full: bool) -> None:
    primaries, transfer, matrix = colours
    clip = make_clip(tmp_path / "a.mkv", audio=False, pixel_format=pixel_format, size_wh=(160, 96))
    told = filtered(
        tmp_path / "b.mkv", clip,
        f"h264_metadata=colour_primaries={primaries}:transfer_characteristics={transfer}"
        f":matrix_coefficients={matrix}:video_full_range_flag={int(full)}",
    )  # fmt: skip
    seen, luma = broadcast(told, tmp_path)
    assert seen == [Look((160, 96), "1", full, *colours)] * 2
    if pixel_format != "yuv422p10le":
        with av.open(str(clip)) as opened:
            sent = float(np.mean([luma_of(frame) for frame in opened.decode(video=0)]))
        assert abs(luma - sent) < 3, "no level was stretched or pressed together"


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p10le"])
@pytest.mark.parametrize("matrix", [8, 11, 14], ids=["ycgco", "ydzdx", "ictcp"])
def test_colours_that_can_not_be_converted_are_mosaicked(tmp_path: Path, pixel_format: str, matrix: int) -> None:
    """Nobody can look for faces in them. The child that was to convert them ended, five times: there was no stream."""
    clip = make_clip(tmp_path / "a.mkv", audio=False, pixel_format=pixel_format, size_wh=(160, 96))
    told = filtered(
        tmp_path / "b.mkv", clip,
        f"h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients={matrix}",
    )  # fmt: skip
    made = ingested(told)
    assert made.samples == []
    played = Broadcast(tmp_path / "out.flv")
    played.play(made.media, {})
    played.drain()
    played.engine.close()
    assert {disposition for disposition, _ in played.kinds()} == {FULL}
    assert look(tmp_path / "out.flv")[-3:] == (1, 1, matrix)


@pytest.mark.parametrize("aspect", ["4/3", "16/11", "12/11", "8/9"])
def test_pixels_that_are_not_square(tmp_path: Path, aspect: str) -> None:
    clip = make_clip(tmp_path / "a.flv", audio=False, size_wh=(160, 96))
    wide = filtered(tmp_path / "b.flv", clip, f"h264_metadata=sample_aspect_ratio={aspect}")
    seen, _ = broadcast(wide, tmp_path)
    assert [each.sample_aspect for each in seen] == [aspect] * 2
    assert [(each.size_wh, each.full_range) for each in seen] == [((160, 96), False)] * 2


@pytest.mark.parametrize(("aspect", "analysed_wh"), [("2/1", (320, 96)), ("1/2", (160, 192)), ("1/1", (160, 96))])
def test_what_is_looked_at_has_the_shape_that_viewers_see(
    tmp_path: Path, aspect: str, analysed_wh: tuple[int, int]
) -> None:
    """Of 28 faces in four clips the detector missed 3 where pixels are 1:2 and 6 where they are 8:3, pressed together
    as they are stored. Viewers see them as they are."""
    clip = make_clip(tmp_path / "a.flv", audio=False, size_wh=(160, 96))
    made = ingested(filtered(tmp_path / "b.flv", clip, f"h264_metadata=sample_aspect_ratio={aspect}"))
    assert {jpeg.size_wh(sample.jpeg) for sample in made.samples} == {analysed_wh}
    assert {(sample.width, sample.height) for sample in made.samples} == {(160, 96)}
    (video,) = made.media[0].codecs
    assert all(sample_violation(sample, (160, 96), video.pixel_wh) is None for sample in made.samples)
    guarded = Rig()
    guarded.engine = Engine(guarded._open, lambda: 1, looks_per_s=5.0)
    guarded.engine.on_spec(spec())
    guarded.play(made.media, verdicts(made.media))
    guarded.drain()
    pictures = guarded.engine.guard.take_pictures()
    assert {jpeg.size_wh(picture.jpeg) for picture in pictures} == {analysed_wh}, "the output guard's too"
    assert {(picture.width, picture.height) for picture in pictures} == {(160, 96)}


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_pictures_that_are_stored_turned_come_out_upright(tmp_path: Path, degrees: int) -> None:
    clip = turned_by_sei(tmp_path / "b.flv", make_clip(tmp_path / "a.flv", audio=False, size_wh=(160, 96)), degrees)
    seen, _ = broadcast(clip, tmp_path)
    assert [each.size_wh for each in seen] == [(96, 160) if degrees in (90, 270) else (160, 96)] * 2
    with av.open(str(tmp_path / "out.flv")) as opened:
        assert next(opened.decode(video=0)).rotation == 0, "a player that knows of turning does not turn it again"
