"""What may happen to the place of a clear face: who is there, how each is seen, and whether anybody could tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from mosaicast.core.types import Box
from tests.services.recognizer.swap_people import People
from tests.services.recognizer.swap_stage import PLACE, Scene, Shown, SwapStage
from tests.unit.core.identity_stage import ANA, Frame

EVE = "eve"
SWAP_S, SECONDS = 3.0, 6.0
JUMP_PX = 100.0
"""More than half of the face's longer side: the tracker tells."""
LOOKALIKE = 0.6
"""At least so alike one in four strangers is to Ana in one network; in the other he stays as far below the rule as the
shipped rule is proved for."""


@dataclass(frozen=True)
class Swap:
    """A stranger takes Ana's place from one look to the next."""

    before: str = "frontal"
    """How Ana is seen in the last second; `fading`: the light goes out on her."""
    after: str = "frontal"
    """How the stranger is seen; `mixed`: now so, now so."""
    jumps: bool = False
    """His face is somewhat elsewhere."""
    cut: bool = False
    blend_s: float = 0.0
    """For so long both are seen, mixed."""
    crops_every: int = 1

    def scene(self, rng: Random) -> Scene:
        """Return what the camera sees."""
        swap_s = SWAP_S + rng.uniform(0.0, 0.1)
        kinds = [rng.choice(("frontal", "turned", "dark", "blurred")) for _ in range(200)]
        place = Box(PLACE.x1 + JUMP_PX, PLACE.y1, PLACE.x2 + JUMP_PX, PLACE.y2) if self.jumps else PLACE

        def scene(time_s: float) -> Sequence[Shown]:
            if time_s < swap_s:
                return [self._ana(time_s - swap_s)]
            if time_s < swap_s + self.blend_s:
                return [Shown(ANA, "blurred", other=EVE, share=(time_s - swap_s) / self.blend_s)]
            kind = kinds[int(time_s * 10) % 200] if self.after == "mixed" else self.after
            return [Shown(EVE, kind, place)]

        return scene

    def _ana(self, since_swap_s: float) -> Shown:
        if self.before == "fading":
            return Shown(ANA, dim=max(0.0, 1 + since_swap_s))
        return Shown(ANA, self.before if since_swap_s > -1 else "frontal")

    def play(self, seed: int, **stream: Any) -> list[Frame]:
        """Play it once, with people of their own; `stream`: of the stage."""
        rng = Random(seed)
        people = cast(seed, rng)
        cuts = (SWAP_S + 0.1,) if self.cut else ()
        return SwapStage(people, self.scene(rng), cuts, self.crops_every, **stream).play(SECONDS)


def cast(seed: int, rng: Random, lookalikes: float = 0.25) -> People:
    """Return Ana and a stranger, who may be a lookalike."""
    people = People(seed)
    people.draw(ANA)
    alike = [max(-0.4, min(0.45, rng.gauss(0.0, 0.15))) for _ in range(2)]
    if rng.random() < lookalikes:
        alike = rng.sample([rng.uniform(LOOKALIKE, 0.8), rng.uniform(0.2, 0.62)], 2)
    people.draw(EVE, alike, ANA)
    return people


def drift(over_s: float) -> Callable[[float], Sequence[Shown]]:
    """Return a scene in which Ana's face becomes another by steps that nobody sees."""

    def scene(time_s: float) -> Sequence[Shown]:
        share = (time_s - 2.0) / over_s
        if share >= 1:
            return [Shown(EVE)]
        return [Shown(ANA)] if share <= 0 else [Shown(ANA, other=EVE, share=share)]

    return scene
