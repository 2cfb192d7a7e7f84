"""Doubt masks at once, and so do a revoked consent and a gallery that is away."""

import pytest

from mosaicast.core.identity import PeopleChanged
from mosaicast.core.types import PersonId, Reason
from tests.unit.core.identity_script import ANA, BEN, POLICY, Script, like, reasons, seen

# --- doubt ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "reason"),
    [("ambiguous", Reason.CONFLICT), ("overlaps", Reason.CONFLICT), ("jumped", Reason.JUMP)],
)
def test_doubt_masks_at_once_and_identity_is_earned_again(flag: str, reason: Reason) -> None:
    script = Script().earned()
    assert reasons(script.look(seen(1, **{flag: True}))) == [reason]
    assert script.wanted == []
    clear = []
    for _ in range(8):
        clear.append(script.look(seen(1))[0].clear)
        script.answer_all(t1=like(ANA))
    assert clear == [False] * 5 + [True] * 3


def test_identity_does_not_follow_to_the_other_body_of_a_crossing() -> None:
    """Ana (1) is clear, a stranger (2) crosses, the ids come out exchanged."""
    script = Script()
    for _ in range(10):
        script.look(seen(1), seen(2))
        script.answer_all(t1=like(ANA), t2=[])
    assert [verdict.clear for verdict in script.look(seen(1), seen(2))] == [True, False]
    for _ in range(3):
        assert reasons(script.look(seen(1, overlaps=True), seen(2, overlaps=True))) == [Reason.CONFLICT] * 2
    verdicts = []
    for _ in range(20):
        verdicts.append(script.look(seen(1), seen(2)))  # 1 is the stranger now
        script.answer_all(t1=[], t2=like(ANA))
    assert not any(one.clear for one, _ in verdicts)
    assert verdicts[-1][1].person_id == ANA


def test_a_stranger_where_the_enrolled_person_stood_is_masked_from_his_first_look() -> None:
    """The face was out of sight for one look, and comes back with the same track."""
    script = Script().earned()
    assert script.look() == []
    assert reasons(script.look(seen(1))) == [Reason.PENDING], "DOUBTFUL would speak of the time before, too"
    assert script.answer_all(t1=[]) == 1
    assert not script.watch(3.0, [])[0].clear


def test_an_answer_about_before_the_absence_does_not_show_who_came_after_it() -> None:
    script = Script().earned()
    while not script.wanted:
        script.look(seen(1))
    asked_before = script.wanted[0]
    script.look()
    script.look(seen(1))
    script.answer(asked_before, like(ANA))
    assert not script.look(seen(1))[0].clear


def test_the_same_person_after_a_short_absence_needs_one_vote() -> None:
    script = Script().earned()
    script.look()
    assert not script.look(seen(1))[0].clear
    script.answer_all(t1=like(ANA))
    assert script.look(seen(1))[0].clear


def test_that_vote_must_be_a_full_one() -> None:
    script = Script().earned()
    script.look()
    assert not script.watch(0.4, like(ANA, POLICY.stay))[0].clear


def test_a_new_track_with_a_known_id_inherits_nothing() -> None:
    script = Script().earned()
    assert not script.look(seen(1, is_new=True))[0].clear


def test_a_long_gap_between_looks_masks() -> None:
    script = Script().earned()
    script.now += 5.0
    assert not script.look(seen(1))[0].clear


def test_nobody_is_in_a_picture_twice() -> None:
    """A photograph of Ana held up beside her: both are masked, for as long as it is there."""
    script = Script().earned()
    clear = []
    for _ in range(30):
        clear.append([verdict.clear for verdict in script.look(seen(1), seen(2))])
        script.answer_all(t1=like(ANA), t2=like(ANA))
    assert clear[0] == [True, False]
    assert all(both == [False, False] for both in clear[2:])


def test_one_spurious_vote_of_a_stranger_masks_both_and_only_for_a_moment() -> None:
    script = Script().earned()
    script.look(seen(1), seen(2))
    script.answer_all(t1=like(ANA), t2=like(ANA))
    assert reasons(script.look(seen(1), seen(2))) == [Reason.CONFLICT] * 2
    for _ in range(15):
        verdicts = script.look(seen(1), seen(2))
        script.answer_all(t1=like(ANA), t2=[])
    assert [verdict.clear for verdict in verdicts] == [True, False]


def test_two_people_may_be_clear_side_by_side() -> None:
    script = Script()
    for _ in range(10):
        verdicts = script.look(seen(1), seen(2))
        script.answer_all(t1=like(ANA), t2=like(BEN))
    assert [verdict.person_id for verdict in verdicts] == [ANA, BEN]


