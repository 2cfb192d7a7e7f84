"""Reading photos of strangers: what is read, what is refused with a sentence, and at what cost."""

import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from mosaicast.adapters.media import photos
from mosaicast.adapters.media.photo_file import PhotoError, read
from mosaicast.adapters.media.photos import PhotoDecoder
from mosaicast.core.types import Box
from mosaicast.runtime.children import ForkServer
from tests.unit.runtime import photo_children
from tests.unit.runtime.photo_samples import BLUE, GREEN, GREY, RED, animated, corners, nearest, png, quarters, saved


@pytest.fixture(scope="module")
def fork_server() -> ForkServer:
    return ForkServer(["mosaicast.adapters.media.photos"])


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'


@pytest.mark.parametrize(
    ("data", "fault", "says"),
    [
        (b"\0", "unreadable", "no photo that can be read"),
        (b"hello, I am a text" * 99, "unreadable", "no photo that can be read"),
        (os.urandom(5000), "unreadable", "no photo that can be read"),
        (HEIC, "unreadable", "HEIC"),
        (SVG, "unreadable", "drawing"),
        (b"  <svg/>", "unreadable", "drawing"),
        (saved(quarters(), "GIF"), "unreadable", "GIF"),
        (animated("GIF"), "unreadable", "GIF"),
        (animated("PNG"), "unreadable", "animated"),
        (animated("WEBP"), "unreadable", "animated"),
        (saved(quarters(), "JPEG2000"), "unreadable", "JPEG 2000"),
        (b"\xff\x0a" + bytes(99), "unreadable", "JPEG XL"),
        (b"\0\0\0\x18ftypmp42" + bytes(99), "unreadable", "video"),
        (b"\0\0\0\x18ftypcrx " + bytes(99), "unreadable", "raw file"),
        (b"\0\0\0\x18ftypabcd" + bytes(99), "unreadable", "no photo that can be read"),
        (saved(quarters(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "unreadable", "raw file"),
        (saved(Image.new("F", (8, 8)), "TIFF"), "unreadable", "its colours .F."),
        (saved(quarters(640, 640), "JPEG")[:900], "unreadable", "broken"),
        (saved(quarters(640, 640), "PNG")[:400], "unreadable", "broken"),
        (saved(quarters(640, 640), "WEBP")[:150], "unreadable", "broken"),
        (saved(quarters(640, 640), "TIFF", compression="jpeg")[:900], "unreadable", "broken"),
        (saved(quarters(640, 640), "AVIF")[:400], "unreadable", "broken|AVIF"),
        (saved(quarters(640, 640), "HEIF")[:400], "unreadable", "broken|HEIC"),
        (animated("AVIF"), "unreadable", "animated"),
        (b"\xff\xd8\xff\xe0" + bytes(30), "unreadable", "JPEG"),
        (png(60_000, 60_000, zlib.compress(bytes(9_999))), "too_large", "pixels"),
        (png(9_000, 9_000, zlib.compress(bytes(9_999))), "too_large", "9000x9000"),
        (png(0, 0, b""), "unreadable", "broken|no photo"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_these_are_refused_with_a_sentence(data: bytes, fault: str, says: str) -> None:
    with pytest.raises(PhotoError, match=says) as told:
        read(data)
    assert told.value.fault == fault
    assert "\n" not in told.value.detail
    assert len(told.value.detail) < 200


def test_the_child_reads_and_tells(fork_server: ForkServer) -> None:
    decoder = PhotoDecoder(fork_server)
    exif = Image.Exif()
    exif[0x0112] = 3
    photo = decoder.decode(saved(quarters(), "JPEG", exif=exif))
    assert corners(photo.picture) == nearest(GREY, BLUE, GREEN, RED)
    assert photo.turned
    part = decoder.decode(saved(quarters(), "JPEG", exif=exif), Box(40, 20, 60, 30))
    assert (part.picture.shape, part.part) == ((10, 20, 3), Box(40, 20, 60, 30))
    assert set(corners(part.picture)) == set(nearest(RED))
    with pytest.raises(PhotoError, match="animated"):
        decoder.decode(animated("PNG"))


def test_what_needs_no_child_starts_none() -> None:
    decoder = PhotoDecoder(None)  # type: ignore[arg-type]
    with pytest.raises(PhotoError, match="empty"):
        decoder.decode(b"")
    with pytest.raises(PhotoError, match="20 MB") as told:
        decoder.decode(bytes(photos.LARGEST_PHOTO_BYTES + 1))
    assert told.value.fault == "too_large"


@pytest.mark.parametrize("child", [photo_children.die, photo_children.lie, photo_children.pickle])
def test_a_child_that_dies_or_lies_is_a_broken_photo(
    fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch, child: Any
) -> None:
    monkeypatch.setattr(photos, "_work", child)
    with pytest.raises(PhotoError, match="broken"):
        PhotoDecoder(fork_server).decode(b"x")


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (png(4_800, 5_000, zlib.compress((b"\0" + bytes(4 * 4_800)) * 5_000, 1), colour=6), "(1600, 1536, 3)"),
        (png(60_000, 60_000, zlib.compress(bytes(99_999))), "too_large"),
        (saved(Image.new("RGB", (7_700, 7_700)), "JPEG", subsampling=0, progressive=True, quality=50), "unreadable"),
        (saved(Image.new("RGB", (4_000, 4_000)), "AVIF", speed=10), "(1600, 1600, 3)"),
        (saved(Image.new("RGB", (4_032, 3_024)), "HEIF"), "(1200, 1600, 3)"),
        (saved(Image.new("RGBA", (4_800, 5_000)), "TIFF", compression="tiff_lzw"), "(1600, 1536, 3)"),
    ],
    ids=["largest PNG", "bomb", "progressive JPEG that is held whole", "largest AVIF", "phone's HEIC", "largest TIFF"],
)
def test_the_child_stays_below_300_mb(fork_server: ForkServer, data: bytes, end: str) -> None:
    child = fork_server.spawn(photo_children.peak, name="photo", limits=photos.LIMITS)
    child.connection.send_bytes(bytes(32))
    child.connection.send_bytes(data)
    fault, peak_kb = child.connection.recv()
    child.stop()
    assert fault == end
    assert peak_kb < 300_000


def test_webp_is_there() -> None:
    assert features.check("webp"), "without it, phones' pictures are refused"


@pytest.mark.data
@pytest.mark.parametrize("name", ["bomb_60000x60000.png", "empty.jpg", "header_only.jpg", "truncated.jpg"])
def test_malformed_files_of_the_set(fork_server: ForkServer, name: str) -> None:
    folder = os.environ.get("MOSAICAST_DATA")
    if folder is None:
        pytest.skip("MOSAICAST_DATA does not name the data folder")
    with pytest.raises(PhotoError):
        PhotoDecoder(fork_server).decode(Path(folder, "malformed/derived_corrupt", name).read_bytes())


def answer(fault: int, height: int, width: int, part: tuple[float, ...]) -> bytes:
    return np.array([(fault, height, width, 0, part)], photos._HEADER).tobytes()


@pytest.mark.parametrize(
    ("height", "width", "part"),
    [
        (0, 5, (0, 0, 5, 5)),
        (5, 5, (0, 0, 3, 5)),
        (5, 5, (0, 0, 5, 0)),
        (5, 5, (9, 0, 5, 5)),
        (5, 5, (-1, 0, 5, 5)),
        (5, 5, (0, 0, float("nan"), 5)),
        (5, 5, (0, 0, float("inf"), 5)),
        (5000, 1, (0, 0, 5000, 5000)),
    ],
)
def test_an_answer_that_does_not_fit_is_not_believed(height: int, width: int, part: tuple[float, ...]) -> None:
    header = answer(0, height, width, part)
    for told in (header + bytes(height * width * 3), header[:7], header):
        with pytest.raises(PhotoError, match="broken"):
            photos._checked(told)


def test_an_answer_of_no_known_fault_is_not_believed() -> None:
    with pytest.raises(PhotoError, match="broken"):
        photos._checked(answer(3, 1, 1, (0, 0, 1, 1)) + bytes(3))
    assert photos._checked(answer(0, 1, 1, (0, 0, 1, 1)) + bytes(3)).scale == 1


@pytest.mark.parametrize("fault", [1, 2])
def test_a_faults_sentence_is_passed_on_and_no_more_of_it_than_fits(fault: int) -> None:
    header = answer(fault, 0, 0, (0, 0, 0, 0))
    with pytest.raises(PhotoError) as told:
        photos._checked(header + b"because" * 100)
    assert told.value.fault == ("unreadable" if fault == 1 else "too_large")
    assert told.value.detail.startswith("because")
    assert len(told.value.detail) == 200


def test_a_child_that_begins_to_answer_and_never_ends_is_killed(
    fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "_work", photo_children.stall)
    timer, asked_s = threading.Timer, []

    def soon(interval_s: float, kill: Callable[[], None]) -> threading.Timer:
        asked_s.append(interval_s)
        return timer(1.0, kill)

    monkeypatch.setattr(threading, "Timer", soon)
    with pytest.raises(PhotoError, match="broken"):
        PhotoDecoder(fork_server).decode(b"x")
    assert asked_s == [2 * photos._TIMEOUT_S]
