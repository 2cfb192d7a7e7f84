"""Scripts in which an enrolled person and a stranger get in each other's way: where recognition may show the wrong one.

Each is 16 s of 640x360 that loops cleanly: everybody ends where everybody began. `calm_s` says when the enrolled
person has been alone for a while, and should be seen again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synthetic.presets import SMALL
from synthetic.scene import Actor, Scene, Script, Waypoint

LENGTH_S = 16.0
SETTLE_S = 2.0
"""What an enrolled person may take to be seen again: votes over 0.5 s, and as much again for a bad look or two."""
_WIDTH = 0.11  # of a face: 70 px
_LEFT, _RIGHT, _EYE_LEVEL = 0.28, 0.72, 0.36
_OUTSIDE_LEFT, _OUTSIDE_RIGHT = -0.25, 1.25


class Span(NamedTuple):
    """From, up to: seconds of the script."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Encounter:
    """A script, and when the enrolled person should be seen in it."""

    script: Script
    calm_s: tuple[Span, ...]

    def is_calm(self, number: int) -> bool:
        """Return whether the frame of this number is in a calm span."""
        time_s = (number - self.script.first_number) / self.script.fps
        return any(span.start_s <= time_s < span.end_s for span in self.calm_s)


def swap(enrolled: str, stranger: str) -> Encounter:
    """Return two people who change places and back: the stranger passes behind, further away, always in sight."""
    near, far = Waypoint(0, (0.5, 0.62), _WIDTH * 1.15), Waypoint(0, (0.5, 0.20), _WIDTH * 0.8)
    actors = (_walk(stranger, (_RIGHT, _LEFT), far), _walk(enrolled, (_LEFT, _RIGHT), near))
    return _encounter([Scene(0, "studio", actors)], (0, 4), (6, 11), (13, 16))


def cross(enrolled: str, stranger: str) -> Encounter:
    """Return two people whose faces pass: first the stranger in front, then the enrolled one; then both turn back."""
    ours = _stops(enrolled, (0, _LEFT), (2, _LEFT), (4, _RIGHT), (7, _RIGHT), (9, _LEFT), (11.5, _LEFT),
                  (12.3, 0.48), (12.8, 0.48), (13.6, _LEFT), (16, _LEFT))  # fmt: skip
    theirs = _stops(stranger, (0, _RIGHT), (2, _RIGHT), (4, _LEFT), (7, _LEFT), (9, _RIGHT), (11.5, _RIGHT),
                    (12.3, 0.52), (12.8, 0.52), (13.6, _RIGHT), (16, _RIGHT))  # fmt: skip
    scenes = [Scene(0, "studio", (ours, theirs)), Scene(5.5, "studio", (theirs, ours))]
    return _encounter(scenes, (0, 2), (4, 7), (9, 11.5), (13.6, 16))


def take_over(enrolled: str, stranger: str, pause_s: float) -> Encounter:
    """Return an enrolled person who leaves to the left, and a stranger who comes from the right to the same place.

    Args:
        pause_s: how long the place is empty; with less than 0.5 s the one walks at the other's heels. At most 4.
    """
    arrival_s = 6 + pause_s
    leaves = _stops(enrolled, (0, _LEFT), (6, _LEFT), (6.6, _OUTSIDE_LEFT))
    comes = _stops(stranger, (arrival_s - 1, _OUTSIDE_RIGHT), (arrival_s, _LEFT), (12, _LEFT), (12.6, _OUTSIDE_LEFT))
    returns = _stops(enrolled, (13, _OUTSIDE_LEFT), (13.6, _LEFT), (16, _LEFT))
    return _encounter([Scene(0, "studio", (leaves, comes, returns))], (0, 6), (13.6, 16))


def cut_over(enrolled: str, stranger: str, pause_s: float, *, same_backdrop: bool = False) -> Encounter:
    """Return a stranger who stands where the enrolled person stood, from one frame to the next.

    Args:
        pause_s: how long the place is empty between the two, after a cut of its own; at most 4.
        same_backdrop: only the people change, as in a film that was cut within one shot.
    """
    backdrop = "studio" if same_backdrop else "brick"
    scenes = [Scene(0, "studio", (_stops(enrolled, (0, _LEFT), (6, _LEFT)),))]
    if pause_s:
        scenes.append(Scene(6, backdrop, ()))
    stands = _stops(stranger, (6 + pause_s, _LEFT), (11, _LEFT))
    scenes.append(Scene(6 + pause_s, backdrop, (stands,)))
    scenes.append(Scene(11, "studio", (_stops(enrolled, (11, _LEFT), (16, _LEFT)),)))
    return _encounter(scenes, (0, 6), (11, 16))


ENCOUNTERS: Mapping[str, Callable[[str, str], Encounter]] = {
    "swap": swap,
    "cross": cross,
    "take_over_at_the_heels": lambda enrolled, stranger: take_over(enrolled, stranger, 0.3),
    "take_over_later": lambda enrolled, stranger: take_over(enrolled, stranger, 3.0),
    "cut_over": lambda enrolled, stranger: cut_over(enrolled, stranger, 0.0),
    "cut_over_later": lambda enrolled, stranger: cut_over(enrolled, stranger, 3.0),
    "cut_within_a_shot": lambda enrolled, stranger: cut_over(enrolled, stranger, 0.0, same_backdrop=True),
}
"""By name; each from the names of the enrolled person and of the stranger."""


def _encounter(scenes: Sequence[Scene], *apart_s: tuple[float, float]) -> Encounter:
    """Join a script, and the spans in which nobody is near the enrolled person, less what settling takes."""
    calm = (Span(start_s + SETTLE_S if start_s else 0, end_s) for start_s, end_s in apart_s)
    script = Script(SMALL, LENGTH_S, tuple(scenes))
    return Encounter(script, tuple(span for span in calm if span.end_s > span.start_s))


def _walk(person: str, ends_x: tuple[float, float], midway: Waypoint) -> Actor:
    """Walk past `midway` from one end to the other at 4 to 6 s, and back at 11 to 13 s."""
    here, there = (Waypoint(0, (x, _EYE_LEVEL), _WIDTH) for x in ends_x)
    stops = [(0, here), (4, here), (5, midway), (6, there), (11, there), (12, midway), (13, here), (LENGTH_S, here)]
    return Actor(person, tuple(Waypoint(time_s, at.centre_xy, at.width) for time_s, at in stops))


def _stops(person: str, *stops: tuple[float, float]) -> Actor:
    """Move at eye level: (seconds, x)."""
    return Actor(person, tuple(Waypoint(time_s, (x, _EYE_LEVEL), _WIDTH) for time_s, x in stops))
