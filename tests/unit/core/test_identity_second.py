"""Two networks must agree before anybody is seen, and looks are averaged only while they surely show one face."""

import itertools

import pytest

from mosaicast.core.identity import EmbeddingWanted, IdentityPolicy, Match
from mosaicast.core.types import Reason
from tests.unit.core.identity_script import ANA, BEN, POLICY, SURE, Script, like, reasons, seen

assert POLICY.second is not None


@pytest.mark.parametrize(
    "second",
    [[], like(BEN), like(ANA, POLICY.second - 1e-6), like(ANA, float("nan")), [Match(ANA, 0.8), Match(BEN, 0.9)]],
    ids=["like nobody", "another", "below the threshold", "NaN", "another is more like"],
)
def test_a_second_network_that_does_not_agree_keeps_the_mask(second: list[Match]) -> None:
    script = Script()
    script.second_says = lambda _: second
    assert not any(v.clear for _ in range(40) for v in script.watch(0.1, like(ANA)))
    assert reasons(script.look(seen(1))) == [Reason.UNKNOWN]


def test_a_second_network_that_gives_no_answer_keeps_the_mask() -> None:
    script = Script()
    script.second_says = lambda _: None
    assert not any(v.clear for _ in range(40) for v in script.watch(0.1, like(ANA)))


def test_the_second_is_asked_from_the_threshold_of_the_first_on() -> None:
    script = Script()
    script.look(seen(1))
    assert [want.second_from for want in script.wanted] == [POLICY.similarity]


def test_without_a_second_network_the_first_decides() -> None:
    script = Script(IdentityPolicy(second=None))
    script.second_says = lambda _: pytest.fail("there is none")
    assert script.watch(1.0, like(ANA))[0].clear


def test_a_recheck_asks_the_second_now_and_then() -> None:
    script = Script().earned()
    asked = []
    for _ in range(60):
        assert script.look(seen(1))[0].clear
        asked += [(script.now, want.second_from) for want in script.wanted]
        script.answer_all(t1=like(ANA))
    times = [time for time, second_from in asked if second_from == POLICY.stay]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert len(asked) > len(times) >= 2
    assert max(gaps) <= POLICY.second_recheck_s + POLICY.recheck_s + 0.11


def test_a_second_network_that_changes_its_mind_masks() -> None:
    script = Script().earned()
    script.second_says = lambda _: like(ANA, POLICY.second_stay - 0.01)
    script.watch(POLICY.second_recheck_s + POLICY.recheck_s + 0.5, like(ANA))
    assert not script.look(seen(1))[0].clear


def test_a_second_network_that_is_broken_masks_who_was_clear() -> None:
    script = Script().earned()
    script.second_says = lambda _: None
    script.watch(POLICY.second_recheck_s + POLICY.recheck_s + POLICY.trust_s + 0.2, like(ANA))
    assert not script.look(seen(1))[0].clear


def test_votes_average_the_newest_looks_and_rechecks_do_not() -> None:
    script = Script()
    script.look(seen(1))
    assert script.wanted[0].window == POLICY.window
    script.answer_all(t1=like(ANA))
    script.earned()
    while not script.wanted:
        script.look(seen(1))
    assert script.wanted[0].window == 1


def wants(script: Script, **flags: bool) -> EmbeddingWanted:
    """Look until the face is asked for."""
    for _ in range(60):
        script.look(seen(1, **flags))
        if script.wanted:
            return script.wanted[0]
    raise AssertionError("never asked for")


def test_a_look_that_speaks_for_nobody_is_averaged_with_the_next() -> None:
    script = Script()
    first = wants(script)
    script.answer_all(t1=like(ANA, POLICY.similarity - 0.01))
    assert wants(script).since == first.since == first.ask


@pytest.mark.parametrize("doubt", ["ambiguous", "overlaps", "jumped"])
def test_looks_from_before_a_doubt_are_never_averaged(doubt: str) -> None:
    script = Script()
    first = wants(script)
    script.answer_all(t1=like(ANA))
    script.look(seen(1, **{doubt: True}))
    assert wants(script).since > first.ask


def test_looks_from_before_an_absence_are_never_averaged() -> None:
    script = Script().earned()
    script.look()
    later = wants(script)
    assert later.since == later.ask
    script.answer_all(t1=like(ANA, SURE))
    assert script.look(seen(1))[0].clear
