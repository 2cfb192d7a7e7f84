"""A track that has earned its person has been that person before: where that is sure, and no further."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from mosaicast.core.guard import clear_boxes
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.timeline import Timeline
from mosaicast.core.types import Box, Disposition, PersonId, Reason, TrackId, TrackVerdict, Verdict

ANN, BOB = PersonId("ann"), PersonId("bob")
POLICY = MaskPolicy()


def masked(reason: Reason = Reason.PENDING, track: int = 1, back_s: float | None = None) -> TrackVerdict:
    return TrackVerdict(TrackId(track), box(track), clear=False, reason=reason, back_s=back_s)


def known(back_s: float | None = None, person: PersonId = ANN, track: int = 1) -> TrackVerdict:
    return TrackVerdict(TrackId(track), box(track), True, Reason.ENROLLED, person, back_s)


def box(track: int) -> Box:
    return Box(200 * track, 100, 200 * track + 40, 150)


def verdicts(*tracks: Sequence[TrackVerdict], cut: int = -1) -> list[Verdict]:
    """Return a verdict each tenth of a second."""
    return [
        Verdict(Fraction(seq, 10), tuple(named), seq == cut, seq=seq, after_seq=seq - 1)
        for seq, named in enumerate(tracks)
    ]


def seen(told: Sequence[Verdict], order: Sequence[int] = ()) -> list[bool]:
    """Return at which of the verdicts' times, but the last four, the picture is clear."""
    line = Timeline(POLICY)
    for place in order or range(len(told)):
        line.add(told[place])
    return [line.plan(one.time).disposition is Disposition.CLEAR for one in told[:-4]]


def story(*begin: TrackVerdict, back_s: float | None = 0.8) -> list[list[TrackVerdict]]:
    """Return what is said of one track that becomes clear, and of the half second after that."""
    return [*[[one] for one in begin], *[[known(back_s)]] * 6]


def test_who_has_become_clear_leaves_clear_from_before() -> None:
    told = verdicts(*story(*[masked()] * 5))
    assert seen(told) == [True] * 7
    assert seen([replace(one, tracks=(replace(one.tracks[0], back_s=None),)) for one in told])[:5] == [False] * 5


def test_between_two_verdicts_too() -> None:
    line = Timeline(POLICY)
    for verdict in verdicts(*story(*[masked()] * 4)):
        line.add(verdict)
    assert line.plan(Fraction(15, 100)).disposition is Disposition.CLEAR


@pytest.mark.parametrize("order", [(10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), (0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9)])
def test_in_whatever_order_verdicts_come(order: Sequence[int]) -> None:
    told = verdicts(*story(*[masked()] * 5))
    assert seen(told, order) == seen(told)


def test_only_as_far_as_the_verdict_says() -> None:
    told = verdicts(*story(*[masked()] * 5, back_s=0.2))
    told = [replace(one, tracks=one.tracks if one.seq <= 5 else (known(),)) for one in told]
    assert seen(told)[:5] == [False] * 3 + [True] * 2


def test_and_never_further_than_the_policy_says() -> None:
    told = verdicts(*story(*[masked()] * 15, back_s=9.0))
    told = [replace(one, tracks=one.tracks if one.seq <= 15 else (known(),)) for one in told]
    assert seen(told)[:15] == [False] * 7 + [True] * 8


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.ENROLLED])
def test_only_over_what_was_not_yet_known(reason: Reason) -> None:
    clear = seen(verdicts(*story(masked(), masked(), masked(reason), masked(), masked())))
    assert clear[:3] == [reason in {Reason.PENDING, Reason.UNKNOWN}] * 3


def test_never_over_a_cut() -> None:
    assert seen(verdicts(*story(*[masked()] * 5), cut=3))[:5] == [False] * 3 + [True] * 2


def test_never_over_an_absence() -> None:
    told = verdicts(*story(*[masked()] * 5))
    told[2] = replace(told[2], tracks=())
    assert seen(told)[:2] == [False] * 2


def test_never_over_a_verdict_that_is_missing() -> None:
    told = verdicts(*story(*[masked()] * 5))
    del told[2]
    assert seen(told)[:2] == [False] * 2


def test_never_over_a_leap() -> None:
    told = verdicts(*story(*[masked()] * 5))
    for place in range(3):
        told[place] = replace(told[place], tracks=(replace(masked(), box=Box(300, 100, 340, 150)),))
    assert seen(told)[:3] == [False] * 3


def test_never_for_another_person() -> None:
    assert seen(verdicts(*story(known(None, BOB), masked(), masked())))[0] is True
    told = verdicts(*story(masked(), known(None, BOB), masked(), masked()))
    assert seen(told)[0] is False


def test_of_nobody_else_in_the_picture() -> None:
    told = verdicts(*[[*one, masked(Reason.UNKNOWN, 2)] for one in story(*[masked()] * 5)])
    line = Timeline(POLICY)
    for verdict in told:
        line.add(verdict)
    plan = line.plan(Fraction(2, 10))
    assert plan.disposition is Disposition.MASKED
    assert all(region.bounds.x1 > 300 for region in plan.regions)


def test_doubt_that_comes_later_wins() -> None:
    told = verdicts(*story(*[masked()] * 5)[:7], *[[masked(Reason.DOUBTFUL)]] * 8)
    assert not any(seen(told))


def test_a_second_verdict_of_one_time_takes_it_back() -> None:
    told = verdicts(*story(*[masked()] * 3)[:4], *[[known()]] * 5)
    line = Timeline(POLICY)
    for verdict in [*told, replace(told[3], tracks=(masked(Reason.CONFLICT),))]:
        line.add(verdict)
    assert line.plan(told[1].time).disposition is Disposition.MASKED


def test_whoever_may_not_be_seen_any_more_is_not_seen_from_before_either() -> None:
    line = Timeline(POLICY)
    line.set_visible({BOB})
    for verdict in verdicts(*story(*[masked()] * 5)):
        line.add(verdict)
    assert line.plan(Fraction(2, 10)).disposition is Disposition.MASKED


def test_the_output_guard_is_told_who_it_was() -> None:
    line = Timeline(POLICY)
    for verdict in verdicts(*story(*[masked()] * 5)):
        line.add(verdict)
    around = line.bracket(Fraction(25, 100))
    assert around is not None
    assert clear_boxes(*around, Fraction(25, 100), {ANN}) == (box(1),)


@pytest.mark.parametrize(("back_s", "masks_from"), [(0.35, 3), (None, 0)])
def test_a_doubt_that_says_since_when_masks_from_then_on(back_s: float | None, masks_from: int) -> None:
    told = verdicts(*[[known()]] * 7, *[[masked(Reason.DOUBTFUL, back_s=back_s)]] * 5)
    clear = seen(told)
    assert clear.index(False) == masks_from
    assert not any(clear[masks_from:])
