"""The kernels paint a region of any shape: all that it covers, as its bounds would be painted, and nothing else."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.core.masks import reach_edges
from mosaicast.core.types import Box, Style
from mosaicast.imaging.masking import mask_yuv420

STYLES = tuple(Style)


@dataclass(frozen=True)
class Disc:
    """An ellipse in a box."""

    bounds: Box

    def stretched(self, bounds: Box) -> "Disc":
        return Disc(bounds)

    def covered(self, left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
        (x, y), box = self.bounds.centre, self.bounds
        across = (np.arange(left, left + width) + 0.5 - x) / (box.width / 2)
        down = (np.arange(top, top + height) + 0.5 - y) / (box.height / 2)
        return across[None] ** 2 + down[:, None] ** 2 <= 1


def noise(width: int, height: int) -> list[NDArray[np.uint8]]:
    rng, half = np.random.default_rng(3), ((height + 1) // 2, (width + 1) // 2)
    return [rng.integers(0, 256, size, np.uint8) for size in ((height, width), half, half)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("box", [Box(40, 30, 140, 110), Box(-30, -20, 60, 90), Box(120, 60, 260, 190)])
def test_what_a_shape_covers_is_painted_like_its_bounds_and_the_rest_stays(box: Box, style: Style) -> None:
    source, shaped, boxed = noise(213, 121), noise(213, 121), noise(213, 121)
    share = mask_yuv420(shaped[0], shaped[1], shaped[2], [Disc(box)], style)
    boxed_share = mask_yuv420(boxed[0], boxed[1], boxed[2], [box], style)
    covered = Disc(box).covered(0, 0, 213, 121)
    assert (shaped[0][covered] == boxed[0][covered]).all()
    changed = shaped[0] != source[0]
    ys, xs = np.nonzero(changed & ~covered)
    # Chroma is shared by 2 x 2 pixels: what is painted there is painted in luma too.
    assert all(
        covered[y // 2 * 2 : y // 2 * 2 + 2, x // 2 * 2 : x // 2 * 2 + 2].any() for y, x in zip(ys, xs, strict=True)
    )
    assert 0.5 * boxed_share < share < boxed_share


@pytest.mark.parametrize("style", STYLES)
def test_no_pixel_of_a_shape_keeps_its_colour(style: Style) -> None:
    source, shaped, boxed = noise(160, 120), noise(160, 120), noise(160, 120)
    only = Disc(Box(31, 21, 91, 93))
    mask_yuv420(shaped[0], shaped[1], shaped[2], [only], style)
    mask_yuv420(boxed[0], boxed[1], boxed[2], [only.bounds], style)
    ys, xs = np.nonzero(only.covered(0, 0, 160, 120))
    for plane in (1, 2):
        assert (shaped[plane][ys // 2, xs // 2] == boxed[plane][ys // 2, xs // 2]).all()
        assert (shaped[plane] == source[plane]).any()


def test_a_shape_at_the_edge_is_stretched_to_it_and_keeps_its_kind() -> None:
    box = Box(15, 200, 115, 300)
    assert reach_edges([Disc(box)], 640, 360) == (Disc(reach_edges([box], 640, 360)[0].bounds),)


def test_a_shape_that_covers_nothing_paints_nothing() -> None:
    class Nothing(Disc):
        def covered(self, left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
            return np.zeros((height, width), np.bool_)

    source, planes = noise(64, 48), noise(64, 48)
    assert mask_yuv420(planes[0], planes[1], planes[2], [Nothing(Box(4, 4, 40, 40))], Style.MOSAIC) == 0.0
    assert all((one == other).all() for one, other in zip(source, planes, strict=True))
