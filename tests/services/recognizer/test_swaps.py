"""Whoever is put into the place of a clear face, and however he is seen, leaves in no frame.

The people are made up (`swap_people`), all that decides is real: tracker, averaging, gallery rule, identity machine,
timeline. Then each safeguard is taken out alone, and somebody must be seen: else the scenes would prove nothing.
"""

import itertools
import os
from random import Random

import pytest

from mosaicast.contracts.streams import ANSWER_S, SETTABLE_DELAY_S
from mosaicast.core.identity import ViewPolicy
from tests.services.recognizer.swap_people import People
from tests.services.recognizer.swap_safeguards import (
    SAFEGUARDS,
    Remove,
    own_looks_by_the_gallery,
    trust_as_far_as_looks_vouch,
)
from tests.services.recognizer.swap_scenes import EVE, SECONDS, SWAP_S, Swap, cast, drift
from tests.services.recognizer.swap_stage import Shown, SwapStage, leaks
from tests.unit.core.identity_stage import ANA, at, path, seen_share

SAMPLE_S = 0.1
SEEDS = int(os.environ.get("MOSAICAST_SWAP_SEEDS", "6"))
SWAPS = [
    Swap(before, after, jumps, cut)
    for before, after, (jumps, cut) in itertools.product(
        ("frontal", "turned", "dark", "fading"),
        ("frontal", "soft", "turned", "dark", "blurred", "mixed"),
        ((False, False), (True, False), (False, True)),
    )
]


def alone(seconds: float, kind: str = "frontal", seed: int = 1) -> SwapStage:
    people = cast(seed, Random(seed))
    return SwapStage(people, lambda time_s: [Shown(ANA, kind if 2 <= time_s < seconds else "frontal")])


@pytest.mark.parametrize("swap", SWAPS, ids=lambda swap: f"{swap.before}-{swap.after}-{swap.jumps:d}{swap.cut:d}")
def test_who_is_put_into_a_clear_face_is_never_seen(swap: Swap) -> None:
    for seed in range(SEEDS):
        frames = swap.play(seed)
        assert seen_share(frames, 0.5, SWAP_S - 1.2) > 0.98, f"seed {seed}: or it proves nothing"
        assert leaks(frames) == [], f"seed {seed}"


