"""JPEG: sizes from the header, exact reductions, and nothing hostile gets further than the header."""

from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.jpeg import JpegError

PICTURE = np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)
CODED = jpeg.encode(PICTURE, 90)
PHOTO = (Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg").read_bytes()


def test_there_and_back() -> None:
    smooth = cv2.GaussianBlur(PICTURE, (0, 0), 3)
    again = jpeg.decode(jpeg.encode(smooth, 95))
    assert again.shape == smooth.shape
    assert np.abs(again.astype(int) - smooth).mean() < 4


@pytest.mark.parametrize(("data", "size"), [(CODED, (70, 50)), (PHOTO, (512, 600))], ids=["ours", "a photo"])
def test_the_size_is_in_the_header(data: bytes, size: tuple[int, int]) -> None:
    assert jpeg.size_wh(data) == size


@pytest.mark.parametrize(("reduction", "shape"), [(1, (50, 70, 3)), (2, (25, 35, 3)), (4, (13, 18, 3)), (8, (7, 9, 3))])
def test_reductions_divide_the_sides(reduction: jpeg.Reduction, shape: tuple[int, ...]) -> None:
    assert jpeg.decode(CODED, reduction).shape == shape


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" + bytes(50), CODED[:100], CODED[2:]]
)
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(JpegError):
        jpeg.decode(data)


def test_another_format_is_refused_even_if_it_could_be_decoded() -> None:
    with pytest.raises(JpegError, match="no frame header"):
        jpeg.decode(bytes(cv2.imencode(".png", PICTURE)[1]))


@pytest.mark.parametrize("sides", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x10", b"\x00\x10\x00\x00"])
def test_a_size_that_is_not_sane_is_refused_before_decoding(sides: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    at = CODED.index(b"\xff\xc0") + 5
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(JpegError, match="a picture of"):
        jpeg.decode(CODED[:at] + sides + CODED[at + 4 :])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_size_or_an_error(data: bytes) -> None:
    for candidate in (data, b"\xff\xd8\xff" + data):
        try:
            width, height = jpeg.size_wh(candidate)
        except JpegError:
            continue
        assert width > 0
        assert height > 0


def test_a_picture_without_pixels_is_not_encoded() -> None:
    with pytest.raises(JpegError):
        jpeg.encode(np.zeros((0, 0, 3), np.uint8), 90)


def test_a_picture_that_is_too_large_for_the_format_is_not_encoded() -> None:
    with pytest.raises(JpegError):
        jpeg.encode(np.zeros((1, 70_000, 3), np.uint8), 90)
