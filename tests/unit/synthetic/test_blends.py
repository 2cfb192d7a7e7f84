"""Joined shots: the truth of every face's weight, and the oracle on faces that are half transparent."""

from dataclasses import replace

import numpy as np
import pytest

from synthetic import framecode
from synthetic.blends import Join, joined
from synthetic.broadcast import Picture
from synthetic.cast import load_cast
from synthetic.clip import Form, Truth, load_truth, truth_path, write_pictures
from synthetic.oracle import MIN_WEIGHT, Kind, Oracle, SourceClip
from synthetic.scene import Actor, Scene, Script, Waypoint

from .conftest import mosaic

CAST = load_cast()
SIZE_WH = (320, 180)


def shot(backdrop: str, person: str, x: float, seconds: float = 0.5) -> Script:
    actor = Actor(person, (Waypoint(0, (x, 0.4), 0.2), Waypoint(seconds + 1, (x, 0.4), 0.2)))
    return Script(SIZE_WH, seconds, (Scene(0, backdrop, (actor,)),))


def weights(pictures: list[Picture], person: str) -> list[float]:
    found = [next((face.weight for face in picture.faces if face.person == person), 0.0) for picture in pictures]
    return [round(weight, 1) for weight in found]


def blend(join: Join) -> list[Picture]:
    return joined(shot("studio", "astronaut", 0.3), shot("hall", "admiral", 0.7), join, CAST, coded=True)


def test_a_fade_gives_each_face_its_share() -> None:
    pictures = blend(Join("fade", 4))
    assert [weight for weight in weights(pictures, "astronaut") if 0 < weight < 1] == [0.8, 0.6, 0.4, 0.2]
    assert [weight for weight in weights(pictures, "admiral") if 0 < weight < 1] == [0.2, 0.4, 0.6, 0.8]
    assert [framecode.read(framecode.luma_of_bgr(picture.image)).number for picture in pictures] == list(  # type: ignore[union-attr]
        range(len(pictures))
    )


@pytest.mark.parametrize("name", ["tblend", "framerate", "framerate-60", "minterpolate"])
def test_what_blends_frames_at_a_cut_shows_both_faces_in_one_frame(name: str) -> None:
    assert any({face.person for face in picture.faces} == {"astronaut", "admiral"} for picture in blend(Join(name)))


def test_a_join_without_blended_frames_is_a_cut() -> None:
    assert set(weights(blend(Join("fade")), "astronaut")) == {0.0, 1.0}


def test_in_a_wipe_a_face_is_where_it_already_shows() -> None:
    widths = [
        face.box.width for picture in blend(Join("wipeleft", 15)) for face in picture.faces if face.person == "admiral"
    ]
    assert widths[0] < 0.5 * widths[-1], "uncovered bit by bit"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SourceClip:
    path = tmp_path_factory.mktemp("blend") / "fade.mp4"
    pictures = blend(Join("fade", 4))
    truth = write_pictures(path, pictures, Form(SIZE_WH, 30, len(pictures)))
    assert load_truth(truth_path(path)).frames[14] == tuple(
        replace(face, box=type(face.box)(*(round(edge, 3) for edge in face.box)), visible=round(face.visible, 3),
                occluded=round(face.occluded, 3), weight=round(face.weight, 3))
        for face in truth.frames[14]
    )  # fmt: skip
    return SourceClip.load(path)


def half_way(truth: Truth) -> int:
    return next(number for number, faces in enumerate(truth.frames) if all(0.3 < face.weight < 0.7 for face in faces))


def test_a_half_transparent_stranger_is_a_leak_and_a_masked_one_is_none(source: SourceClip) -> None:
    number = half_way(source.truth)
    image = blend(Join("fade", 4))[number].image
    luma = framecode.luma_of_bgr(image)
    oracle = Oracle([source], ["astronaut"])
    assert [leak.person for leak in oracle.judge(luma).leaks] == ["admiral"], "an enrolled person's ghost is none"
    for face in source.truth.frames[number]:
        if face.person == "admiral":
            mosaic(luma, face.box)
    assert oracle.judge(luma).kind is Kind.CLEAN


def test_a_face_of_less_weight_than_anybody_recognises_is_not_judged(source: SourceClip) -> None:
    faint = [
        tuple(replace(face, weight=MIN_WEIGHT - 0.01) if face.person == "admiral" else face for face in faces)
        for faces in source.truth.frames
    ]
    size = source.truth.size_wh[::-1]
    clip = SourceClip(replace(source.truth, frames=tuple(faint)), [np.zeros(size, np.uint8)] * len(faint))
    number = len(faint) - 1
    assert not [one for one in clip.findings(number, np.zeros(size, np.uint8)) if one.person == "admiral"]