@pytest.mark.parametrize("blend_s", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("after", ["frontal", "turned", "dark"])
def test_nor_after_blended_frames(after: str, blend_s: float) -> None:
    for seed in range(SEEDS):
        assert leaks(Swap(after=after, blend_s=blend_s).play(seed)) == [], f"seed {seed}"


@pytest.mark.parametrize("delay_s", [SETTABLE_DELAY_S.least, 1.0])
@pytest.mark.parametrize("after", ["turned", "dark", "blurred"])
def test_nor_with_the_least_delay_and_the_latest_verdicts(after: str, delay_s: float) -> None:
    late = {"delay_s": delay_s, "answer_s": ANSWER_S - SAMPLE_S}
    for before, seed in itertools.product(("frontal", "dark"), range(SEEDS)):
        assert leaks(Swap(before, after).play(seed, **late)) == [], f"after {before}, seed {seed}"


def test_a_recognizer_that_does_not_mind_the_delay_would_show_somebody() -> None:
    late = {"delay_s": SETTABLE_DELAY_S.least, "answer_s": ANSWER_S - SAMPLE_S, "fits": False}
    assert any(leaks(Swap("frontal", after).play(0, **late)) for after in ("turned", "dark", "blurred"))


@pytest.mark.parametrize("crops_every", [2, 3])
def test_nor_where_crops_are_few(crops_every: int) -> None:
    for after, seed in itertools.product(("frontal", "turned", "dark", "mixed"), range(SEEDS)):
        frames = Swap(after=after, crops_every=crops_every).play(seed)
        assert leaks(frames) == [], f"{after}, seed {seed}"


@pytest.mark.parametrize("over_s", [0.5, 1.0, 2.0, 4.0, 8.0])
def test_nobody_becomes_somebody_else_by_small_steps(over_s: float) -> None:
    for seed in range(SEEDS):
        frames = SwapStage(cast(seed, Random(seed), 0.0), drift(over_s)).play(4 + over_s)
        assert seen_share(frames, 0.5, 1.0) == 1, "or it proves nothing"
        assert leaks(frames) == [], f"seed {seed}"


def test_nor_a_lookalike_for_longer_than_own_looks_live() -> None:
    """Between them the gallery itself sees no step: it confirms halves of both, and he is like those halves."""
    frames = SwapStage(cast(2, Random(2), 1.0), drift(2.0)).play(28)
    assert all(time_s < 4.0 + ViewPolicy().own_s + 2 for time_s in leaks(frames))


@pytest.mark.parametrize("pause_s", [-0.2, 0.0, 0.2, 0.4])
def test_nor_is_who_follows_at_her_heels(pause_s: float) -> None:
    ours = path((0, 300), (3, 300), (3.5, -200))
    theirs = path((2.4 + pause_s, 900), (3.3 + pause_s, 300), (9, 300))

    def scene(time_s: float) -> list[Shown]:
        places = [(EVE, theirs(time_s)), (ANA, ours(time_s))]
        return [Shown(who, box=at(x, 300, 120)) for who, x in places if x is not None]

    for seed in range(SEEDS):
        assert leaks(SwapStage(cast(seed, Random(seed)), scene).play(7)) == [], f"seed {seed}"


@pytest.mark.parametrize("speed_s", [0.6, 1.2, 2.4])
def test_nor_who_crosses_her(speed_s: float) -> None:
    ours = path((0, 300), (2, 300), (2 + speed_s, 900), (9, 900))
    theirs = path((0, 900), (2, 900), (2 + speed_s, 300), (9, 300))

    def scene(time_s: float) -> list[Shown]:
        x, other = ours(time_s), theirs(time_s)
        assert x is not None
        assert other is not None
        hidden = abs(x - other) < 60  # a detector sees one face there
        return [Shown(ANA, box=at(x, 300, 120))] + ([] if hidden else [Shown(EVE, box=at(other, 300, 120))])

    for seed in range(SEEDS):
        assert leaks(SwapStage(cast(seed, Random(seed)), scene).play(7)) == [], f"seed {seed}"


def test_trust_looks_back_to_nobody_whose_place_she_takes() -> None:
    for seed, turns in itertools.product(range(SEEDS), ("frontal", "turned", "dark")):

        def scene(time_s: float, turns: str = turns) -> list[Shown]:
            return [Shown(ANA)] if time_s >= 1.53 else [Shown(EVE, turns)]

        frames = SwapStage(cast(seed, Random(seed)), scene).play(4)
        assert leaks(frames) == [], f"seed {seed}"
        assert seen_share(frames, 2.2, 4) == 1


@pytest.mark.parametrize(("remove", "swap"), SAFEGUARDS, ids=lambda one: getattr(one, "__name__", ""))
def test_without_a_safeguard_a_stranger_is_seen(remove: Remove, swap: Swap) -> None:
    with pytest.MonkeyPatch.context() as patch:
        remove(patch)
        assert any(leaks(swap.play(seed)) for seed in range(60)), "it guards against nothing that is simulated"


def test_nor_would_they_be_masked_who_drift_if_likeness_made_own_looks() -> None:
    with pytest.MonkeyPatch.context() as patch:
        own_looks_by_the_gallery(patch)
        people = cast(3, Random(3))
        assert leaks(SwapStage(people, drift(16.0)).play(22))


def test_nor_whose_place_she_takes_if_trust_looked_back_to_the_tracks_beginning() -> None:
    with pytest.MonkeyPatch.context() as patch:
        trust_as_far_as_looks_vouch(patch)
        people = cast(1, Random(1))
        assert leaks(SwapStage(people, lambda time_s: [Shown(ANA if time_s >= 1.53 else EVE)]).play(4))


def test_who_comes_into_the_picture_is_seen_from_the_first_second_on() -> None:
    frames = alone(4).play(4)
    assert seen_share(frames, 0.1, 4) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mosaicast.core.timeline.look_back", lambda entries, near_s, policy: None)
        assert seen_share(alone(4).play(4), 0.1, 0.4) == 0


def test_who_turns_aside_after_looks_from_there_is_followed_by_them() -> None:
    """The gallery knows her from the front only."""
    people = People(5)
    people.draw(ANA)
    people.draw(EVE)

    def scene(time_s: float) -> list[Shown]:
        return [Shown(ANA, "turned" if 2 <= time_s < 3.4 else "frontal")]

    assert seen_share(SwapStage(people, scene).play(6), 0.5, 6) == 1


def test_who_is_seen_too_poorly_for_long_is_masked_and_only_from_when_on_nothing_confirmed_her() -> None:
    stage = alone(5, "dark")
    frames = stage.play(SECONDS)
    assert seen_share(frames, 0.5, 1.9) == 1
    assert seen_share(frames, 2.1, 5) == 0
    assert seen_share(frames, 5.6, SECONDS) == 1
