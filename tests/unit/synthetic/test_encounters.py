from collections.abc import Iterator
from dataclasses import replace

import cv2
import pytest

from mosaicast.core.sampling import THUMBNAIL_WH, SceneCutDetector
from synthetic import framecode
from synthetic.broadcast import render
from synthetic.cast import load_cast
from synthetic.encounters import ENCOUNTERS, Encounter, cross, cut_over, swap, take_over
from synthetic.oracle import MAX_OCCLUDED
from synthetic.scene import FaceTruth, Script, Waypoint

CAST = load_cast()
OURS, OTHER = "astronaut", "admiral"
NAMES = pytest.mark.parametrize("name", ENCOUNTERS)


def places(script: Script, time_s: float) -> dict[str, Waypoint]:
    found = [(actor.person, actor.at(time_s)) for actor in script.scene_at(time_s).actors]
    return {person: place for person, place in found if place is not None}


def faces(script: Script, fps: int = 10) -> Iterator[dict[str, FaceTruth]]:
    small = replace(script, size_wh=(320, 180), fps=fps)
    return ({face.person: face for face in picture.faces} for picture in render(small, CAST))


def cuts(script: Script) -> list[int]:
    detector = SceneCutDetector()
    lumas = ((p.number, framecode.luma_of_bgr(p.image)) for p in render(script, CAST))
    return [n for n, luma in lumas if detector.update(cv2.resize(luma, THUMBNAIL_WH, interpolation=cv2.INTER_AREA))]


@NAMES
def test_everybody_ends_where_everybody_began(name: str) -> None:
    script = ENCOUNTERS[name](OURS, OTHER).script
    first, last = places(script, 0), places(script, script.seconds - 1e-6)
    assert first.keys() == last.keys()
    for person, place in first.items():
        assert place.centre_xy == pytest.approx(last[person].centre_xy, abs=0.01)
        assert place.width == pytest.approx(last[person].width, rel=0.07)


@NAMES
def test_in_calm_spans_the_enrolled_person_is_alone_and_in_full_view(name: str) -> None:
    full = ENCOUNTERS[name](OURS, OTHER)
    sparse = Encounter(replace(full.script, fps=10, first_number=70), full.calm_s)
    calm = [seen for number, seen in enumerate(faces(sparse.script), 70) if sparse.is_calm(number)]
    assert len(calm) >= 20
    for seen in calm:
        assert seen[OURS].visible > 0.99
        assert seen[OURS].occluded == 0
        assert OTHER not in seen or abs(seen[OTHER].box.centre[0] - seen[OURS].box.centre[0]) > 2 * seen[OURS].box.width


def test_who_swaps_stands_where_the_other_stood_and_is_always_in_sight() -> None:
    seen = list(faces(swap(OURS, OTHER).script))
    assert max(face.occluded for now in seen for face in now.values()) <= MAX_OCCLUDED
    assert min(len(now) for now in seen) == 2
    assert seen[0][OURS].box.centre[0] == pytest.approx(seen[80][OTHER].box.centre[0], abs=3)
    assert seen[0][OTHER].box.centre[0] == pytest.approx(seen[80][OURS].box.centre[0], abs=3)


def test_who_crosses_hides_the_other_each_in_turn() -> None:
    seen = list(faces(cross(OURS, OTHER).script))
    assert max(now[OURS].occluded for now in seen[20:40]) > 0.8
    assert max(now[OTHER].occluded for now in seen[70:90]) > 0.8
    assert max(now[OTHER].occluded for now in seen[120:140]) > 0.5
    assert seen[115][OURS].box.centre[0] == pytest.approx(seen[140][OURS].box.centre[0], abs=3), "they turn back"


@pytest.mark.parametrize("pause_s", [0.3, 3.0])
def test_the_place_is_empty_for_so_long(pause_s: float) -> None:
    script = take_over(OURS, OTHER, pause_s).script

    def in_place(person: str, time_s: float) -> bool:
        now = places(script, time_s)
        return person in now and abs(now[person].centre_xy[0] - 0.28) < 0.01

    times_s = [step / 100 for step in range(1600)]
    left_s = max(time_s for time_s in times_s if time_s < 8 and in_place(OURS, time_s))
    arrived_s = min(time_s for time_s in times_s if time_s > 5 and in_place(OTHER, time_s))
    assert arrived_s - left_s == pytest.approx(pause_s, abs=0.05)
    assert not any(in_place(OURS, time_s) and in_place(OTHER, time_s) for time_s in times_s)


@pytest.mark.parametrize("same_backdrop", [False, True])
def test_after_the_cut_the_stranger_stands_where_the_enrolled_person_stood(same_backdrop: bool) -> None:
    script = cut_over(OURS, OTHER, 0.0, same_backdrop=same_backdrop).script
    before, after = list(faces(script, 30))[179:181]
    assert set(before) == {OURS}
    assert set(after) == {OTHER}
    assert before[OURS].box.centre == pytest.approx(after[OTHER].box.centre, abs=4)
    assert before[OURS].box.width == pytest.approx(after[OTHER].box.width, rel=0.1)
    assert (180 in cuts(script)) != same_backdrop, "within one shot nothing tells of the cut"


@NAMES
def test_the_studio_shows_no_cuts_where_there_are_none(name: str) -> None:
    script = ENCOUNTERS[name](OURS, OTHER).script
    assert [number for number in cuts(script) if script.scene_at(number / 30).backdrop == "studio"] in ([], [330])
