"""Videos that strangers send: samples or a sentence, from a child with limits that ends."""

import io
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from mosaicast.adapters.media import clips
from mosaicast.adapters.media.clip import HEADER, LARGEST_CLIP_BYTES, LOOKED_AT_S, SHOWN_SIDE, ClipError, ClipSample
from mosaicast.adapters.media.clip_file import read
from mosaicast.adapters.media.clips import ClipDecoder, _checked
from mosaicast.runtime.children import ForkServer
from tests.adapters.av_clips import make_clip, picture

DATA = os.environ.get("MOSAICAST_DATA")
MALFORMED = sorted(Path(DATA).glob("malformed/*/*")) if DATA else []


@pytest.fixture(scope="module")
def decoder() -> ClipDecoder:
    return ClipDecoder(ForkServer(["mosaicast.adapters.media.clip_child"]))


def made(tmp_path: Path, name: str = "a.mp4", **how: Any) -> bytes:
    return make_clip(tmp_path / name, **how).read_bytes()


def spaced(tmp_path: Path, frames: int, every_s: Fraction, size_wh: tuple[int, int] = (320, 180)) -> bytes:
    """A film whose pictures are so far apart."""
    path = tmp_path / "spaced.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        stream.options = {"preset": "ultrafast", "bf": "0"}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, size_wh), format="rgb24")
            frame.pts, frame.time_base = round(number * every_s * 1000), Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.ts", "a.flv"])
def test_a_video_gives_ten_samples_a_second_whatever_holds_it(decoder: ClipDecoder, tmp_path: Path, name: str) -> None:
    samples = list(decoder.samples(made(tmp_path, name, frames=60)))
    assert 19 <= len(samples) <= 22
    times = [sample.time for sample in samples]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert all(sample.picture.shape == (180, 320, 3) for sample in samples)
    assert not any(sample.cut or sample.mixed for sample in samples)


def test_the_child_says_what_reading_here_says(decoder: ClipDecoder, tmp_path: Path) -> None:
    data = made(tmp_path, cut_at=22)
    here, there = list(read(data)), list(decoder.samples(data))
    assert [(one.cut, one.mixed) for one in here] == [(one.cut, one.mixed) for one in there]
    assert [float(one.time) for one in here] == pytest.approx([float(one.time) for one in there], abs=1e-5)
    assert all((one.picture == other.picture).all() for one, other in zip(here, there, strict=True))
    assert [one.cut for one in here].count(True) == 1


def test_blended_pictures_are_told(tmp_path: Path) -> None:
    path = tmp_path / "dissolve.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"preset": "ultrafast", "bf": "0", "crf": "5"}
        for number in range(75):
            share = min(1.0, max(0.0, (number - 30) / 9))
            shown = picture(0, (320, 180)) * (1 - share) + picture(0, (320, 180), 1) * share
            frame = av.VideoFrame.from_ndarray(shown.astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    mixed = [float(sample.time) for sample in read(path.read_bytes()) if sample.mixed]
    assert mixed
    assert min(mixed) > 0.7
    assert max(mixed) < 1.7


def test_pictures_are_upright_and_no_larger_than_needed(tmp_path: Path) -> None:
    first = next(read(made(tmp_path, frames=5, size_wh=(2560, 1440))))
    assert first.picture.shape == (1080, SHOWN_SIDE, 3)


def test_of_four_hours_the_beginning_is_looked_at(decoder: ClipDecoder, tmp_path: Path) -> None:
    samples = list(decoder.samples(spaced(tmp_path, 400, Fraction(36))))
    assert len(samples) == 1
    samples = list(decoder.samples(spaced(tmp_path, 400, Fraction(1, 5))))
    assert samples[-1].time <= LOOKED_AT_S
    assert len(samples) >= 100


def still(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (320, 180), "grey").save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"x", "no video that is read"),
        (os.urandom(50_000), "no video that is read"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "no video that is read"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no video that is read"),
        (still("JPEG"), "send it as a photo"),
        (still("PNG"), "send it as a photo"),
        (still("WEBP"), "send it as a photo"),
        (still("GIF"), "send it as a photo"),
    ],
    ids=["empty", "a byte", "noise", "playlist", "script", "jpeg", "png", "webp", "gif"],
)
def test_what_is_no_video_is_refused_with_a_sentence(decoder: ClipDecoder, data: bytes, says: str) -> None:
    with pytest.raises(ClipError, match=says) as refused:
        list(decoder.samples(data))
    assert refused.value.fault == "unreadable"


