from collections.abc import Callable
from dataclasses import replace

import pytest

from mosaicast.core.types import Box
from synthetic import presets
from synthetic.scene import Actor, Scene, Script, Waypoint, clip_face, widest

WALK = Actor("astronaut", (Waypoint(1, (0.2, 0.5), 0.1), Waypoint(3, (0.6, 0.5), 0.2), Waypoint(4, (0.6, 0.5), 0.2)))


@pytest.mark.parametrize("time_s", [0.0, 0.999, 4.0, 9.0])
def test_an_actor_is_nowhere_outside_the_path(time_s: float) -> None:
    assert WALK.at(time_s) is None


@pytest.mark.parametrize(
    ("time_s", "x", "width"), [(1.0, 0.2, 0.1), (2.0, 0.4, 0.15), (3.0, 0.6, 0.2), (3.9, 0.6, 0.2)]
)
def test_an_actor_moves_in_straight_lines_and_breathes(time_s: float, x: float, width: float) -> None:
    place = WALK.at(time_s)
    assert place is not None
    assert place.centre_xy[0] == pytest.approx(x)
    assert place.centre_xy[1] == pytest.approx(0.5, abs=0.03 * width)
    assert place.width == pytest.approx(width, rel=0.03)
    assert place.width != width


@pytest.mark.parametrize(
    "path",
    [
        (),
        (Waypoint(0, (0, 0), 0.1),),
        (Waypoint(1, (0, 0), 0.1), Waypoint(1, (1, 0), 0.1)),
        (Waypoint(0, (0, 0), 0.1), Waypoint(1, (1, 0), 0.0)),
    ],
)
def test_paths_that_go_nowhere_are_refused(path: tuple[Waypoint, ...]) -> None:
    with pytest.raises(ValueError, match="astronaut"):
        Actor("astronaut", path)


def test_a_script_knows_its_scenes_and_cuts() -> None:
    scenes = (Scene(0, "gravel", (WALK,)), Scene(2.5, "grass", ()), Scene(4, "brick", ()))
    script = Script((640, 360), 5, scenes, first_number=100)
    assert [script.scene_at(time_s).backdrop for time_s in (0, 2.49, 2.5, 4.9)] == [
        "gravel",
        "gravel",
        "grass",
        "brick",
    ]
    assert script.cuts() == (175, 220)
    assert script.frame_count == 150
    assert widest(scenes[0]) == {"astronaut": pytest.approx(0.206)}


@pytest.mark.parametrize(
    ("size_wh", "starts"),
    [((641, 360), (0,)), ((640, 361), (0,)), ((640, 360), ()), ((640, 360), (1,)), ((640, 360), (0, 3, 2))],
)
def test_impossible_scripts_are_refused(size_wh: tuple[int, int], starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"odd|start"):
        Script(size_wh, 5, tuple(Scene(start, "gravel", ()) for start in starts))


@pytest.mark.parametrize(
    ("face", "clipped", "visible"),
    [
        (Box(10, 10, 30, 30), Box(10, 10, 30, 30), 1.0),
        (Box(-10, 10, 10, 30), Box(0, 10, 10, 30), 0.5),
        (Box(90, 40, 110, 60), Box(90, 40, 100, 50), 0.25),
    ],
)
def test_faces_are_clipped_to_the_picture(face: Box, clipped: Box, visible: float) -> None:
    truth = clip_face("coach", face, (100, 50))
    assert truth is not None
    assert (truth.box, truth.visible) == (clipped, visible)


@pytest.mark.parametrize("face", [Box(-30, 0, -10, 20), Box(100, 0, 120, 20), Box(0, 50, 20, 70)])
def test_faces_beside_the_picture_are_no_faces(face: Box) -> None:
    assert clip_face("coach", face, (100, 50)) is None


def test_small_scripts_have_everybody_in_every_scene_and_a_cut_on_time() -> None:
    script = presets.small(["astronaut", "admiral"], ["coach", "player"], seconds=24, cut_every_s=8)
    assert [scene.start_s for scene in script.scenes] == [0, 8, 16]
    assert len({scene.backdrop for scene in script.scenes}) == 3
    for scene in script.scenes:
        assert {actor.person for actor in scene.actors} == {"astronaut", "admiral", "coach", "player"}


@pytest.mark.parametrize(
    ("persons", "entering"), [((), ()), (("coach", "coach"), ()), (("coach",), ("coach",)), ((), ("a", "b", "c"))]
)
def test_small_scripts_that_would_hide_faces_are_refused(persons: tuple[str, ...], entering: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="at least one person"):
        presets.small(persons, entering)


@pytest.mark.parametrize("make", [presets.demo, presets.bench])
def test_presets_do_with_whoever_is_there(make: Callable[[list[str]], Script]) -> None:
    script = make(["astronaut"])
    assert {actor.person for scene in script.scenes for actor in scene.actors} == {"astronaut"}
    assert replace(script, size_wh=(320, 180), first_number=9).first_number == 9
