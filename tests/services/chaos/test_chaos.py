"""Whatever happens to messages on their way, no stranger is shown and every frame has one end.

The broadcasts are simulated (`simulation`): hundreds of them, in virtual time, with the real parts that decide. Then
each safeguard is taken out alone, and the simulation must notice: else it would prove nothing.
"""

import os
from collections import Counter
from itertools import pairwise

import pytest
import structlog

from tests.services.chaos.safeguards import SAFEGUARDS, Remove
from tests.services.chaos.simulation import Result, simulate

SEEDS = int(os.environ.get("MOSAICAST_CHAOS_SEEDS", "200"))


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Children are killed on purpose here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def run(seed: int, remove: Remove | None = None, themes: frozenset[str] = frozenset()) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        if remove is not None:
            remove(patch)
        return simulate(seed, patch, themes)


def test_no_stranger_is_shown_and_every_frame_has_one_end() -> None:
    shown: Counter[str] = Counter()
    for seed in range(SEEDS):
        result = run(seed)
        assert result.leaks == [], f"seed {seed}"
        assert result.in_flight == 0, f"seed {seed}: a frame without an end"
        assert result.outcomes == result.taken, f"seed {seed}: a frame with two ends"
        # What the log lost before the first or after the last message of an epoch that came, nobody downstream knows.
        assert result.ingested == result.taken + result.unseen, f"seed {seed}"
        assert result.crashes or all(one < other for one, other in pairwise(result.painted)), f"seed {seed}: order"
        shown += result.dispositions
        shown["enrolled"] += result.enrolled_seen
    by_regions = shown["clear"] + shown["masked"]
    assert by_regions > 0.3 * (by_regions + shown["full_mosaic"]), "mosaicking everything proves nothing"
    assert shown["clear"] > 0
    assert shown["enrolled"] > 0


@pytest.mark.parametrize(("remove", "themes"), SAFEGUARDS, ids=lambda one: getattr(one, "__name__", ""))
def test_without_a_safeguard_a_stranger_is_shown(remove: Remove, themes: frozenset[str]) -> None:
    assert any(run(seed, remove, themes).leaks for seed in range(500)), "it guards against nothing that is simulated"
