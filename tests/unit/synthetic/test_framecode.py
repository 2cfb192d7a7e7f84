from collections.abc import Callable

import numpy as np
import pytest

from mosaicast.core.types import Box
from synthetic import framecode
from synthetic.framecode import Code

from .conftest import blur, mosaic, reencode, solid

SIZES = [(720, 1280), (360, 640), (270, 480), (180, 320)]


def picture(size: tuple[int, int], number: int, *, flash: bool = False) -> np.ndarray:
    noise = np.random.default_rng(number).integers(60, 180, (*size, 1)).astype(np.uint8)
    image = np.repeat(noise, 3, axis=2)
    framecode.draw(image, number, flash=flash)
    return framecode.luma_of_bgr(image)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [0, 1, 2, 255, 256, 0x5555, 0xAAAA, 0xFFFF])
def test_what_is_drawn_is_read(size: tuple[int, int], number: int) -> None:
    assert framecode.read(picture(size, number)) == Code(number, flash=False)
    assert framecode.read(picture(size, number, flash=True)) == Code(number, flash=True)


@pytest.mark.parametrize("number", [-1, 0x10000])
def test_numbers_that_do_not_fit_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="within"):
        framecode.draw(np.zeros((360, 640, 3), np.uint8), number, flash=False)


@pytest.mark.parametrize("size", SIZES[:3])
def test_it_survives_a_poor_encoder(size: tuple[int, int]) -> None:
    lumas = [picture(size, number, flash=number % 3 == 0) for number in range(90, 100)]
    codes = [framecode.read(luma) for luma in reencode(lumas, crf=42)]
    assert codes == [Code(number, flash=number % 3 == 0) for number in range(90, 100)]


@pytest.mark.parametrize("cell", range(32))
def test_every_cell_counts(cell: int) -> None:
    """A cell turned over, or gone grey, makes the strip unreadable: never another number."""
    luma = picture((360, 640), 0x1234)
    for level in (0, 128, 255):
        damaged = luma.copy()
        damaged[340:, cell * 20 : cell * 20 + 20] = level
        assert framecode.read(damaged) in (None, Code(0x1234, flash=False))
    grey = luma.copy()
    grey[340:, cell * 20 : cell * 20 + 20] = 128
    assert framecode.read(grey) is None


@pytest.mark.parametrize("mask", [mosaic, blur, solid])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_read_in_a_fully_masked_frame(
    mask: Callable[[np.ndarray, Box], None], size: tuple[int, int]
) -> None:
    luma = picture(size, 77)
    mask(luma, Box(0, 0, size[1], size[0]))
    assert framecode.read(luma) is None


@pytest.mark.parametrize("luma", [np.zeros((360, 640), np.uint8), np.full((360, 640), 255, np.uint8)])
def test_a_plain_frame_has_no_number(luma: np.ndarray) -> None:
    assert framecode.read(luma) is None


def test_a_frame_too_small_for_a_strip_has_no_number() -> None:
    assert framecode.read(np.zeros((8, 8), np.uint8)) is None
    assert framecode.read(np.zeros((0, 0), np.uint8)) is None


@pytest.mark.parametrize(("height", "strip"), [(720, 40), (360, 20), (1080, 60), (100, 8)])
def test_the_strip_is_even_and_in_proportion(height: int, strip: int) -> None:
    assert framecode.strip_height(height) == strip
