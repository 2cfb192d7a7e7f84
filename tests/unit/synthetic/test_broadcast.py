from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from synthetic import framecode, presets
from synthetic.broadcast import Picture, render
from synthetic.cast import CastError, load_cast
from synthetic.oracle import MAX_OCCLUDED, MIN_FACE_PX
from synthetic.scene import Actor, Scene, Script, Waypoint

from .conftest import grown

CAST = load_cast()
TINY = (320, 180)


def still(person: str, x: float, *, width: float = 0.2, y: float = 0.4) -> Actor:
    return Actor(person, (Waypoint(0, (x, y), width), Waypoint(9, (x, y), width)))


def shot(*actors: Actor, backdrop: str = "gravel") -> Picture:
    return next(render(Script(TINY, 1, (Scene(0, backdrop, actors),)), CAST))


def test_the_same_script_gives_the_same_pixels_and_truth() -> None:
    script = replace(presets.small(["astronaut", "admiral"], seconds=1), size_wh=TINY, fps=5)
    once, again = list(render(script, CAST)), list(render(script, CAST))
    assert [one.faces for one in once] == [one.faces for one in again]
    assert all(np.array_equal(one.image, two.image) for one, two in zip(once, again, strict=True))


def test_the_truth_is_where_the_face_is() -> None:
    """The middle of the face, shrunk by hand, is found in the middle of the box that the truth names."""
    person = CAST["admiral"]
    picture = next(render(Script((640, 360), 1, (Scene(0, "gravel", (still("admiral", 0.5),)),)), CAST))
    inside, truth = grown(person.face, -0.2), grown(picture.faces[0].box, -0.2)
    x1, y1, x2, y2 = (round(edge) for edge in inside)
    wide_high = round(truth.width), round(truth.height)
    face = cv2.resize(person.cutout[y1:y2, x1:x2], wide_high, interpolation=cv2.INTER_AREA)
    _, best, _, corner = cv2.minMaxLoc(cv2.matchTemplate(picture.image, face, cv2.TM_CCOEFF_NORMED))
    assert best > 0.9
    assert corner == (pytest.approx(truth.x1, abs=1.01), pytest.approx(truth.y1, abs=1.01))


def test_faces_leave_the_picture_bit_by_bit() -> None:
    visible = [
        faces[0].visible if (faces := shot(still("admiral", x)).faces) else 0.0 for x in (0.5, 0.9, 1.0, 1.05, 1.2)
    ]
    assert visible[0] == 1.0
    assert visible == sorted(visible, reverse=True)
    assert visible[2] == pytest.approx(0.5, abs=0.01)
    assert visible[-1] == 0.0


def test_faces_behind_other_people_are_known_to_be() -> None:
    behind, front = shot(still("astronaut", 0.5), still("admiral", 0.5, width=0.25)).faces
    assert behind.occluded > 0.8
    assert front.occluded == 0.0
    apart = shot(still("astronaut", 0.2), still("admiral", 0.8)).faces
    assert [face.occluded for face in apart] == [0.0, 0.0]


def test_faces_are_never_under_the_strip() -> None:
    face = shot(still("admiral", 0.5, y=0.85)).faces[0]
    assert face.box.y2 == 180 - framecode.strip_height(180)
    assert face.visible < 1


def test_frames_carry_their_numbers_and_flash_at_whole_seconds() -> None:
    script = Script(TINY, 2, (Scene(0, "brick", ()),), first_number=700)
    codes = [framecode.read(framecode.luma_of_bgr(picture.image)) for picture in render(script, CAST)]
    assert [code.number for code in codes if code] == list(range(700, 760))
    assert [code.number for code in codes if code and code.flash] == [700, 701, 702, 730, 731, 732]


@pytest.mark.parametrize(("person", "backdrop", "message"), [("nobody", "gravel", "nobody"), ("coach", "moon", "moon")])
def test_who_and_what_is_missing_is_named(person: str, backdrop: str, message: str) -> None:
    cast = {"coach": CAST["admiral"]}
    script = Script(TINY, 1, (Scene(0, backdrop, (still(person, 0.5),)),))
    with pytest.raises(CastError, match=message):
        next(render(script, cast))


PRESETS: list[Callable[[], Script]] = [
    lambda: presets.demo(CAST),
    lambda: presets.bench(CAST),
    lambda: presets.small(
        [name for name in CAST if name in {"astronaut", "admiral", "coach"}], seconds=24, cut_every_s=8
    ),
    lambda: presets.small(["astronaut"], ["admiral"], seconds=16),
    lambda: presets.small(["admiral"], ["astronaut"], seconds=16),
]


@pytest.mark.parametrize("make", PRESETS)
def test_nobody_in_the_presets_hides_a_face_so_that_all_are_judged(make: Callable[[], Script]) -> None:
    faces = [face for picture in render(replace(make(), size_wh=TINY, fps=5), CAST) for face in picture.faces]
    assert max(face.occluded for face in faces) <= MAX_OCCLUDED


def test_the_benchs_faces_are_all_in_view_and_wide_enough_all_the_time() -> None:
    script = presets.bench(CAST)
    scale = script.size_wh[0] / TINY[0]
    for picture in render(replace(script, size_wh=TINY, fps=2), CAST):
        assert {face.person for face in picture.faces} == set(CAST)
        assert min(face.visible for face in picture.faces) == pytest.approx(1.0)
        assert min(face.box.width for face in picture.faces) * scale > MIN_FACE_PX


def test_in_the_demo_people_come_go_and_appear_with_cuts() -> None:
    script = presets.demo(CAST)
    seen = [{face.person for face in picture.faces} for picture in render(replace(script, size_wh=TINY, fps=4), CAST)]
    assert all("astronaut" in people for people in seen)
    assert {name for people in seen for name in people} == set(CAST)
    assert any(people == {"astronaut"} for people in seen)
    assert script.cuts() == (240, 480)
