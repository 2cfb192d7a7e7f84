"""Somebody else takes an enrolled person's place between two looks, as a tile of a conference that switches does.

The tracker sees nothing of it; re-checks find it out before the first frame of it has left. If answers take longer, or
looks come in a burst after a pause, the person is masked until the answer is there.
"""

from collections import deque
from fractions import Fraction

import pytest

from mosaicast.core.identity import EmbeddingWanted
from mosaicast.core.timeline import Timeline
from mosaicast.core.types import Disposition
from tests.unit.core.identity_stage import Face, Frame, Scene, Stage, at, leaks, seen_share

PLACE = at(640.0)
SECONDS, USUAL_S = 10.0, 0.1
"""How late a verdict is, seconds after its picture."""
STOPS_S = 5.5
Asked = tuple[EmbeddingWanted, str]


def swap_at(swap_s: float) -> Scene:
    return lambda time_s: [Face("ana" if time_s < swap_s else "bob", PLACE)]


class Slow(Stage):
    """Answers come so many looks (0.1 s each) after they were asked for; usually it is one."""

    looks = 1

    def _look(self, time: Fraction) -> None:
        waiting: deque[list[tuple[EmbeddingWanted, str]]] = self.__dict__.setdefault(
            "waiting", deque([] for _ in range(self.looks))
        )
        self._asked = waiting.popleft()
        super()._look(time)
        waiting.append(self._asked)


class Stopped(Stage):
    """From 5.5 s on it gets no turn; then all looks of that time are worked off at once, before any answer."""

    ends_s = STOPS_S

    def _look(self, time: Fraction) -> None:
        waiting: list[Asked] = self.__dict__.setdefault("waiting", [])
        if STOPS_S <= time < self.ends_s:
            waiting += self._asked
            self._asked = []
        else:
            self._asked, waiting[:] = [*waiting, *self._asked], []
        super()._look(time)


def play(stage: Stage, delay_s: float, late_s: list[float]) -> list[Frame]:
    """Return the frames as they leave; verdict n is there `late_s[n]` after its picture."""
    for number in range(len(late_s)):
        stage._look(Fraction(number, 10))
    coming = deque((float(one.time) + late, one) for one, late in zip(stage.verdicts, late_s, strict=True))
    line, frames = Timeline(), []
    for number in range(round(SECONDS * 30)):
        time = Fraction(number, 30)
        while coming and coming[0][0] <= time + delay_s:
            line.add(coming.popleft()[1])
        line.forget_before(time)
        plan = line.plan(time)
        full = plan.disposition is Disposition.FULL_MOSAIC
        frames.append(Frame(float(time), plan.regions, full, stage.scene(float(time))))
    return frames


@pytest.mark.parametrize("delay_s", [1.0, 3.0])
@pytest.mark.parametrize("stands_still_s", [0.0, 0.6, 1.8])
def test_a_recognizer_that_stood_still_and_catches_up(stands_still_s: float, delay_s: float) -> None:
    ends_s = STOPS_S + stands_still_s
    late = [USUAL_S + max(0.0, ends_s - n / 10 if n / 10 >= STOPS_S else 0.0) for n in range(round(SECONDS * 10) + 10)]
    for swap_s in (5.45, 5.55, 5.65, 5.75, 5.85, 5.95, 6.35):
        stage = Stopped(swap_at(swap_s))
        stage.ends_s = ends_s
        frames = play(stage, delay_s, late)
        assert seen_share(frames, 3.0, 4.0) == 1.0, "or it proves nothing"
        assert leaks(frames) == []


@pytest.mark.parametrize("answer_s", [0.1, 0.2, 0.4, 0.8])
def test_answers_that_take_longer(answer_s: float) -> None:
    usual = [USUAL_S] * (round(SECONDS * 10) + 10)
    for swap_s in (5.05 + n / 10 for n in range(10)):
        stage = Slow(swap_at(swap_s))
        stage.looks = round(answer_s * 10)
        frames = play(stage, 1.0, usual)
        assert answer_s > 0.2 or seen_share(frames, 3.0, 3.6) > 0.9, "or it proves nothing"
        assert leaks(frames) == []
