"""Every situation that a stream can be in, as people read it: its state, its sentence, and what to do. Pure.

State and sentence come from one value, so that they can't contradict each other. The services put the sentences into
their reports; the api shows none that is not here, and none beside another state than its own (`in_state`).
docs/reference/states.md is made from these modules.

To say something new: add a `Situation` to the module of its part, use its `says` where it comes about, and run
`python -m tools.reference`.
"""

from collections.abc import Mapping
from types import ModuleType

from mosaicast.contracts.situations import clocks, files, masking, publishing, sound, video, way
from mosaicast.contracts.situations.base import MEANINGS, Situation, StreamState, Told

__all__ = ["MEANINGS", "PLAIN", "SITUATIONS", "Situation", "StreamState", "Told", "in_state"]


def _of(module: ModuleType) -> tuple[Situation, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Situation))


SITUATIONS: tuple[Situation, ...] = tuple(
    situation for part in (publishing, way, video, sound, clocks, files, masking) for situation in _of(part)
)
"""All of them."""

PLAIN: Mapping[StreamState, Situation] = {
    "waiting": publishing.NOBODY,
    "starting": publishing.ON_ITS_WAY,
    "live": publishing.WELL,
    "refused": publishing.CANNOT_BE_SHOWN,
    "ended": files.OVER,
    "quarantined": way.READING_QUARANTINED,
}
"""What is said of each state when nothing more is known."""


def in_state(state: StreamState, sentence: str) -> Told:
    """Return what is shown for a part that reports this state and this sentence.

    A sentence that is none of ours (a child that reads hostile media may say anything, and an older version says it in
    other words), or that belongs to another state, is not repeated: the plain one of the state stands in its place.
    """
    found = next((one for one in SITUATIONS if one.state == state and one.fits(sentence)), None)
    return PLAIN[state].told() if found is None else Told(found, sentence)
