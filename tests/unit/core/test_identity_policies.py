"""Whatever `delay_s` and `analysis_fps` the api allows, a stranger who takes an enrolled person's place is found out
before the first frame of it has left."""

from collections import deque
from fractions import Fraction
from typing import Any

import pytest

from mosaicast.contracts.messages import Policy
from mosaicast.contracts.streams import SETTABLE_DELAY_S
from mosaicast.core.identity import Answered, Decided, EmbeddingWanted, FaceQuality, SampleTracked
from mosaicast.core.sampling import SamplingPolicy
from mosaicast.core.timeline import Timeline
from mosaicast.core.types import Disposition, Verdict
from services.api.http.schemas_streams import PolicyPatch
from services.detector.waiting import CROPS_EVERY
from tests.unit.core.identity_script import FRONTAL
from tests.unit.core.identity_stage import Face as Seen
from tests.unit.core.identity_stage import Frame, Stage, at, leaks, seen_share

TAKES_S, SECONDS = Fraction(15, 100), 8.0
"""What looking takes: the stage's `KNOWN_AHEAD_S` is the default delay less this."""


class Looks(Stage):
    """Looks and crops as often as sampler and detector make them."""

    cropped = Fraction(-1)

    def look(self, time: Fraction) -> None:
        now, seen = float(time) + 0.01, self.scene(float(time))
        for want, who in self._asked:
            self._machine.handle(Answered(want.track_id, want.ask, *self._answer(want, who)), now)
        crops = time - self.cropped >= CROPS_EVERY
        self.cropped = time if crops else self.cropped
        tracked = self._tracker.update(time, [face.box for face in seen])
        faces = [(one, FaceQuality(FRONTAL, 100.0, crops)) for one in tracked]
        decided, *wanted = self._machine.handle(SampleTracked(faces, now), now)
        assert isinstance(decided, Decided)
        self._asked = [(want, seen[0].who) for want in wanted if isinstance(want, EmbeddingWanted)]
        self.verdicts.append(Verdict(time, decided.verdicts))


def play(swap_s: float, policy: Policy) -> list[Frame]:
    place, every = at(640.0), SamplingPolicy(policy.analysis_fps).interval_s
    stage = Looks(lambda time_s: [Seen("ana" if time_s < swap_s else "bob", place)])
    for number in range(int(Fraction(SECONDS + 1) / every)):
        stage.look(number * every)
    line, coming, frames = Timeline(), deque(stage.verdicts), []
    ahead = Fraction(policy.delay_s).limit_denominator(1000) - TAKES_S
    for number in range(round(SECONDS * 30)):
        time = Fraction(number, 30)
        while coming and coming[0].time <= time + ahead:
            line.add(coming.popleft())
        line.forget_before(time)
        plan = line.plan(time)
        full = plan.disposition is Disposition.FULL_MOSAIC
        frames.append(Frame(float(time), plan.regions, full, stage.scene(float(time))))
    return frames


@pytest.mark.parametrize(
    "changes", [{}, {"delay_s": SETTABLE_DELAY_S.least}, {"analysis_fps": 5.0}, {"analysis_fps": 30.0}], ids=str
)
def test_what_the_api_allows_shows_no_stranger(changes: dict[str, Any]) -> None:
    PolicyPatch(**changes)  # it does allow it
    for swap_s in (4.01 + number / 20 for number in range(20)):
        frames = play(swap_s, Policy(**changes))
        assert seen_share(frames, 2.0, 2.6) > 0.9, "or it proves nothing"
        assert leaks(frames) == []
