"""Mask kernels: any box on any frame, at most 8 blocks across, nothing outside touched."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mosaicast.core.types import Box, Style
from mosaicast.imaging.masking import BLOCKS, mask_yuv420, mosaic_all_yuv420

Plane = NDArray[np.uint8]
STYLES = list(Style)
NAN, INF = math.nan, math.inf


def noise(width: int, height: int) -> tuple[Plane, Plane, Plane]:
    rng = np.random.default_rng(0)
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (rng.integers(0, 256, size, np.uint8) for size in ((height, width), half, half))
    return y, u, v


def ramps(width: int, height: int, box: Box) -> tuple[Plane, Plane, Plane]:
    """Planes that grow brighter from the box's top left to its bottom right corner: no two blocks of it are alike."""

    def plane(rows: int, columns: int, step: int) -> Plane:
        across = (np.arange(columns) * step - box.x1) / box.width
        down = (np.arange(rows)[:, None] * step - box.y1) / box.height
        return np.asarray(np.clip((across + down) * 127, 0, 255), np.uint8)

    chroma = plane((height + 1) // 2, (width + 1) // 2, 2)
    return plane(height, width, 1), chroma, chroma.copy()


def blocks_across(region: Plane) -> tuple[int, int]:
    """Count the columns and rows of equal pixels."""
    signed = region.astype(np.int32)
    changes = (np.abs(np.diff(signed, axis=axis)).any(axis=1 - axis).sum() for axis in (1, 0))
    columns, rows = (1 + int(count) for count in changes)
    return columns, rows


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size_wh", [(0, 0), (0, 4), (1, 1), (2, 2), (3, 1), (427, 241)])
@pytest.mark.parametrize(
    "boxes",
    [
        (),
        (Box(0, 0, 0, 0),),
        (Box(1, 1, 2, 2),),
        (Box(0.2, 0.2, 0.4, 0.4),),
        (Box(-90, -90, -10, -10), Box(900, 900, 990, 990)),
        (Box(-5, 3, 9, 1e9),),
        (Box(20, 20, 3, 3),),
        (Box(-1e308, -1e308, 1e308, 1e308),),
        (Box(NAN, 0, 5, 5), Box(0, 0, INF, 5), Box(NAN, NAN, NAN, NAN)),
    ],
)
def test_any_box_on_any_frame(size_wh: tuple[int, int], boxes: tuple[Box, ...], style: Style) -> None:
    planes = noise(*size_wh)
    assert 0.0 <= mask_yuv420(*planes, boxes, style) <= 1.0
    mosaic_all_yuv420(*noise(*size_wh), style)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("box", "span"),
    [
        (Box(10, 20, 30, 44), (10, 20, 30, 44)),
        (Box(10.9, 20.1, 29.1, 43.2), (10, 20, 30, 44)),
        (Box(30, 44, 10, 20), (10, 20, 30, 44)),
        (Box(11, 21, 11, 21), (10, 20, 12, 22)),
        (Box(-20, -20, 7, 5), (0, 0, 8, 6)),
        (Box(420, 235, 999, 999), (420, 234, 427, 241)),
        (Box(NAN, 20, 30, 44), (0, 20, 427, 44)),
    ],
)
def test_all_of_the_box_is_painted_and_nothing_else(box: Box, span: tuple[int, int, int, int], style: Style) -> None:
    left, top, right, bottom = span
    before = [np.full_like(plane, 101) for plane in noise(427, 241)]
    after = [plane.copy() for plane in before]
    share = mask_yuv420(after[0], after[1], after[2], [box], style)
    assert share == pytest.approx((right - left) * (bottom - top) / (427 * 241))
    changed = [a != b for a, b in zip(after, before, strict=True)]
    # 101 is no multiple of any quantum, so every painted pixel changes.
    assert changed[0][top:bottom, left:right].all()
    assert changed[0].sum() == (right - left) * (bottom - top)
    half = np.s_[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2]
    for plane in changed[1:]:
        assert plane[half].all()
        assert plane.sum() == plane[half].size


