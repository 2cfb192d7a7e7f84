"""Where networks tell how well they see a face: what counts, what is no doubt, what a clear track is followed by."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mosaicast.core.identity import Answered, IdentityPolicy, Likeness, Match, PeopleChanged, View, ViewPolicy
from mosaicast.core.types import Reason, TrackId, TrackVerdict
from tests.unit.core.identity_script import ANA, BEN, Script, like, reasons, seen

VIEWS = ViewPolicy()
POLICY = IdentityPolicy(margin=0.05, stay=-0.03, second_stay=-0.03, drop=-0.1, span_s=0.25, views=VIEWS)
WELL = View(votes=True, clear=True, before=Likeness.SAME)
TURNED = replace(WELL, clear=False)
POOR = View(votes=False, clear=False)
STRANGE = replace(WELL, before=Likeness.UNLIKE)
YES, NO = like(ANA, 0.2), like(ANA, -0.3)


class Viewed(Script):
    """A stream whose faces are answered about at every look, by two networks that say the same."""

    def __init__(self, policy: IdentityPolicy = POLICY) -> None:
        super().__init__(policy)

    def see(self, view: View = WELL, matches: Sequence[Match] = YES, **flags: bool) -> TrackVerdict:
        """Look once; the verdict is the one before the answer."""
        (verdict,) = self.look(seen(1, **flags))
        self.reply(view, matches)
        return verdict

    def reply(self, view: View | None, matches: Sequence[Match] | None = YES, track: int = 1) -> None:
        for want in self.wanted:
            if want.track_id == track:
                self.machine.handle(Answered(TrackId(track), want.ask, matches, matches, view), self.now)
        self.wanted = [want for want in self.wanted if want.track_id != track]

    def several(self, times: int, view: View = WELL, matches: Sequence[Match] = YES) -> list[bool]:
        return [self.see(view, matches).clear for _ in range(times)]

    def clear(self) -> "Viewed":
        """Until a track is clear, and has looks of its own."""
        self.see(replace(WELL, before=Likeness.NONE))
        self.several(10)
        assert self.see().clear
        return self

    def own(self) -> tuple[int, ...]:
        """Which requests the next look is held against."""
        self.look(seen(1))
        (want,) = self.wanted
        self.reply(WELL)
        return want.own


# --- every look ---------------------------------------------------------------------------------------------------


def test_every_look_is_asked_about_by_both_networks_whoever_it_is() -> None:
    script = Viewed()
    for _ in range(20):
        script.look(seen(1))
        (want,) = script.wanted
        assert want.second_from == -float("inf")
        script.reply(WELL, NO)


def test_votes_over_a_third_of_a_second_make_it_clear_at_every_look() -> None:
    script = Viewed()
    assert script.several(6, replace(WELL, before=Likeness.LIKE)) == [False] * 4 + [True] * 2


@pytest.mark.parametrize("view", [POOR, replace(POOR, before=Likeness.LIKE)])
def test_who_is_hardly_seen_has_no_vote(view: View) -> None:
    script = Viewed()
    assert not any(script.several(20, view))
    assert script.see(view).reason is Reason.DOUBTFUL, "and it is told why"


def test_a_poor_look_between_votes_takes_none_back() -> None:
    script = Viewed()
    clear = [script.see(view).clear for view in (WELL, WELL, POOR, WELL, WELL, WELL)]
    assert clear[-1]


@pytest.mark.parametrize("before", [Likeness.NONE, Likeness.UNLIKE])
def test_votes_before_a_look_that_may_be_another_face_do_not_count(before: Likeness) -> None:
    script = Viewed()
    clear = [script.see(view).clear for view in (*[WELL] * 3, replace(WELL, before=before), *[WELL] * 4)]
    assert clear == [False] * 7 + [True]


def test_a_miss_of_a_face_that_is_seen_badly_takes_no_vote_back() -> None:
    script = Viewed()
    for _ in range(3):
        script.see()
    script.see(TURNED, NO)
    script.see()
    assert script.see().clear


def test_a_miss_of_a_face_that_is_seen_well_does() -> None:
    script = Viewed()
    for _ in range(3):
        script.see()
    script.see(WELL, NO)
    assert not any(script.several(4))


def test_an_answer_of_one_network_alone_is_none() -> None:
    script = Viewed()
    for _ in range(20):
        script.look(seen(1))
        for want in script.wanted:
            script.machine.handle(Answered(want.track_id, want.ask, YES, None, WELL), script.now)
        assert not script.look(seen(1))[0].clear


# --- staying clear ----------------------------------------------------------------------------------------------


def test_a_clear_view_of_nobody_masks_at_once() -> None:
    script = Viewed().clear()
    script.see(WELL, NO)
    assert script.see().reason is Reason.DOUBTFUL


def test_one_of_hardly_less_than_the_person_has_one_more_try() -> None:
    script = Viewed().clear()
    weak = like(ANA, -0.06)
    assert script.several(3, WELL, weak) == [True, True, False]


def test_not_if_it_is_not_like_the_look_before() -> None:
    script = Viewed().clear()
    assert script.several(2, STRANGE, like(ANA, -0.06)) == [True, False]


def test_hardly_less_is_enough_of_a_face_that_surely_did_not_change() -> None:
    script = Viewed().clear()
    assert all(script.several(60, WELL, like(ANA, -0.02)))


def test_a_miss_of_a_face_that_is_seen_badly_is_no_doubt_for_as_long_as_trust_lasts() -> None:
    script = Viewed().clear()
    clear = script.several(30, TURNED, NO)
    assert clear.index(False) == pytest.approx(POLICY.trust_s * 10, abs=1)


@pytest.mark.parametrize("view", [POOR, replace(TURNED, before=Likeness.UNLIKE), replace(TURNED, before=Likeness.NONE)])
def test_looks_that_may_be_another_face_are_doubt_soon(view: View) -> None:
    script = Viewed().clear()
    clear = script.several(12, view, NO)
    assert clear.index(False) == pytest.approx(VIEWS.grace_s * 10, abs=1)


def test_so_is_a_step_to_another_face_that_looks_on() -> None:
    """After it each look is like the one before it."""
    script = Viewed().clear()
    script.see(replace(TURNED, before=Likeness.UNLIKE), NO)
    assert not all(script.several(8, TURNED, NO))


def test_so_is_one_that_is_like_the_person_but_not_the_same() -> None:
    script = Viewed().clear()
    script.see(replace(TURNED, before=Likeness.LIKE), NO)
    assert not all(script.several(8, TURNED, NO))


def test_looks_that_cannot_be_embedded_are_doubt_soon_too() -> None:
    script = Viewed().clear()
    clear = []
    for _ in range(10):
        clear.append(script.look(seen(1))[0].clear)
        script.reply(None, None)
    assert clear.index(False) == pytest.approx(VIEWS.grace_s * 10, abs=1)


def test_somebody_else_masks_however_badly_seen() -> None:
    script = Viewed().clear()
    script.see(TURNED, like(BEN))
    assert not script.see().clear


# --- own looks ----------------------------------------------------------------------------------------------------


def test_a_look_like_its_own_ones_keeps_it_clear_and_becomes_none() -> None:
    script = Viewed().clear()
    before = script.own()
    assert all(script.several(100, replace(WELL, own=True), NO))
    assert set(script.own()) <= {*before, before[-1] + 1}


def test_that_ends_when_the_own_looks_are_old() -> None:
    script = Viewed().clear()
    for _ in range(round(VIEWS.own_s * 10) + 5):
        script.look(seen(1))
        (want,) = script.wanted
        script.reply(replace(WELL, own=bool(want.own)), NO)
    assert want.own == ()
    assert not script.see().clear


def test_not_if_it_is_not_like_the_look_before_it() -> None:
    script = Viewed().clear()
    script.see(replace(STRANGE, own=True), NO)
    assert not script.see().clear


def test_they_are_few_and_the_newest_is_among_them() -> None:
    script = Viewed().clear()
    script.several(400)
    own = script.own()
    assert 30 <= len(own) <= VIEWS.own_s / VIEWS.own_every_s + 3
    assert own[-1] == script.machine._asks - 1


@pytest.mark.parametrize("flag", ["ambiguous", "overlaps", "jumped"])
def test_they_are_forgotten_at_once_where_it_may_be_another(flag: str) -> None:
    script = Viewed().clear()
    script.look(seen(1, **{flag: True}))
    while not script.wanted:
        script.look(seen(1))
    assert script.wanted[0].own == ()


def test_they_are_forgotten_after_an_absence_and_after_a_pause() -> None:
    script = Viewed().clear()
    script.look()
    assert script.own() == ()
    script = Viewed().clear()
    script.now += 0.2
    assert script.own() == ()


@pytest.mark.parametrize("people", [{BEN: "1"}, {ANA: "2"}])
def test_they_are_forgotten_with_the_person(people: dict[object, str]) -> None:
    script = Viewed().clear()
    script.machine.handle(PeopleChanged(people), script.now)  # type: ignore[arg-type]
    assert script.own() == ()


def test_one_lucky_look_of_another_face_is_none_that_it_is_followed_by() -> None:
    script = Viewed().clear()
    before = script.own()
    script.see(STRANGE)
    assert set(script.own()) <= {*before, before[-1] + 1}, "it is not among them"
    script.several(VIEWS.proofs)
    assert script.own()[-1] > before[-1] + 1, "after some more it is the person"


def test_after_one_lucky_look_of_another_face_the_next_miss_masks() -> None:
    script = Viewed().clear()
    assert script.see(STRANGE).clear
    assert script.see(TURNED, NO).clear
    assert not script.see().clear


def test_a_confirmation_after_an_absence_is_on_trial_too() -> None:
    script = Viewed().clear()
    script.look()
    assert not script.see(replace(WELL, before=Likeness.NONE)).clear
    assert script.see(TURNED, NO).clear
    assert not script.see().clear


def test_a_late_answer_does_not_end_the_following() -> None:
    script = Viewed().clear()
    asked = []
    while script.look(seen(1))[0].clear:
        asked += script.wanted
    script.wanted = asked
    script.reply(replace(WELL, own=True), NO)
    assert not script.see(replace(WELL, own=True), NO).clear, "what it says is old"
    assert script.see().clear


# --- speaking of the time before ----------------------------------------------------------------------------------


def test_who_becomes_clear_has_been_the_person_since_the_first_look_that_the_others_vouch_for() -> None:
    script = Viewed()
    script.see(replace(WELL, before=Likeness.NONE), NO)
    verdicts = [script.see() for _ in range(6)]
    first = next(verdict for verdict in verdicts if verdict.clear)
    assert first.back_s == pytest.approx(0.5)


@pytest.mark.parametrize("view", [STRANGE, replace(WELL, before=Likeness.LIKE), POOR])
def test_not_over_a_look_that_may_be_another_face(view: View) -> None:
    script = Viewed()
    for _ in range(3):
        script.see(WELL, NO)
    script.see(view, NO)
    first = next(verdict for verdict in (script.see() for _ in range(8)) if verdict.clear)
    assert first.back_s is not None
    assert first.back_s < 0.55


def test_not_over_a_change_of_people() -> None:
    """Whoever agrees now did not agree before."""
    script = Viewed()
    script.several(5, WELL, NO)
    script.machine.handle(PeopleChanged({ANA: "2"}), script.now)
    first = next(verdict for verdict in (script.see() for _ in range(8)) if verdict.clear)
    assert first.back_s == pytest.approx(0.4)


def test_who_has_been_clear_for_long_says_nothing_of_before() -> None:
    script = Viewed().clear()
    script.several(10)
    assert script.see().back_s is None


def test_doubt_for_want_of_looks_reaches_back_to_the_last_that_confirmed() -> None:
    script = Viewed().clear()
    verdicts = [script.see(POOR) for _ in range(12)]
    first = next(place for place, verdict in enumerate(verdicts) if not verdict.clear)
    assert verdicts[first].back_s == pytest.approx(0.1 * (first + 1))


def test_doubt_for_a_miss_reaches_back_as_far_as_its_reason_does() -> None:
    script = Viewed().clear()
    script.see(WELL, NO)
    verdict = script.see()
    assert (verdict.reason, verdict.back_s) == (Reason.DOUBTFUL, None)


def test_so_does_doubt_for_want_of_looks_after_a_lucky_one() -> None:
    script = Viewed().clear()
    script.see(STRANGE)
    verdicts = [script.see(POOR) for _ in range(12)]
    assert next(verdict for verdict in verdicts if not verdict.clear).back_s is None


def test_networks_that_do_not_tell_say_nothing_of_before() -> None:
    script = Script()
    verdicts = [verdict for _ in range(12) for verdict in script.watch(0.1, like(ANA))]
    assert {verdict.back_s for verdict in verdicts} == {None}
    assert Reason.ENROLLED in reasons(verdicts)
