"""The pixels of photos: formats, kinds of colours, upright, all of it or a part at full size."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mosaicast.adapters.media.photo_file import LONGEST_SIDE, WHOLE_JPEG_PIXELS, PhotoError, read
from mosaicast.core.types import Box
from tests.unit.runtime.photo_samples import BLUE, GREEN, GREY, RED, corners, nearest, png, quarters, saved

UPRIGHT = nearest(RED, GREEN, BLUE, GREY)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (quarters(), "JPEG"),
        (quarters(), "PNG"),
        (quarters(), "WEBP"),
        (quarters(), "AVIF"),
        (quarters(), "HEIF"),
        (quarters(), "TIFF"),
        (quarters(), "BMP"),
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
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
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


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "I;16", "1"])
def test_odd_kinds_of_pixels_are_read(mode: str) -> None:
    photo = read(saved(Image.new(mode, (40, 20)), "JPEG" if mode == "CMYK" else "PNG"))
    assert photo.picture.dtype == np.uint8
    assert (photo.picture.shape, photo.part) == ((20, 40, 3), Box(0, 0, 40, 20))


def test_a_phones_jpeg_with_more_pictures_behind_it_is_read() -> None:
    image = Image.new("RGB", (40, 20), (200, 100, 50))
    data = saved(image, "MPO", save_all=True, append_images=[Image.new("RGB", (40, 20))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert read(data).picture[10, 20].tolist() == pytest.approx([50, 100, 200], abs=4)


def seen_through(mode: str) -> Image.Image:
    """Red where it is opaque, and black, which nobody sees, where it is not."""
    picture = np.zeros((32, 64, 4), np.uint8)
    picture[:, :32] = (200, 0, 0, 255)
    return Image.fromarray(picture).convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_what_is_seen_through_is_white(kind: str) -> None:
    picture = read(saved(seen_through("RGBA"), kind)).picture
    assert picture[16, 8].tolist() == pytest.approx([0, 0, 200], abs=12)
    assert picture[16, 56].tolist() == pytest.approx([255, 255, 255], abs=12)


@pytest.mark.parametrize("mode", ["P", "LA", "L"])
def test_what_is_seen_through_is_white_in_grey_and_palettes_too(mode: str) -> None:
    if mode == "P":
        data = saved(Image.fromarray(np.repeat(np.array([[1, 0]], np.uint8), 32, 1)), "PNG", transparency=0)
    elif mode == "L":
        data = saved(Image.fromarray(np.repeat(np.array([[90, 0]], np.uint8), 32, 1)), "PNG", transparency=0)
    else:
        data = saved(seen_through("LA"), "PNG")
    assert read(data).picture[0, -1].tolist() == [255, 255, 255]


def test_cmyk_has_its_colours_whether_adobe_turned_them_over_or_not() -> None:
    for kind in ("JPEG", "TIFF"):
        assert corners(read(saved(quarters().convert("CMYK"), kind)).picture) == UPRIGHT


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_tiff_is_turned_once(orientation: int) -> None:
    photo = read(saved(quarters(), "TIFF", tiffinfo={274: orientation}))
    turned = {1: (RED, GREEN, BLUE, GREY), 3: (GREY, BLUE, GREEN, RED), 6: (BLUE, RED, GREY, GREEN)}
    assert corners(photo.picture) == nearest(*turned.get(orientation, (GREEN, GREY, RED, BLUE)))
    assert photo.turned is (orientation != 1)
    assert photo.picture.shape[:2] == ((64, 32) if orientation >= 5 else (32, 64))


def test_a_heic_is_turned_once() -> None:
    lying = quarters()
    lying.getexif()[0x0112] = 6
    data = saved(lying, "HEIF")
    assert b"irot" in data
    photo = read(data)
    assert corners(photo.picture) == nearest(BLUE, RED, GREY, GREEN)
    part = read(data, Box(0, 0, 16, 16))
    assert nearest(BLUE)[0] in corners(part.picture)


def test_a_heic_of_another_brand_is_read() -> None:
    data = saved(quarters(), "HEIF")
    assert corners(read(data.replace(b"ftypheic", b"ftypmif1", 1)).picture) == UPRIGHT


def test_broken_exif_does_not_spoil_a_photo() -> None:
    data = saved(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert corners(read(data).picture) == UPRIGHT


def dots(width: int = 3000, height: int = 2000) -> Image.Image:
    """Grey, with one bright square of 40 px at (2100, 300), and one of 20 at (150, 1800)."""
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[300:340, 2100:2140] = (250, 20, 20)
    picture[1800:1820, 150:170] = (20, 250, 20)
    return Image.fromarray(picture)


def lying(upright: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    """Return the picture as a camera would store it that says it has to be turned so."""
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return (upright if back is None else upright.transpose(back)), exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_is_shown_at_full_size_and_where_it_is_in_the_upright_file(orientation: int) -> None:
    stored, exif = lying(dots(), orientation)
    data = saved(stored, "JPEG", exif=exif, quality=95)
    part = read(data, Box(2080, 280, 2160, 360))
    assert (part.picture.shape, part.part, part.scale) == ((80, 80, 3), Box(2080, 280, 2160, 360), 1.0)
    red = (part.picture[:, :, 2] > 150) & (part.picture[:, :, 1] < 100)
    rows, columns = np.nonzero(red)
    assert [rows.min(), rows.max(), columns.min(), columns.max()] == pytest.approx([20, 59, 20, 59], abs=2)
    whole = read(data)
    assert whole.part == Box(0, 0, 3000, 2000)
    assert whole.scale == pytest.approx(LONGEST_SIDE / 3000)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "AVIF", "HEIF", "WEBP"])
def test_a_part_of_any_format(kind: str) -> None:
    part = read(saved(dots(1700, 900).crop((0, 0, 1700, 900)), kind), Box(0, 250.5, 80.5, 300))
    assert part.part == Box(0, 250, 81, 300)
    assert part.picture.shape == (50, 81, 3)


def test_a_part_that_reaches_over_the_edge_is_what_is_there() -> None:
    data = saved(dots(), "PNG")
    part = read(data, Box(-50, 1700, 250, 2300))
    assert part.part == Box(0, 1700, 250, 2000)
    green = part.picture[:, :, 1] > 200
    assert np.argwhere(green).min(axis=0).tolist() == [100, 150]
    with pytest.raises(PhotoError):
        read(data, Box(5000, 5000, 6000, 6000))


def test_a_part_that_is_too_large_is_shrunk() -> None:
    part = read(saved(dots(), "PNG"), Box(0, 0, 2400, 1800))
    assert part.picture.shape == (1200, LONGEST_SIDE, 3)
    assert part.scale == pytest.approx(2 / 3)


def test_a_jpeg_that_is_too_large_to_unpack_shows_parts_at_half_its_size() -> None:
    side = int(WHOLE_JPEG_PIXELS**0.5) + 20
    data = saved(Image.new("RGB", (side, side), (200, 100, 50)), "JPEG")
    part = read(data, Box(100, 100, 200, 200))
    assert part.scale == pytest.approx(0.5, abs=0.02)
    assert part.part == pytest.approx((100, 100, 200, 200), abs=2)
