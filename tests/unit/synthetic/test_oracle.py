"""The oracle must find what leaks, and only that, before anything else may trust it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mosaicast.core.types import Box
from synthetic import framecode
from synthetic.oracle import Judgement, Kind, Oracle, SourceClip, is_clear, is_fully_mosaicked, masked_fraction

from .conftest import MASKS, blur, grown, mosaic, reencode, solid

CRFS = (23, 28)


def judged(sample: Any, lumas: list[Any], *enrolled: str) -> list[Judgement]:
    oracle = Oracle([sample.source], enrolled)
    return [oracle.judge(luma) for luma in lumas]


@pytest.mark.parametrize("crf", CRFS)
def test_without_masks_every_face_leaks_in_every_frame(sample: Any, crf: int) -> None:
    found = judged(sample, reencode(sample.lumas, crf))
    assert [len(one.leaks) for one in found] == [2] * 60
    assert [one.number for one in found] == list(range(500, 560))


@pytest.mark.parametrize("crf", CRFS)
@pytest.mark.parametrize("style", sorted(MASKS))
def test_with_every_face_masked_nothing_leaks(sample: Any, style: str, crf: int) -> None:
    found = judged(sample, reencode(sample.masked(MASKS[style]), crf))
    assert [one.kind for one in found] == [Kind.CLEAN] * 60


@pytest.mark.parametrize("crf", CRFS)
@pytest.mark.parametrize("width", [0.035, 0.05, 0.16])
def test_small_and_large_faces_are_judged_as_well(make_sample: Callable[..., Any], width: float, crf: int) -> None:
    sample = make_sample(width=width)
    bare = judged(sample, reencode(sample.lumas, crf))
    painted = judged(sample, reencode(sample.masked(mosaic), crf))
    assert {len(one.leaks) for one in bare} == {2}
    assert {one.kind for one in painted} == {Kind.CLEAN}


@pytest.mark.parametrize("crf", CRFS)
def test_a_mask_missing_on_one_face_is_exactly_one_leak(sample: Any, crf: int) -> None:
    lumas = sample.masked(mosaic, lambda person, box: None if person == "admiral" else box)
    found = judged(sample, reencode(lumas, crf))
    assert [[leak.person for leak in one.leaks] for one in found] == [["admiral"]] * 60


def test_a_mask_missing_for_one_frame_is_found_in_that_frame(sample: Any) -> None:
    lumas = sample.masked(mosaic)
    lumas[17] = sample.lumas[17]
    found = judged(sample, reencode(lumas, 23))
    assert [one.number for one in found if one.leaks] == [517]


@pytest.mark.parametrize("crf", CRFS)
@pytest.mark.parametrize(("right", "down"), [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.3), (0.0, -0.3)])
def test_a_mask_beside_the_face_leaks(sample: Any, right: float, down: float, crf: int) -> None:
    def moved(_person: str, box: Box) -> Box:
        x, y = right * box.width, down * box.height
        return Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)

    found = judged(sample, reencode(sample.masked(mosaic, moved), crf))
    assert [len(one.leaks) for one in found] == [2] * 60


@pytest.mark.parametrize(("share", "leaks"), [(0.80, 2), (1.0, 0)])
def test_the_line_is_at_nine_tenths_of_the_box(sample: Any, share: float, leaks: int) -> None:
    lumas = sample.masked(solid, lambda _person, box: Box(box.x1, box.y1, box.x2, box.y1 + share * box.height))
    assert {len(one.leaks) for one in judged(sample, reencode(lumas, 23))} == {leaks}


def test_the_measured_fraction_follows_the_covered_one(sample: Any) -> None:
    face = sample.truth.frames[0][0].box
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        luma = sample.lumas[0].copy()
        if share:
            solid(luma, Box(face.x1, face.y1, face.x2, face.y1 + share * face.height))
        assert masked_fraction(sample.lumas[0], luma, face) == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize("crf", CRFS)
def test_the_enrolled_may_show_and_are_seen_to(sample: Any, crf: int) -> None:
    lumas = sample.masked(mosaic, lambda person, box: None if person == "astronaut" else box)
    found = judged(sample, reencode(lumas, crf), "astronaut")
    assert {one.kind for one in found} == {Kind.CLEAN}
    assert all([face.person for face in one.enrolled] == ["astronaut"] for one in found)
    assert all(is_clear(face.masked) for one in found for face in one.enrolled)


@pytest.mark.parametrize("style", sorted(MASKS))
def test_a_masked_enrolled_face_is_not_clear(sample: Any, style: str) -> None:
    found = judged(sample, reencode(sample.masked(MASKS[style]), 23), "astronaut")
    assert not any(is_clear(face.masked) for one in found for face in one.enrolled)


@pytest.mark.parametrize("crf", [18, 23, 28, 35])
@pytest.mark.parametrize("style", ["mosaic", "blur", "solid"])
def test_a_fully_mosaicked_frame_leaks_nothing(sample: Any, style: str, crf: int) -> None:
    lumas = [luma.copy() for luma in sample.lumas[::6]]
    for luma in lumas:
        MASKS[style](luma, Box(0, 0, 640, 360))
    assert {one.kind for one in judged(sample, reencode(lumas, crf))} == {Kind.FULL_MOSAIC}


@pytest.mark.parametrize("crf", [18, 23, 28, 35])
def test_a_clear_frame_without_its_number_is_not_taken_for_a_mosaic(sample: Any, crf: int) -> None:
    lumas = [luma.copy() for luma in sample.lumas[::6]]
    for luma in lumas:
        solid(luma, Box(0, 340, 640, 360))
    assert {one.kind for one in judged(sample, reencode(lumas, crf))} == {Kind.UNREADABLE}


@pytest.mark.parametrize("crf", CRFS)
def test_one_face_left_in_a_mosaicked_frame_gives_it_away(sample: Any, crf: int) -> None:
    lumas = []
    for luma, faces in list(zip(sample.lumas, sample.truth.frames, strict=True))[::6]:
        painted = luma.copy()
        blur(painted, Box(0, 0, 640, 360))
        x1, y1, x2, y2 = (round(edge) for edge in faces[0].box)
        painted[y1:y2, x1:x2] = luma[y1:y2, x1:x2]
        lumas.append(painted)
    assert {one.kind for one in judged(sample, reencode(lumas, crf))} == {Kind.UNREADABLE}


def test_an_output_of_another_size_is_compared_in_the_sources_size(sample: Any) -> None:
    import cv2

    def halved(lumas: list[Any]) -> list[Any]:
        return [cv2.resize(luma, (480, 270), interpolation=cv2.INTER_AREA) for luma in lumas]

    assert {len(one.leaks) for one in judged(sample, halved(sample.lumas))} == {2}
    masked = sample.masked(mosaic, lambda _person, box: grown(box, 0.15))
    assert {one.kind for one in judged(sample, halved(masked))} == {Kind.CLEAN}


def test_a_number_of_no_clip_is_foreign(sample: Any) -> None:
    luma = sample.lumas[0].copy()
    framecode.draw(luma, 4000, flash=False)
    assert judged(sample, [luma])[0].kind is Kind.FOREIGN


def test_clips_with_common_numbers_are_refused(sample: Any) -> None:
    with pytest.raises(ValueError, match="share frame numbers"):
        Oracle([sample.source, sample.source])


def test_a_clip_of_another_length_than_its_truth_is_refused(sample: Any) -> None:
    with pytest.raises(ValueError, match="zip"):
        SourceClip(sample.truth, sample.lumas[:-1])


def test_a_face_without_detail_counts_as_masked() -> None:
    flat = np.full((100, 100), 90, np.uint8)
    assert masked_fraction(flat, flat, Box(20, 20, 60, 60)) == 1.0


@pytest.mark.parametrize(
    "box", [Box(-10, -10, 30, 30), Box(80, 80, 140, 140), Box(0, 0, 100, 100), Box(10, 10, 12, 12)]
)
def test_boxes_at_and_over_the_edge_are_measured(box: Box) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (100, 100)).astype(np.uint8)
    assert masked_fraction(noise, noise, box) == 0.0
    assert masked_fraction(noise, np.full_like(noise, 128), box) > 0.9


@pytest.mark.parametrize("size", [(360, 640), (720, 1280), (90, 160)])
def test_noise_is_no_mosaic_in_any_size(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, size).astype(np.uint8)
    assert not is_fully_mosaicked(noise)
    assert is_fully_mosaicked(np.full(size, 128, np.uint8))
