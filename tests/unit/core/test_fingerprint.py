"""A fingerprint tells pictures apart, and is the same wherever it is made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.fingerprint import (
    LARGEST_DIFFERENCE,
    difference,
    fingerprint,
    same_picture,
)
from mosaicast.core.types import FINGERPRINT_BYTES

prints = st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES)


def flat(level: int, size_hw: tuple[int, int] = (36, 64)) -> np.ndarray:
    return np.full(size_hw, level, np.uint8)


@pytest.mark.parametrize("level", [0, 1, 127, 128, 254, 255])
@pytest.mark.parametrize("size_hw", [(36, 64), (9, 16), (90, 160)])
def test_each_cell_is_the_average_of_its_pixels(level: int, size_hw: tuple[int, int]) -> None:
    assert fingerprint(flat(level, size_hw)) == bytes([level]) * 144


def test_cells_go_row_by_row() -> None:
    luma = flat(0)
    luma[4:8, 8:12] = 200
    luma[4, 8] = 100
    cells = np.frombuffer(fingerprint(luma), np.uint8).reshape(9, 16)
    assert cells[1, 2] == (15 * 200 + 100) // 16
    assert np.count_nonzero(cells) == 1


@pytest.mark.parametrize("size_hw", [(35, 64), (36, 63), (0, 0)])
def test_what_does_not_divide_is_refused(size_hw: tuple[int, int]) -> None:
    if size_hw == (0, 0):
        assert fingerprint(flat(9, (9, 16))) == bytes([9]) * 144, "one pixel a cell is the least"
        return
    with pytest.raises(ValueError, match="does not divide"):
        fingerprint(flat(1, size_hw))


@given(prints, prints)
def test_the_difference_is_that_of_the_worst_cell(one: bytes, other: bytes) -> None:
    worst = max(abs(a - b) for a, b in zip(one, other, strict=True))
    assert difference(one, other) == difference(other, one) == worst
    assert same_picture(one, other) == (worst <= LARGEST_DIFFERENCE)


@given(st.binary(max_size=200).filter(lambda data: len(data) != FINGERPRINT_BYTES), prints)
def test_what_is_no_fingerprint_is_like_nothing_not_even_itself(odd: bytes, one: bytes) -> None:
    assert not same_picture(odd, one)
    assert not same_picture(one, odd)
    assert not same_picture(odd, odd)