@given(st.integers(-60, 240), st.integers(-60, 160), st.integers(1, 200), st.integers(1, 200))
def test_at_most_eight_blocks_across(x: int, y: int, width: int, height: int) -> None:
    box = Box(x, y, x + width, y + height)
    planes = ramps(241, 161, box)
    mask_yuv420(*planes, [box], Style.MOSAIC)
    left, top = max(0, x // 2 * 2), max(0, y // 2 * 2)
    right, bottom = max(left, -(-(x + width) // 2) * 2), max(top, -(-(y + height) // 2) * 2)
    inside = planes[0][top:bottom, left:right]
    inside_half = planes[1][top // 2 : bottom // 2, left // 2 : right // 2]
    for region in (inside, inside_half):
        if region.size:
            assert max(blocks_across(region)) <= BLOCKS


def test_sixteen_pixels_at_an_odd_place_are_no_nine_blocks() -> None:
    box = Box(1, 1, 17, 17)
    planes = ramps(32, 32, box)
    mask_yuv420(*planes, [box], Style.MOSAIC)
    assert max(blocks_across(planes[0][:18, :18])) <= BLOCKS


@pytest.mark.parametrize("size", [64, 160])
def test_luma_and_chroma_have_the_same_eight_blocks(size: int) -> None:
    planes = ramps(200, 200, Box(0, 0, size, size))
    mask_yuv420(*planes, [Box(0, 0, size, size)], Style.MOSAIC)
    assert blocks_across(planes[0][:size, :size]) == (BLOCKS, BLOCKS)
    luma_edges, chroma_edges = (np.flatnonzero(np.diff(plane[0].astype(int))) + 1 for plane in planes[:2])
    np.testing.assert_array_equal(luma_edges[:7], chroma_edges[:7] * 2)


def test_half_a_face_gets_half_the_blocks() -> None:
    planes = ramps(200, 200, Box(0, 0, 80, 160))
    mask_yuv420(*planes, [Box(-80, 0, 80, 160)], Style.MOSAIC)
    assert blocks_across(planes[0][:160, :80])[0] == BLOCKS // 2


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("style", STYLES)
def test_boxes_on_top_of_each_other_show_no_more_detail(style: Style, order: int) -> None:
    fine = np.where(np.indices((200, 200)).sum(axis=0) % 2, 250, 6).astype(np.uint8)
    half = np.full((100, 100), 128, np.uint8)
    mask_yuv420(fine, half, half.copy(), [Box(40, 40, 80, 80), Box(20, 20, 180, 180)][::order], style)
    painted = fine[20:180, 20:180].astype(int)
    assert abs(painted - 128).max() <= 32
    assert np.ptp(painted) <= 8


def test_solid_is_one_colour_and_the_mosaic_follows_the_picture() -> None:
    y, u, v = (np.full((720, 1280), 40, np.uint8), *(np.full((360, 640), 128, np.uint8) for _ in range(2)))
    y[:, 640:] = 200
    solid = y.copy()
    mask_yuv420(solid, u.copy(), v.copy(), [Box(320, 100, 960, 500)], Style.SOLID)
    assert set(np.unique(solid[100:500, 320:960])) == {128}
    mask_yuv420(y, u, v, [Box(320, 100, 960, 500)], Style.MOSAIC)
    assert y[300, 330] == 40
    assert y[300, 950] == 200


@pytest.mark.parametrize("style", STYLES)
def test_grey_stays_grey_whatever_its_noise(style: Style) -> None:
    y, u, v = noise(64, 64)
    u[:], v[:] = 127 + u % 3, 126 + v % 4
    mask_yuv420(y, u, v, [Box(0, 0, 64, 64)], style)
    assert set(np.unique(u)) == set(np.unique(v)) == {128}


def test_the_brightest_does_not_wrap_to_black() -> None:
    planes = [np.full_like(plane, 255) for plane in noise(32, 32)]
    mask_yuv420(planes[0], planes[1], planes[2], [Box(0, 0, 32, 32)], Style.MOSAIC)
    assert min(plane.min() for plane in planes) == 255


@pytest.mark.parametrize("style", STYLES)
def test_views_with_strides_are_painted_in_place_and_their_padding_is_left(style: Style) -> None:
    plain = noise(100, 60)
    wide = np.full((60, 128), 77, np.uint8)
    interleaved = np.stack(plain[1:], axis=-1)  # as in NV12
    wide[:, :100] = plain[0]
    boxes = [Box(30, 10, 120, 50)]
    mask_yuv420(*plain, boxes, style)
    mask_yuv420(wide[:, :100], interleaved[..., 0], interleaved[..., 1], boxes, style)
    np.testing.assert_array_equal(wide[:, :100], plain[0])
    np.testing.assert_array_equal(interleaved, np.stack(plain[1:], axis=-1))
    assert (wide[:, 100:] == 77).all()


@pytest.mark.parametrize("size_wh", [(720, 720), (360, 640), (427, 241), (9, 9), (2, 2)])
def test_the_whole_picture_has_at_most_eight_blocks_across_its_shorter_side(size_wh: tuple[int, int]) -> None:
    side = min(size_wh)
    planes = ramps(*size_wh, Box(0, 0, side, side))
    mosaic_all_yuv420(*planes, Style.MOSAIC)
    columns, rows = blocks_across(planes[0][:side, :side])
    assert max(columns, rows) <= BLOCKS
    if side > 100:
        assert min(columns, rows) >= BLOCKS - 1, "a mosaic, not one colour"


@pytest.mark.parametrize("style", STYLES)
def test_the_whole_picture_loses_all_its_detail(style: Style) -> None:
    y = np.where(np.indices((241, 427)).sum(axis=0) % 2, 250, 6).astype(np.uint8)
    u, v = (np.full((121, 214), 128, np.uint8) for _ in range(2))
    mosaic_all_yuv420(y, u, v, style)
    assert np.ptp(y.astype(int)) <= 8
