"""Reading photos of strangers: what is read, what is refused with a sentence, and at what cost."""

import io
import os
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from mosaicast.adapters.media import photos
from mosaicast.adapters.media.photos import LONGEST_SIDE, PhotoDecoder, PhotoError, read
from mosaicast.runtime.children import ForkServer
from tests.unit.runtime import photo_children

RED, GREEN, BLUE, GREY = (0, 0, 200), (0, 200, 0), (200, 0, 0), (90, 90, 90)


@pytest.fixture(scope="module")
def fork_server() -> ForkServer:
    return ForkServer(["mosaicast.adapters.media.photos"])


def quarters(width: int = 64, height: int = 32) -> Image.Image:
    """Red, green / blue, grey: every turn shows."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, GREY
    return Image.fromarray(picture[:, :, ::-1])


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def corners(picture: Any) -> list[tuple[int, ...]]:
    """The colours at a quarter and three quarters, row by row, to the nearest 100."""
    height, width = picture.shape[:2]
    points = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(round(int(c) / 100) * 100 for c in picture[point]) for point in points]


def nearest(*colours: tuple[int, int, int]) -> list[tuple[int, ...]]:
    return [tuple(round(c / 100) * 100 for c in colour) for colour in colours]


UPRIGHT = nearest(RED, GREEN, BLUE, GREY)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (quarters(), "JPEG"),
        (quarters(), "PNG"),
        (quarters(), "WEBP"),
        (quarters().convert("CMYK"), "JPEG"),
        (quarters().convert("P"), "PNG"),
        (quarters().convert("RGBA"), "PNG"),
        (quarters().convert("RGBA"), "WEBP"),
    ],
)
def test_these_are_read(image: Image.Image, kind: str) -> None:
    photo = read(saved(image, kind))
    assert photo.picture.dtype == np.uint8
    assert photo.picture.shape == (32, 64, 3)
    assert corners(photo.picture) == UPRIGHT
    assert not photo.turned


def test_grey_is_read_also_with_16_bits() -> None:
    ramp = np.linspace(0, 65535, 64 * 32).reshape(32, 64).astype(np.uint16)
    deep = read(saved(Image.fromarray(ramp), "PNG")).picture
    flat = read(saved(Image.fromarray((ramp >> 8).astype(np.uint8)), "PNG")).picture
    assert np.array_equal(deep, flat)
    assert deep.min() == 0
    assert deep.max() == 255


def test_colour_with_16_bits_is_read() -> None:
    row = b"\0" + struct.pack(">3H", 200 << 8, 0, 0) * 4
    data = png(4, 4, zlib.compress(row * 4), depth=16, colour=2)
    assert read(data).picture[0, 0].tolist() == [0, 0, 200]


@pytest.mark.parametrize(
    ("orientation", "colours"),
    [
        (1, (RED, GREEN, BLUE, GREY)),
        (2, (GREEN, RED, GREY, BLUE)),
        (3, (GREY, BLUE, GREEN, RED)),
        (4, (BLUE, GREY, RED, GREEN)),
        (5, (RED, BLUE, GREEN, GREY)),
        (6, (BLUE, RED, GREY, GREEN)),
        (7, (GREY, GREEN, BLUE, RED)),
        (8, (GREEN, GREY, RED, BLUE)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_turns_it_upright(orientation: int, colours: tuple[tuple[int, int, int], ...], kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read(saved(quarters(), kind, exif=exif))
    assert corners(photo.picture) == nearest(*colours)
    assert photo.picture.shape[:2] == ((64, 32) if orientation >= 5 else (32, 64))
    assert photo.turned is (orientation != 1)


def test_a_large_one_is_shrunk() -> None:
    assert read(saved(quarters(4000, 1000), "JPEG")).picture.shape == (400, LONGEST_SIDE, 3)
    assert read(saved(quarters(1000, 4000), "PNG")).picture.shape == (LONGEST_SIDE, 400, 3)


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    return saved(quarters(), kind, save_all=True, append_images=[quarters().transpose(Image.Transpose.ROTATE_180)])


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'


@pytest.mark.parametrize(
    ("data", "fault", "says"),
    [
        (b"\0", "unreadable", "no JPEG, PNG or WebP"),
        (b"hello, I am a text" * 99, "unreadable", "no JPEG, PNG or WebP"),
        (os.urandom(5000), "unreadable", "no JPEG, PNG or WebP"),
        (HEIC, "unreadable", "HEIC"),
        (SVG, "unreadable", "drawing"),
        (b"  <svg/>", "unreadable", "drawing"),
        (saved(quarters(), "GIF"), "unreadable", "GIF"),
        (animated("GIF"), "unreadable", "GIF"),
        (animated("PNG"), "unreadable", "animated"),
        (animated("WEBP"), "unreadable", "animated"),
        (saved(quarters(), "TIFF"), "unreadable", "no JPEG, PNG or WebP"),
        (saved(quarters(640, 640), "JPEG")[:900], "unreadable", "broken"),
        (saved(quarters(640, 640), "PNG")[:400], "unreadable", "broken"),
        (saved(quarters(640, 640), "WEBP")[:150], "unreadable", "broken"),
        (b"\xff\xd8\xff\xe0" + bytes(30), "unreadable", "JPEG"),
        (png(60_000, 60_000, zlib.compress(bytes(9_999))), "too_large", "pixels"),
        (png(9_000, 9_000, zlib.compress(bytes(9_999))), "too_large", "9000x9000"),
        (png(0, 0, b""), "unreadable", "broken|no JPEG"),
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
    ],
    ids=["largest PNG", "bomb", "progressive JPEG that is held whole"],
)
def test_the_child_stays_below_300_mb(fork_server: ForkServer, data: bytes, end: str) -> None:
    child = fork_server.spawn(photo_children.peak, name="photo", limits=photos.LIMITS)
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


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "I;16", "1"])
def test_odd_kinds_of_pixels_are_read(mode: str) -> None:
    photo = read(saved(Image.new(mode, (40, 20)), "JPEG" if mode == "CMYK" else "PNG"))
    assert photo.picture.dtype == np.uint8
    assert (photo.picture.shape, photo.full_width) == ((20, 40, 3), 40)


@pytest.mark.parametrize("sides", [(0, 0, 5, 0, 5), (0, 5, 5, 0, 3), (0, 5000, 1, 0, 5000), (3, 1, 1, 0, 1)])
def test_an_answer_that_does_not_fit_is_not_believed(sides: tuple[int, int, int, int, int]) -> None:
    header = np.array([sides], photos._HEADER).tobytes()
    for answer in (header + bytes(sides[1] * sides[2] * 3), header[:7], header):
        with pytest.raises(PhotoError, match="broken"):
            photos._checked(answer)


@pytest.mark.parametrize("fault", [1, 2])
def test_a_faults_sentence_is_passed_on_and_no_more_of_it_than_fits(fault: int) -> None:
    header = np.array([(fault, 0, 0, 0, 0)], photos._HEADER).tobytes()
    with pytest.raises(PhotoError) as told:
        photos._checked(header + b"because" * 100)
    assert told.value.fault == ("unreadable" if fault == 1 else "too_large")
    assert told.value.detail.startswith("because")
    assert len(told.value.detail) == 200


def test_a_phones_jpeg_with_more_pictures_behind_it_is_read() -> None:
    image = Image.new("RGB", (40, 20), (200, 100, 50))
    data = saved(image, "MPO", save_all=True, append_images=[Image.new("RGB", (40, 20))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert read(data).picture[10, 20].tolist() == pytest.approx([50, 100, 200], abs=4)


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
