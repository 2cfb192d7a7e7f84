"""Ready scripts: the demo's broadcast, the bench's, and small ones for tests.

Places and sizes are shares of the frame, so `dataclasses.replace(script, size_wh=..., first_number=...)` gives the
same broadcast in another size, or with a range of frame numbers of its own.
"""

import math
from collections.abc import Collection, Iterator, Sequence

from synthetic.scene import Actor, Scene, Script, Waypoint

HD = (1280, 720)
SMALL = (640, 360)
_VISIT_EVERY_S = 8.0
_BACKDROPS = ("gravel", "grass", "brick")
# Clips last a multiple of 8 s: at 48 kHz that is a whole number of AAC frames (375 of 1024 samples), for clean loops.
_LENGTH_S = 24.0


def demo(people: Collection[str]) -> Script:
    """Return the demo's 24 s at 720p30: the astronaut is always there, strangers come and go; two hard cuts.

    Args:
        people: who is in the cast; those missing are left out.
    """
    opening = (
        _stand("astronaut", Waypoint(0, (0.18, 0.36), 0.085), Waypoint(8, (0.14, 0.38), 0.092)),
        _visit("admiral", (1, 7), 1.2, Waypoint(0, (0.52, 0.42), 0.085)),
        _cross("pedestrian_a", (2.5, 8), Waypoint(0, (0.0, 0.68), 0.036)),
    )
    stage = (
        _visit("player", (9, 15.5), 1.25, Waypoint(0, (0.84, 0.42), 0.065)),
        _stand("astronaut", Waypoint(8, (0.20, 0.36), 0.075), Waypoint(16, (0.28, 0.34), 0.082)),
        _stand("coach", Waypoint(8, (0.56, 0.30), 0.080), Waypoint(16, (0.53, 0.32), 0.086)),
    )
    street = (
        _stand("astronaut", Waypoint(16, (0.86, 0.36), 0.070), Waypoint(24, (0.76, 0.36), 0.076)),
        _visit("admiral", (18, 23.5), -0.20, Waypoint(0, (0.30, 0.42), 0.090)),
        _cross("pedestrian_b", (16.5, 22), Waypoint(0, (0.0, 0.70), 0.034)),
    )
    scenes = (Scene(0, "gravel", opening), Scene(8, "brick", stage), Scene(16, "grass", street))
    return Script(HD, _LENGTH_S, _only(scenes, people))


def bench(people: Collection[str]) -> Script:
    """Return the bench's 24 s at 720p30: everybody (six with the whole cast) in view all the time, moving."""
    paths = {
        "player": ((0.88, 0.36), (0.90, 0.32), 0.060),
        "astronaut": ((0.11, 0.32), (0.14, 0.36), 0.075),
        "admiral": ((0.36, 0.34), (0.33, 0.36), 0.085),
        "coach": ((0.61, 0.30), (0.63, 0.34), 0.070),
        "pedestrian_a": ((0.22, 0.66), (0.24, 0.70), 0.036),
        "pedestrian_b": ((0.72, 0.70), (0.75, 0.68), 0.034),
    }
    actors = tuple(_pace(name, (0, _LENGTH_S), (one, other), width) for name, (one, other, width) in paths.items())
    return Script(HD, _LENGTH_S, _only((Scene(0, "gravel", actors),), people))


def small(
    persons: Sequence[str],
    entering: Sequence[str] = (),
    *,
    seconds: float = 64.0,
    face_width: float = 0.11,
    cut_every_s: float | None = None,
) -> Script:
    """Return a broadcast of 640x360 for tests: the persons side by side, pacing.

    Args:
        persons: those who stay; four, with those who enter, fit at the default width.
        entering: up to two more, who walk in from the right (the second from the left) and out again every 8 s.
        seconds: how long; a multiple of 8 loops cleanly.
        face_width: as a share of the frame's width: 0.11 is 70 px.
        cut_every_s: a hard cut to another backdrop each so many seconds, after which people have changed places.

    Raises:
        ValueError: nobody, somebody twice, or more than two to enter: a third would walk in front of a face.
    """
    people = [*persons, *entering]
    if not people or len(entering) > 2 or len(set(people)) < len(people):
        raise ValueError("at least one person, nobody twice, and at most two who enter")
    length_s = cut_every_s or seconds
    scenes = []
    for turn in range(math.ceil(seconds / length_s)):
        span_s = turn * length_s, min((turn + 1) * length_s, seconds)
        actors = tuple(_line_up(_rotated(persons, turn), entering, span_s, face_width))
        scenes.append(Scene(span_s[0], _BACKDROPS[turn % len(_BACKDROPS)], actors))
    return Script(SMALL, seconds, tuple(scenes))


