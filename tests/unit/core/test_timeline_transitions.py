"""How far masks reach across cuts, clean and not, and what is seen in transitions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.evidence import Evidence
from mosaicast.core.regions import Region
from mosaicast.core.timeline import FramePlan, Timeline
from mosaicast.core.transitions import Transitions
from mosaicast.core.types import Box, Disposition, PersonId, Reason, TrackId, TrackVerdict, Verdict

FRAME_MS = 40
CUT_MS = 400
HERE, THERE = Box(0, 100, 40, 150), Box(300, 100, 340, 150)


def ms(value: int) -> Fraction:
    return Fraction(value, 1000)


def picture(share: float) -> np.ndarray:
    """This much of the second shot, the rest of the first."""
    rng = np.random.default_rng(1)
    first, second = (np.kron(rng.uniform(30, 220, (6, 8)), np.ones((6, 8))) for _ in range(2))
    return np.round(first * (1 - share) + second * share).astype(np.uint8)


def shots(*blended: float, second: float = 1.0) -> Transitions:
    """Frames of 40 ms, the second shot (or as much of it) from 400 ms on, with blended frames before it."""
    shares = [0.0] * (CUT_MS // FRAME_MS) + [*blended] + [second] * 20
    transitions = Transitions()
    for frame, share in enumerate(shares):
        transitions.add(ms(frame * FRAME_MS), picture(share))
    return transitions


def stranger(track_id: int, box: Box) -> TrackVerdict:
    return TrackVerdict(TrackId(track_id), box, False, Reason.UNKNOWN)


def friend(track_id: int, box: Box) -> TrackVerdict:
    return TrackVerdict(TrackId(track_id), box, True, Reason.ENROLLED, PersonId("ann"))


def planned(transitions: Transitions, at_ms: int, before: TrackVerdict | None, after: TrackVerdict | None) -> FramePlan:
    """Somebody before the cut and somebody after it, seen every 80 ms."""
    line = Timeline(transitions=transitions)
    for at in range(0, 1000, 80):
        who = before if at < CUT_MS else after
        line.add(Verdict(ms(at), (who,) if who else (), at == CUT_MS))
    return line.plan(ms(at_ms))


def covers(plan: FramePlan, box: Box) -> bool:
    bounds = [region.bounds for region in plan.regions]
    return any(r.x1 <= box.x1 and r.y1 <= box.y1 and r.x2 >= box.x2 and r.y2 >= box.y2 for r in bounds)


def covered(transitions: Transitions, before: TrackVerdict | None, after: TrackVerdict | None, box: Box) -> list[int]:
    times = range(200, 800, FRAME_MS)
    return [at for at in times if covers(planned(transitions, at, before, after), box)]


def test_masks_reach_two_frames_across_a_clean_cut() -> None:
    assert max(covered(shots(), stranger(1, HERE), None, HERE)) == CUT_MS + FRAME_MS
    assert min(covered(shots(), None, stranger(2, THERE), THERE)) == CUT_MS - 2 * FRAME_MS


def test_masks_reach_in_full_across_a_cut_where_nothing_jumps() -> None:
    unseen = shots(second=0.0)
    assert {400, 480, 600, 760} <= set(covered(unseen, stranger(1, HERE), None, HERE)), "held for 0.6 s"
    assert {200, 280, 360} <= set(covered(unseen, None, stranger(2, THERE), THERE)), "led for 0.4 s"


@pytest.mark.parametrize("blended", [(0.5,), (0.25, 0.5, 0.75)])
def test_a_blended_frame_is_mosaicked_and_the_masks_of_both_sides_reach_beyond_it(blended: tuple[float, ...]) -> None:
    transitions = shots(*blended)
    for frame in range(len(blended)):
        plan = planned(transitions, CUT_MS + frame * FRAME_MS, friend(1, HERE), friend(2, HERE))
        assert (plan.disposition, plan.full_reason) == (Disposition.FULL_MOSAIC, "transition")
    late = CUT_MS + len(blended) * FRAME_MS + 240
    assert late in covered(transitions, stranger(1, HERE), None, HERE), "held for 0.6 s, as if there were no cut"


def test_the_frames_beside_a_cut_that_is_not_clean_are_mosaicked() -> None:
    late = shots(0.0)  # the second shot comes a frame later than told
    around = [CUT_MS + frame * FRAME_MS for frame in range(-4, 4)]
    plans = [planned(late, at, friend(1, HERE), friend(2, THERE)) for at in around]
    assert [plan.full_reason for plan in plans] == [None, None, *["transition"] * 4, None, None]


def test_an_enrolled_person_stays_clear_up_to_the_last_look_before_a_clean_cut() -> None:
    assert not planned(shots(), 320, friend(1, HERE), friend(2, THERE)).regions


@pytest.mark.parametrize(("transitions", "lack"), [(shots(), None), (shots(second=0.0), "verdicts_late")])
def test_only_a_clean_cut_spares_the_look_ahead(transitions: Transitions, lack: str | None) -> None:
    evidence = Evidence(transitions=transitions)
    for at in range(240, 401, FRAME_MS):
        evidence.add_frame(ms(at), bytes(144), intact=True)
    for seq, at in enumerate((240, 320, 400)):
        evidence.add_verdict(Verdict(ms(at), (), at == CUT_MS, bytes(144), seq, seq - 1))
    assert evidence.lack(ms(280)) == lack
    assert evidence.lack(ms(360)) == "verdicts_late", "the second frame before the cut may show what comes"


def test_where_a_track_leapt_away_from_is_held_too() -> None:
    """In a wipe one detection may go from a face that is half covered to one that is half uncovered beside it."""
    line = Timeline()
    beside = Box(26, 100, 66, 150)
    for seq, box in enumerate((HERE, HERE, HERE, beside, beside, beside, beside)):
        line.add(Verdict(ms(seq * 100), (stranger(1, box),)))
    assert covers(line.plan(ms(300)), HERE)
    assert covers(line.plan(ms(500)), HERE)
    assert covers(line.plan(ms(100)), beside), "and led, where it will be"


def regions_at(looks: list[tuple[int, list[TrackVerdict]]], at_ms: int) -> tuple[Region, ...]:
    line = Timeline()
    for at, tracks in looks:
        line.add(Verdict(ms(at), tuple(tracks)))
    return line.plan(ms(at_ms)).regions


def is_hidden(regions: tuple[Region, ...], box: Box) -> bool:
    """Whether some masks together leave nothing of a box, to the pixel."""
    seen = np.ones((round(box.height), round(box.width)), bool)
    for r in (region.bounds for region in regions):
        top, left = max(0, round(r.y1 - box.y1)), max(0, round(r.x1 - box.x1))
        seen[top : max(0, round(r.y2 - box.y1)), left : max(0, round(r.x2 - box.x1))] = False
    return not seen.any()


def test_a_face_of_which_a_part_is_boxed_at_the_last_look_is_masked_in_full_height() -> None:
    """`wipeleft-30`, measured: half covered the face is boxed 24 px less high, and then no more."""
    boxes = [(0, 420, 83, 502, 213), (100, 418, 82, 504, 214), (200, 416, 90, 492, 198)]
    looks = [(at, [stranger(1, Box(*box))]) for at, *box in boxes]
    looks += [(at, []) for at in range(300, 800, 100)]
    for at, right in ((200, 455), (233, 434), (267, 413)):
        assert is_hidden(regions_at(looks, at), Box(411, 67, right, 232))


def test_a_face_that_shines_through_beside_another_is_masked_before_the_track_goes_over_to_it() -> None:
    """`radial-30`, measured: the track goes over by 0.44 of a box, less than a leap."""
    boxes = [(159, 84, 247, 198), (159, 84, 248, 191), (199, 89, 278, 192), (199, 93, 285, 195), (199, 94, 285, 195)]
    looks = [(place * 100, [stranger(1, Box(*box))]) for place, box in enumerate([*boxes, *boxes[-1:] * 3])]
    for at, top in ((67, 155), (100, 119), (133, 96)):
        assert is_hidden(regions_at(looks, at), Box(197, top, 286, 195))


def test_a_face_is_masked_before_its_first_look_as_large_as_it_is_at_the_second() -> None:
    whole, part = Box(100, 100, 180, 200), Box(100, 148, 180, 200)
    looks = [(at, [stranger(1, part if at == 300 else whole)] if at >= 300 else []) for at in range(0, 1000, 100)]
    assert is_hidden(regions_at(looks, 200), whole)


def test_a_face_that_goes_straight_on_is_masked_once() -> None:
    """What is odd costs area, walkers are not odd."""
    looks = [(at, [stranger(1, Box(at / 10, 100, at / 10 + 40, 150))]) for at in range(0, 1000, 100)]
    assert len(regions_at(looks, 450)) == 1


@given(
    front=st.integers(10, 40),
    begin=st.integers(0, 99),
    least=st.floats(0.35, 0.7),
    beside=st.integers(30, 60),
    offset=st.integers(-20, 20),
)
def test_no_sliver_of_a_wipe_shows(front: int, begin: int, least: float, beside: int, offset: int) -> None:
    """A wipe from the right, over one face and off another that overlaps its place. Of both a detector boxes the part
    that is larger, as one track, if it is `least` of a face.

    Args:
        front: pixels that the wipe goes in a frame.
        begin: where it has got to, at a look.
    """
    old, new = Box(200, 100, 300, 230), Box(200 + beside, 100 + offset, 300 + beside, 230 + offset)

    def parts(at_ms: int) -> tuple[Box | None, Box | None]:
        edge = 400 + begin - front * (at_ms - 300) / 33.3
        left = Box(old.x1, old.y1, min(old.x2, edge), old.y2) if edge > old.x1 else None
        return left, Box(max(new.x1, edge), new.y1, new.x2, new.y2) if edge < new.x2 else None

    def seen(at_ms: int) -> list[TrackVerdict]:
        boxed = [part for part in parts(at_ms) if part is not None and part.width >= least * 100]
        return [stranger(1, max(boxed, key=lambda part: part.width))] if boxed else []

    looks = [(at, seen(at)) for at in range(0, 2400, 100)]
    for at in range(0, 1900, 33):
        regions = regions_at(looks, at)
        for part in parts(at):
            assert part is None or part.width < 20 or is_hidden(regions, part)