def test_sound_alone_and_a_decoder_that_is_not_let_in(decoder: ClipDecoder, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="no pictures"):
        list(decoder.samples(made(tmp_path, "a.m4a", video=False, container_format="mp4")))
    not_let_in = made(tmp_path, "a.mkv", codec="ffv1", audio=False)
    with pytest.raises(ClipError, match="can't be decoded"):
        list(decoder.samples(not_let_in))


def test_too_large_a_file_is_refused_unread() -> None:
    with pytest.raises(ClipError, match="100 MB") as refused:
        clips.check_size(LARGEST_CLIP_BYTES + 1)
    assert refused.value.fault == "too_large"


def test_too_large_pictures_are_refused(decoder: ClipDecoder, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="4608x64") as refused:
        list(decoder.samples(made(tmp_path, frames=2, size_wh=(4608, 64), audio=False)))
    assert refused.value.fault == "too_large"


def test_who_stops_listening_ends_the_child(
    decoder: ClipDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = []
    spawn = ForkServer.spawn

    def noted(self: ForkServer, *arguments: Any, **more: Any) -> Any:
        children.append(spawn(self, *arguments, **more))
        return children[-1]

    monkeypatch.setattr(ForkServer, "spawn", noted)
    samples = decoder.samples(made(tmp_path, frames=200))
    next(samples)
    samples.close()  # type: ignore[attr-defined]
    assert children[0].wait(10.0) is not None


def test_a_child_that_dies_in_the_middle_is_a_broken_file(
    decoder: ClipDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ClipSample] = []
    spawn, children = ForkServer.spawn, []

    def noted(self: ForkServer, *arguments: Any, **more: Any) -> Any:
        children.append(spawn(self, *arguments, **more))
        return children[-1]

    monkeypatch.setattr(ForkServer, "spawn", noted)
    samples = decoder.samples(made(tmp_path, frames=45, size_wh=(1920, 1080), audio=False))
    seen.append(next(samples))
    children[0].kill()
    with pytest.raises(ClipError, match="damaged"):
        seen.extend(samples)


def header(kind: int, height: int = 2, width: int = 2, flags: int = 0, time_us: int = 0) -> bytes:
    return np.array([(kind, height, width, flags, time_us)], HEADER).tobytes()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"x" * 10,
        header(0),
        header(0) + bytes(11),
        header(0) + bytes(13),
        header(0, time_us=-1) + bytes(12),
        header(0, time_us=2**62) + bytes(12),
        header(0, height=2**31) + bytes(12),
        header(0, height=0) + bytes(0),
        header(9) + b"what",
    ],
)
def test_a_child_that_was_taken_over_is_not_believed(answer: bytes) -> None:
    with pytest.raises(ClipError):
        _checked(answer)


def test_a_childs_sentence_is_cut_and_its_samples_are_samples() -> None:
    with pytest.raises(ClipError) as refused:
        _checked(header(3) + b"\xff" + b"x" * 5000)
    assert len(refused.value.detail) <= 200
    assert refused.value.fault == "too_large"
    assert _checked(header(1)) is None
    sample = _checked(header(0, flags=3, time_us=1_500_000) + bytes(12))
    assert sample is not None
    assert (sample.time, sample.cut, sample.mixed) == (Fraction(3, 2), True, True)


@pytest.mark.data
@pytest.mark.skipif(not MALFORMED, reason="MOSAICAST_DATA names no folder with malformed files")
@pytest.mark.parametrize("path", MALFORMED, ids=[path.name for path in MALFORMED])
def test_odd_and_broken_files_give_samples_or_a_sentence(decoder: ClipDecoder, path: Path) -> None:
    samples: list[ClipSample] = []
    refused = ""
    try:
        samples.extend(decoder.samples(path.read_bytes()))
    except ClipError as exc:
        refused = exc.detail
    assert samples or 5 < len(refused) < 200
    assert all(0 <= one.time <= LOOKED_AT_S and max(one.picture.shape[:2]) <= SHOWN_SIDE for one in samples)
