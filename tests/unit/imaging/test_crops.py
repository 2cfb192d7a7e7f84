"""Crops, sharpness and alignment on ordinary and odd input."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.types import Box
from mosaicast.imaging.crops import align_by_landmarks, crop_square, map_landmarks, sharpness, similarity

TEMPLATE = np.array([(47.5, 46.6), (100.5, 46.6), (74.0, 76.6), (50.4, 103.0), (97.6, 103.0)])
NOISE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def gradient(width: int, height: int) -> np.ndarray:
    """A picture whose blue is its x and whose green is its y."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, :, 0], picture[:, :, 1] = np.arange(width), np.arange(height)[:, None]
    return picture


def test_a_small_box_is_cut_without_scaling_and_maps_back() -> None:
    crop = crop_square(gradient(200, 200), Box(50, 60, 90, 100), growth=1.5)
    assert crop is not None
    assert (crop.origin_x, crop.origin_y, crop.scale) == (40, 50, 1.0)
    assert crop.picture.shape == (60, 60, 3)
    assert crop.picture[7, 5].tolist() == [45, 57, 0]
    assert crop.to_crop((50, 60) * 5) == (10, 10) * 5


def test_a_large_box_is_shrunk_to_the_limit_and_maps_back() -> None:
    crop = crop_square(gradient(256, 256), Box(28, 28, 228, 228), growth=1.0, largest=50)
    assert crop is not None
    assert crop.picture.shape == (50, 50, 3)
    assert crop.scale == 0.25
    x, y = crop.picture[20, 30, :2]
    assert abs(crop.origin_x + 30.5 / crop.scale - 0.5 - float(x)) <= 1
    assert abs(crop.origin_y + 20.5 / crop.scale - 0.5 - float(y)) <= 1


def test_beyond_the_edge_is_black_and_the_origin_negative() -> None:
    crop = crop_square(np.full((50, 50, 3), 200, np.uint8), Box(-10, -10, 10, 10), growth=2.0)
    assert crop is not None
    assert (crop.origin_x, crop.origin_y) == (-20, -20)
    assert not crop.picture[:20].any()
    assert not crop.picture[:, :20].any()
    assert (crop.picture[20:, 20:] == 200).all()


@pytest.mark.parametrize(
    "box",
    [
        Box(math.nan, 0, 1, 1), Box(0, 0, math.inf, 5), Box(5, 5, 5, 9), Box(9, 9, 5, 5), Box(200, 0, 210, 9),
        Box(-9, -9, 0, 0), Box(0, 0, 1e300, 1e300),
    ],
)  # fmt: skip
def test_a_box_that_shows_nothing_is_none(box: Box) -> None:
    assert crop_square(NOISE, box) is None


def test_an_empty_picture_is_none() -> None:
    assert crop_square(np.zeros((0, 0, 3), np.uint8), Box(0, 0, 9, 9)) is None


@given(
    st.tuples(*[st.floats(-500, 700)] * 2, *[st.floats(0.01, 900)] * 2),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_any_box_on_any_picture_gives_a_square_within_the_limit(
    xywh: tuple[float, float, float, float], width: int, height: int
) -> None:
    x, y, w, h = xywh
    box = Box(x, y, x + w, y + h)
    crop = crop_square(np.full((height, width, 3), 9, np.uint8), box)
    touches = box.x1 < box.x2 and box.x1 < width and box.y1 < height and box.x2 > 0 and box.y2 > 0
    touches = touches and box.y1 < box.y2
    assert (crop is not None) == touches
    if crop is not None:
        assert crop.picture.shape[0] == crop.picture.shape[1] <= 160
        assert 0 < crop.scale <= 1


def test_sharpness_falls_with_blur_and_is_zero_without_detail() -> None:
    values = [sharpness(NOISE)] + [sharpness(cv2.GaussianBlur(NOISE, (0, 0), sigma)) for sigma in (1, 3)]
    assert values[0] > 2 * values[1] > 4 * values[2] > 0
    assert sharpness(np.full((40, 40, 3), 77, np.uint8)) == 0.0
    assert sharpness(np.zeros((0, 0, 3), np.uint8)) == 0.0


@given(st.floats(-math.pi, math.pi), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_a_similarity_is_found_again(angle: float, scale: float, x: float, y: float) -> None:
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    wanted = np.array([[cos, -sin, x], [sin, cos, y]])
    found = similarity(TEMPLATE, TEMPLATE @ wanted[:, :2].T + wanted[:, 2])
    assert found is not None
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    found = similarity(TEMPLATE * (-1, 1), TEMPLATE)
    assert found is not None
    assert np.linalg.det(found[:, :2]) > 0


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0, 7.0])
def test_a_face_of_any_size_and_turn_comes_to_lie_on_the_template(factor: float) -> None:
    picture = np.zeros((1500, 1500, 3), np.uint8)
    turn = cv2.getRotationMatrix2D((75, 75), 20, factor)
    turn[:, 2] += 600
    points = TEMPLATE @ turn[:, :2].T + turn[:, 2]
    for number, (x, y) in enumerate(points):
        cv2.circle(picture, (round(x), round(y)), max(2, round(4 * factor)), (50 + 40 * number,) * 3, -1)
    chip = align_by_landmarks(picture, points.ravel().tolist(), TEMPLATE, 150)
    assert chip is not None
    for number, (x, y) in enumerate(TEMPLATE):
        assert abs(int(chip[round(y), round(x), 0]) - (50 + 40 * number)) <= 2


def test_shrinking_first_puts_pixels_where_warping_alone_does() -> None:
    # A linear picture looks the same however it is averaged, so any shift of half a pixel shows.
    picture = np.repeat(np.repeat(gradient(150, 150), 1, axis=0), 1, axis=1)
    large = np.asarray(cv2.resize(picture, (600, 600), interpolation=cv2.INTER_LINEAR))
    points = (TEMPLATE + 0.5) * 4 - 0.5
    chip = align_by_landmarks(large, points.ravel().tolist(), TEMPLATE, 150)
    assert chip is not None
    inner = chip[10:-10, 10:-10, :2].astype(int) - picture[10:-10, 10:-10, :2]
    assert np.abs(inner).max() <= 1


@pytest.mark.parametrize("landmarks", [[5.0] * 10, [math.nan] * 10, [math.inf, 0.0] * 5, [1e30 * i for i in range(10)]])
def test_landmarks_that_span_no_face_are_none(landmarks: list[float]) -> None:
    assert align_by_landmarks(NOISE, landmarks, TEMPLATE, 150) is None


def test_landmarks_map_with_origin_and_scale() -> None:
    assert map_landmarks([10, 20] * 5, 4, 8, 0.5) == (3, 6) * 5
