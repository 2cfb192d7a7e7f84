"""Masks near the frame's edge go on to it."""

import math

import pytest

from mosaicast.core.masks import reach_edges
from mosaicast.core.types import Box


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(300, 200, 400, 300), Box(300, 200, 400, 300)),
        (Box(30, 200, 130, 300), Box(30, 200, 130, 300)),
        (Box(15, 200, 115, 300), Box(-5, 180, 135, 320)),
        (Box(525, 200, 625, 300), Box(505, 180, 645, 320)),
        (Box(300, 15, 400, 115), Box(280, -5, 420, 135)),
        (Box(300, 245, 400, 345), Box(280, 225, 420, 365)),
        (Box(-20, -20, 80, 80), Box(-40, -40, 100, 100)),
        (Box(620, 200, 720, 300), Box(600, 180, 740, 320)),
        (Box(5, 5, 5, 5), Box(5, 5, 5, 5)),
        (Box(9, 9, 1, 1), Box(9, 9, 1, 1)),
    ],
)
def test_stretching(box: Box, expected: Box) -> None:
    assert reach_edges([box], 640, 360) == (expected,)


def test_nothing_in_nothing_out() -> None:
    assert reach_edges([], 640, 360) == ()


def test_a_box_that_is_not_a_number_is_left_to_the_kernel() -> None:
    (box,) = reach_edges([Box(math.nan, 0, 10, 10)], 640, 360)
    assert math.isnan(box.bounds.x1)