def restless(stays: Sequence[str], visitor: str) -> Script:
    """Return 24 s of 640x360 with a cut every 2 to 4 s: those who stay change places, the visitor comes and goes."""
    scenes, start_s = [], 0.0
    # Slowly, and high up: a mask that reaches for somebody who hurries would cover the frame's number.
    place = Waypoint(0, (1 - 0.5 / (len(stays) + 1), 0.30), 0.11)
    for turn, length_s in enumerate((2.0, 3.0, 4.0, 3.0) * 2):
        end_s = start_s + length_s
        actors = list(_line_up(_rotated(stays, turn), (), (start_s, end_s), 0.11, places=len(stays) + 1))
        if length_s > 2:
            actors.append(_visit(visitor, (start_s + 0.2, end_s - 0.1), 1.08, place))
        scenes.append(Scene(start_s, _BACKDROPS[turn % len(_BACKDROPS)], tuple(actors)))
        start_s = end_s
    return Script(SMALL, start_s, tuple(scenes))


def _line_up(
    persons: Sequence[str], entering: Sequence[str], span_s: tuple[float, float], width: float, places: int = 0
) -> Iterator[Actor]:
    slots = [*entering[1:], *persons, *entering[:1]]
    places = max(places, len(slots))
    # The player's shoulder is as high as his neighbours' faces: he stands behind them.
    for name in sorted(slots, key=lambda name: name != "player"):
        x, y = (slots.index(name) + 0.5) / places, 0.36
        if name in entering:
            outside_x = 1.3 if name == entering[0] else -0.3
            yield from _visits(name, span_s, outside_x, Waypoint(0, (x, y), width))
        else:
            yield _pace(name, span_s, ((x - 0.02, y), (x + 0.02, y + 0.04)), width)


def _visits(person: str, span_s: tuple[float, float], outside_x: float, place: Waypoint) -> Iterator[Actor]:
    start_s = span_s[0] + 1
    while start_s + 5.5 <= span_s[1]:
        yield _visit(person, (start_s, start_s + 5.5), outside_x, place)
        start_s += _VISIT_EVERY_S


def _rotated(persons: Sequence[str], turn: int) -> list[str]:
    shift = turn % max(1, len(persons))
    return [*persons[shift:], *persons[:shift]]


def _cross(person: str, span_s: tuple[float, float], look: Waypoint) -> Actor:
    """Walk from the left of the frame to its right, at the height and size of `look`."""
    y = look.centre_xy[1]
    return Actor(person, (Waypoint(span_s[0], (-0.1, y), look.width), Waypoint(span_s[1], (1.1, y), look.width)))


def _visit(person: str, span_s: tuple[float, float], outside_x: float, place: Waypoint) -> Actor:
    """Walk in, stay for a third of the time, and leave to the same side."""
    start_s, end_s = span_s
    walk_s = (end_s - start_s) / 3
    outside_xy = (outside_x, place.centre_xy[1])
    path = (
        Waypoint(start_s, outside_xy, place.width),
        Waypoint(start_s + walk_s, place.centre_xy, place.width),
        Waypoint(end_s - walk_s, place.centre_xy, place.width * 1.05),
        Waypoint(end_s, outside_xy, place.width),
    )
    return Actor(person, path)


def _stand(person: str, start: Waypoint, end: Waypoint) -> Actor:
    """Move from one place to the other in the first two thirds of the time, then stay."""
    arrival_s = start.time_s + (end.time_s - start.time_s) * 2 / 3
    return Actor(person, (start, Waypoint(arrival_s, end.centre_xy, end.width), end))


def _pace(
    person: str, span_s: tuple[float, float], ends_xy: tuple[tuple[float, float], tuple[float, float]], width: float
) -> Actor:
    """Go to and fro between two places, 2 s each way."""
    turns = math.ceil((span_s[1] - span_s[0]) / 2)
    times = [*(span_s[0] + 2 * turn for turn in range(turns)), span_s[1]]
    path = (Waypoint(time_s, ends_xy[i % 2], width * (1, 1.08)[i % 2]) for i, time_s in enumerate(times))
    return Actor(person, tuple(path))


def _only(scenes: Sequence[Scene], people: Collection[str]) -> tuple[Scene, ...]:
    return tuple(
        Scene(scene.start_s, scene.backdrop, tuple(actor for actor in scene.actors if actor.person in people))
        for scene in scenes
    )
