"""What may be seen of a frame: brackets, interpolation, lead, hold, scene cuts."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.regions import Region
from mosaicast.core.timeline import Timeline
from mosaicast.core.types import Box, Disposition, PersonId, Reason, TrackId, TrackVerdict, Verdict

POLICY = MaskPolicy()


def ms(value: int) -> Fraction:
    return Fraction(value, 1000)


def stranger(track_id: int, x: float, *, width: float = 40) -> TrackVerdict:
    return TrackVerdict(TrackId(track_id), Box(x, 100, x + width, 150), clear=False, reason=Reason.UNKNOWN)


def friend(track_id: int, x: float, person: str = "ann") -> TrackVerdict:
    return TrackVerdict(TrackId(track_id), Box(x, 100, x + 40, 150), True, Reason.ENROLLED, PersonId(person))


def look(at_ms: int, *tracks: TrackVerdict, cut: bool = False) -> Verdict:
    return Verdict(ms(at_ms), tracks, cut)


def timeline(*verdicts: Verdict) -> Timeline:
    line = Timeline(POLICY)
    for verdict in verdicts:
        line.add(verdict)
    return line


def covers(regions: Sequence[Region], box: Box) -> bool:
    bounds = [region.bounds for region in regions]
    return any(r.x1 <= box.x1 and r.y1 <= box.y1 and r.x2 >= box.x2 and r.y2 >= box.y2 for r in bounds)


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ((), "no_verdict"),
        ((look(0),), "no_verdict"),
        ((look(100),), "no_verdict"),
        ((look(0), look(260)), "gap_too_long"),
    ],
)
def test_what_is_not_bracketed_is_full_mosaic(verdicts: tuple[Verdict, ...], reason: str) -> None:
    plan = timeline(*verdicts).plan(ms(50))
    assert (plan.disposition, plan.full_reason) == (Disposition.FULL_MOSAIC, reason)
    assert math.isnan(plan.verdict_age_s)


def test_two_looks_at_nobody_leave_the_frame_clear() -> None:
    plan = timeline(look(0), look(250)).plan(ms(100))
    assert plan.disposition is Disposition.CLEAR
    assert plan.verdict_age_s == pytest.approx(0.1)


def test_a_frame_at_the_time_of_a_look_needs_no_other() -> None:
    assert timeline(look(100, stranger(1, 0))).plan(ms(100)).disposition is Disposition.MASKED
    assert timeline(look(100)).plan(ms(100)).disposition is Disposition.CLEAR


def test_a_moving_face_is_interpolated() -> None:
    plan = timeline(look(0, stranger(1, 0)), look(100, stranger(1, 100))).plan(ms(50))
    assert covers(plan.regions, Box(50, 100, 90, 150))
    assert not covers(plan.regions, Box(0, 100, 100, 150)), "the mask is where the face is, not everywhere"


def test_a_face_first_seen_later_is_masked_before() -> None:
    line = timeline(look(0), look(100), look(200), look(300), look(400, stranger(1, 10)))
    assert covers(line.plan(ms(50)).regions, Box(10, 100, 50, 150))
    assert timeline(look(0), look(100), look(500, stranger(1, 10))).plan(ms(50)).disposition is Disposition.CLEAR


def test_a_face_last_seen_earlier_is_masked_after() -> None:
    line = timeline(look(0, stranger(1, 10)), *(look(at) for at in range(100, 1000, 100)))
    assert covers(line.plan(ms(590)).regions, Box(10, 100, 50, 150))
    assert line.plan(ms(650)).disposition is Disposition.CLEAR


def test_the_mask_grows_with_the_distance_to_the_look() -> None:
    line = timeline(look(0, stranger(1, 10)), *(look(at) for at in range(100, 1000, 100)))
    near, far = (line.plan(ms(at)).regions[0].bounds.area for at in (110, 500))
    assert far > near


def test_a_lost_face_is_followed_where_it_was_going() -> None:
    line = timeline(look(0, stranger(1, 0)), look(100, stranger(1, 30)), look(200), look(300))
    assert covers(line.plan(ms(250)).regions, Box(75, 100, 115, 150))


def test_the_enrolled_are_clear_between_two_clear_looks() -> None:
    plan = timeline(look(0, friend(1, 0)), look(100, friend(1, 4))).plan(ms(50))
    assert (plan.disposition, plan.regions) == (Disposition.CLEAR, ())


def test_two_ids_that_were_exchanged_uncover_nobody() -> None:
    line = timeline(look(0, stranger(1, 0), stranger(2, 400)), look(100, stranger(1, 400), stranger(2, 0)))
    for at in range(0, 101, 10):
        regions = line.plan(ms(at)).regions
        assert covers(regions, stranger(1, 0).box)
        assert covers(regions, stranger(1, 400).box)


def test_a_face_seen_once_may_have_crossed_its_own_width() -> None:
    line = timeline(*(look(at, *[stranger(1, 100)] * (at == 200)) for at in range(0, 500, 100)))
    assert covers(line.plan(ms(100)).regions, stranger(1, 80).box)
    assert covers(line.plan(ms(300)).regions, stranger(1, 120).box)


def test_a_clear_face_that_jumps_is_masked_at_both_places() -> None:
    regions = timeline(look(0, friend(1, 0)), look(100, friend(1, 41))).plan(ms(50)).regions
    assert covers(regions, friend(1, 0).box)
    assert covers(regions, friend(1, 41).box)
    assert timeline(look(0, friend(1, 0)), look(100, friend(1, 39))).plan(ms(50)).disposition is Disposition.CLEAR


@pytest.mark.parametrize("tracks", [(friend(1, 0), stranger(1, 0)), (stranger(1, 0), friend(1, 0))])
def test_an_id_named_twice_in_one_verdict_is_clear_only_if_both_say_so(tracks: tuple[TrackVerdict, ...]) -> None:
    assert covers(timeline(look(0, *tracks)).plan(ms(0)).regions, stranger(1, 0).box)


def test_verdicts_without_frames_stay_bounded_and_the_refused_ones_mask() -> None:
    line = timeline(*(look(at * 100) for at in range(5000)))
    assert len(line) == 4096
    assert line.plan(ms(100)).disposition is Disposition.CLEAR
    assert line.plan(ms(450_000)).disposition is Disposition.FULL_MOSAIC


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (friend(1, 0), stranger(1, 0)),
        (stranger(1, 0), friend(1, 0)),
        (friend(1, 0), friend(1, 0, "bob")),
        (friend(1, 0), friend(2, 0)),
    ],
)
def test_clear_at_one_end_only_is_masked(first: TrackVerdict, second: TrackVerdict) -> None:
    plan = timeline(look(0, first), look(100, second)).plan(ms(50))
    assert covers(plan.regions, Box(0, 100, 40, 150))


def test_clear_and_then_gone_is_masked_in_the_gap_and_holds_nothing_after() -> None:
    line = timeline(look(0, friend(1, 0)), look(100), look(200))
    assert covers(line.plan(ms(50)).regions, Box(0, 100, 40, 150))
    assert line.plan(ms(150)).disposition is Disposition.CLEAR


def test_doubt_that_follows_masks_what_came_before_it() -> None:
    line = timeline(look(0, friend(1, 0)), look(100, friend(1, 0)), look(200, friend(1, 0)), look(300, stranger(1, 0)))
    assert line.plan(ms(50)).disposition is Disposition.MASKED


def masked(track_id: int, x: float, reason: Reason) -> TrackVerdict:
    return replace(stranger(track_id, x), reason=reason)


@pytest.mark.parametrize("reason", [Reason.DOUBTFUL, Reason.UNKNOWN, Reason.EXPIRED])
def test_who_turns_out_to_be_somebody_else_is_masked_since_the_last_look_that_confirmed(reason: Reason) -> None:
    clear = [look(at_ms, friend(1, 0)) for at_ms in range(0, 2000, 100)]
    line = timeline(*clear, look(2000, masked(1, 0, reason)))
    assert line.plan(ms(500)).disposition is Disposition.CLEAR
    for at_ms in (600, 601, 1250, 1599, 1999):
        assert line.plan(ms(at_ms)).disposition is Disposition.MASKED, at_ms


@pytest.mark.parametrize("reason", [Reason.CONFLICT, Reason.JUMP, Reason.PENDING, Reason.GALLERY_UNAVAILABLE])
def test_other_reasons_mask_for_the_lead_only_whatever_is_said_later(reason: Reason) -> None:
    clear = [look(at_ms, friend(1, 0)) for at_ms in range(0, 2000, 100)]
    line = timeline(*clear, look(2000, masked(1, 0, reason)), look(2100, stranger(1, 0)))
    assert line.plan(ms(1550)).disposition is Disposition.CLEAR
    assert line.plan(ms(1600)).disposition is Disposition.MASKED


def test_a_doubt_speaks_of_its_own_track_and_scene_only() -> None:
    clear = [look(at_ms, friend(1, 0)) for at_ms in range(0, 1000, 100)]
    assert timeline(*clear, look(1000, stranger(2, 900))).plan(ms(550)).disposition is Disposition.CLEAR
    assert timeline(*clear, look(1000, stranger(1, 0), cut=True)).plan(ms(550)).disposition is Disposition.CLEAR


def test_whose_consent_ends_is_masked_on_every_frame_that_waits() -> None:
    line = timeline(*(look(at_ms, friend(1, 0), friend(2, 500, "bob")) for at_ms in range(0, 3000, 100)))
    assert line.plan(ms(150)).disposition is Disposition.CLEAR
    line.set_visible([PersonId("bob")])
    for at_ms in (0, 150, 2850):
        regions = line.plan(ms(at_ms)).regions
        assert covers(regions, friend(1, 0).box)
        assert not covers(regions, friend(2, 500).box)
    line.set_visible(None)
    assert line.plan(ms(150)).disposition is Disposition.CLEAR


def test_whose_consent_ended_is_masked_while_the_detector_misses_the_face_too() -> None:
    line = timeline(look(0, friend(1, 0)), look(100), look(200), look(300))
    assert line.plan(ms(250)).disposition is Disposition.CLEAR
    line.set_visible([])
    assert covers(line.plan(ms(250)).regions, friend(1, 0).box)


def test_a_mask_overlapping_an_enrolled_face_stays() -> None:
    line = timeline(look(0, friend(1, 0), stranger(2, 20)), look(100, friend(1, 0), stranger(2, 20)))
    assert covers(line.plan(ms(50)).regions, Box(20, 100, 60, 150))


class TestSceneCut:
    def test_nothing_is_joined_across(self) -> None:
        line = timeline(look(0, stranger(1, 0)), look(100, stranger(1, 500), cut=True))
        before = line.plan(ms(50)).regions
        assert covers(before, Box(0, 100, 40, 150))
        assert not any(region.bounds.x2 > 300 for region in before)

    def test_nothing_is_held_into_the_new_scene(self) -> None:
        line = timeline(look(0, stranger(1, 0)), look(100, cut=True), look(200))
        assert line.plan(ms(100)).disposition is Disposition.CLEAR
        assert line.plan(ms(150)).disposition is Disposition.CLEAR

    def test_nothing_leads_into_the_old_scene(self) -> None:
        line = timeline(look(0), look(100), look(200, stranger(1, 0), cut=True), look(300, stranger(1, 0)))
        assert line.plan(ms(50)).disposition is Disposition.CLEAR

    def test_the_old_scene_is_bracketed_by_its_last_look_for_max_gap_only(self) -> None:
        assert timeline(look(0), look(240, cut=True)).plan(ms(200)).disposition is Disposition.CLEAR
        assert timeline(look(0), look(260, cut=True)).plan(ms(200)).disposition is Disposition.FULL_MOSAIC

    def test_the_enrolled_are_masked_between_the_last_look_and_the_cut(self) -> None:
        line = timeline(look(0, friend(1, 0)), look(100, friend(1, 0), cut=True))
        assert line.plan(ms(50)).disposition is Disposition.MASKED


def test_zones_are_painted_always() -> None:
    zone = Box(5, 5, 20, 20)
    plan = timeline(look(0), look(100)).plan(ms(50), zones=(zone,))
    assert (plan.disposition, plan.regions) == (Disposition.MASKED, (zone,))


def test_a_second_verdict_on_the_same_frame_can_only_mask_more() -> None:
    line = timeline(look(0, friend(1, 0)), look(0, stranger(1, 0)), look(0, friend(1, 0)))
    assert line.plan(ms(0)).disposition is Disposition.MASKED
    assert timeline(look(0, stranger(1, 0)), look(0)).plan(ms(0)).disposition is Disposition.MASKED
    assert timeline(look(0, friend(1, 0)), look(0, friend(1, 0, "bob"))).plan(ms(0)).disposition is Disposition.MASKED


def test_forgetting_changes_no_later_plan() -> None:
    verdicts = [look(at, stranger(at // 300, at / 10)) for at in range(0, 5000, 100)]
    whole, pruned = timeline(*verdicts), timeline(*verdicts)
    pruned.forget_before(ms(3000))
    assert len(pruned) < len(whole)
    for at in range(3000, 4900, 33):
        assert pruned.plan(ms(at)) == whole.plan(ms(at))


# --- properties ---------------------------------------------------------------------------------------------

tracks_at = st.lists(
    st.builds(
        lambda track_id, x, clear: friend(track_id, x) if clear else stranger(track_id, x),
        st.integers(0, 3), st.integers(-100, 700), st.booleans(),
    ),
    max_size=4,
    unique_by=lambda track: track.track_id,
)  # fmt: skip


@given(st.integers(-400, 400), st.integers(5, 9), st.integers(1, 5), st.integers(0, 2000))
@example(0, 5, 4, 1500)  # the last frame of the hold, and floats that say 0.6000000000000001
@example(0, 7, 1, 300)
def test_steady_movement_is_covered_from_lead_to_hold(speed_px_s: int, first: int, more: int, at_ms: int) -> None:
    """The truth: a face 40 px wide that moves up to 10 of its widths a second, seen in `first` to `first + more`."""

    def truth(at: int) -> TrackVerdict:
        return stranger(1, speed_px_s * at / 1000)

    last = first + more
    line = timeline(*(look(at, *[truth(at)] * (first <= at // 100 <= last)) for at in range(0, 2100, 100)))
    plan = line.plan(ms(at_ms))
    near = first * 100 - 400 <= at_ms <= last * 100 + 600
    assert plan.disposition is (Disposition.MASKED if near else Disposition.CLEAR)
    assert covers(plan.regions, truth(at_ms).box) or not near


looks = st.lists(
    st.builds(lambda at, tracks, cut: look(at * 20, *tracks, cut=cut), st.integers(0, 60), tracks_at, st.booleans()),
    max_size=14,
    unique_by=lambda verdict: verdict.time,
)


@given(looks, st.integers(0, 1300), st.randoms())
def test_unsure_is_masked(verdicts: list[Verdict], at_ms: int, random: object) -> None:
    shuffled = list(verdicts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    time = ms(at_ms)
    plan = timeline(*shuffled).plan(time)
    before = [verdict for verdict in verdicts if verdict.time <= time]
    after = [verdict for verdict in verdicts if verdict.time >= time]
    if not before or not after:
        assert plan.disposition is Disposition.FULL_MOSAIC
        return
    a, b = max(before, key=lambda v: v.time), min(after, key=lambda v: v.time)
    if b.time - a.time > POLICY.max_gap_s:
        assert plan.disposition is Disposition.FULL_MOSAIC
        return
    assert plan.disposition is not Disposition.FULL_MOSAIC
    _everybody_not_sure_is_covered(plan.regions, a, b, time)


def _everybody_not_sure_is_covered(regions: Sequence[Region], a: Verdict, b: Verdict, time: Fraction) -> None:
    weight = 0.0 if a is b else float((time - a.time) / (b.time - a.time))
    at_a = {track.track_id: track for track in a.tracks}
    at_b = {} if b.scene_cut and a is not b else {track.track_id: track for track in b.tracks}
    for track_id in at_a.keys() | at_b.keys():
        one, other = at_a.get(track_id), at_b.get(track_id)
        if one and other:
            if one.clear and other.clear and one.person_id == other.person_id:
                continue
            box = Box(*(p + (q - p) * weight for p, q in zip(one.box, other.box, strict=True)))
        else:
            box = (one or other).box  # type: ignore[union-attr]
        shrunk = Box(box.x1 + 1e-6, box.y1 + 1e-6, box.x2 - 1e-6, box.y2 - 1e-6)
        assert covers(regions, shrunk), (track_id, regions)