# --- the gallery ----------------------------------------------------------------------------------------------


def test_everybody_is_masked_within_a_second_of_the_gallerys_last_sign() -> None:
    script = Script().earned()
    script.gallery_away, script.gallery_seen_s = True, script.now
    verdicts = []
    for _ in range(10):
        verdicts += script.look(seen(1))
        script.answer_all(t1=like(ANA))
    assert all(verdict.clear for verdict in verdicts[:5])
    assert reasons(verdicts[6:]) == [Reason.GALLERY_UNAVAILABLE] * 4
    assert script.wanted == []
    later = [script.look(seen(1))[0] for _ in range(40)]
    assert reasons(later) == [Reason.GALLERY_UNAVAILABLE] * 40, "also when trust has run out"


def test_a_gallery_that_says_it_is_away_masks_at_once() -> None:
    script = Script().earned()
    script.gallery_away = True
    assert reasons(script.look(seen(1), seen(2), seen(3, 20.0))) == [
        Reason.GALLERY_UNAVAILABLE,
        Reason.GALLERY_UNAVAILABLE,
        Reason.TOO_SMALL,
    ]


def test_when_the_gallery_is_back_one_full_vote_shows_who_was_visible() -> None:
    script = Script().earned()
    script.gallery_away = True
    script.look(seen(1))
    script.gallery_away = False
    assert not script.look(seen(1))[0].clear
    script.answer_all(t1=like(ANA))
    assert script.look(seen(1))[0].clear


def test_nobody_new_becomes_visible_without_the_gallery() -> None:
    script = Script()
    script.watch(0.3, like(ANA))
    script.gallery_away = True
    for _ in range(20):
        assert not script.look(seen(1))[0].clear
        script.answer_all(t1=like(ANA))


def test_a_revoked_person_is_masked_at_the_next_look() -> None:
    script = Script().earned()
    script.machine.handle(PeopleChanged({BEN: "1"}), script.now)
    assert reasons(script.look(seen(1))) == [Reason.EXPIRED]
    assert reasons([script.watch(3.0, [])[0]]) == [Reason.UNKNOWN]


def test_a_person_with_other_templates_must_be_recognised_again() -> None:
    script = Script().earned()
    script.machine.handle(PeopleChanged({ANA: "2", BEN: "1"}), script.now)
    assert not script.watch(0.4, like(ANA))[0].clear
    script.earned()


def test_a_change_of_others_leaves_the_clear_ones_clear_and_looks_again_at_once() -> None:
    script = Script().earned()
    for version in range(5):
        script.machine.handle(PeopleChanged({ANA: "1", BEN: f"{version}"}), script.now)
        assert script.look(seen(1))[0].clear
        script.answer_all(t1=like(ANA))
    assert script.look(seen(1))[0].clear


def test_a_re_check_that_is_not_answered_in_time_masks_until_it_is() -> None:
    script = Script().earned()
    verdicts = [script.look(seen(1))[0] for _ in range(11)]
    first = next(place for place, verdict in enumerate(verdicts) if not verdict.clear)
    assert 1 <= first <= 9, "within a second of the look that confirmed it last"
    assert {verdict.reason for verdict in verdicts[first:]} == {Reason.EXPIRED}
    assert script.watch(1.0, like(ANA))[0].clear, "one answer is enough: it is known who it was"


def test_somebody_newly_enrolled_is_looked_at_at_once() -> None:
    script = Script()
    script.watch(20.0, [])
    script.look(seen(1))
    assert script.answer_all() == 0
    script.machine.handle(PeopleChanged({ANA: "1", BEN: "1", PersonId("carl"): "1"}), script.now)
    script.look(seen(1))
    assert len(script.wanted) == 1
    script.answer_all(t1=like(PersonId("carl")))
    assert script.watch(0.6, like(PersonId("carl")))[0].clear


def test_answers_from_before_the_change_are_void() -> None:
    script = Script()
    script.watch(0.3, like(ANA))
    while not script.wanted:
        script.look(seen(1))
    old = script.wanted[0]
    script.machine.handle(PeopleChanged({}), script.now)
    script.answer(old, like(ANA))
    assert not script.watch(0.3, [])[0].clear


# --- state ----------------------------------------------------------------------------------------------------


def test_tracks_that_are_gone_are_forgotten() -> None:
    script = Script()
    for number in range(500):
        script.look(seen(number))
    assert len(script.machine._states) <= 11


def test_answers_about_tracks_that_are_gone_are_ignored() -> None:
    script = Script()
    script.look(seen(1))
    old = script.wanted[0]
    for _ in range(12):
        script.look(seen(2))
    script.answer(old, like(ANA))
    assert not script.look(seen(1))[0].clear
