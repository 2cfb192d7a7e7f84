"""Clean cuts, blended frames and gradual transitions, told from small luma pictures."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.core.transitions import Transitions

Luma = NDArray[np.uint8]
RATE = 30
CUT = 20
"""Frames of the first shot before anything of the second shows."""


def at(frame: int) -> Fraction:
    return Fraction(frame, RATE)


def shot(seed: int, frames: int) -> NDArray[np.float64]:
    """A room with somebody who moves a little in it: float [frames, 36, 64]."""
    rng = np.random.default_rng(seed)
    room = np.kron(rng.uniform(30, 220, (6, 8)), np.ones((6, 8)))
    somebody = np.kron(rng.uniform(30, 220, (6, 3)), np.ones((3, 3)))
    shots = np.repeat(room[None], frames, axis=0)
    for frame in range(frames):
        left = 10 + seed % 20 + frame // 4 % 6
        shots[frame, 12:30, left : left + 9] = somebody
    return shots


def joined(weights: list[float], after: int = 20) -> list[Luma]:
    """The first shot, frames with these shares of the second, then the second."""
    share = np.array([*[0.0] * CUT, *weights, *[1.0] * after])[:, None, None]
    mixed = shot(1, len(share)) * (1 - share) + shot(2, len(share)) * share
    return [np.round(luma).astype(np.uint8) for luma in mixed]


def dissolve(frames: int) -> list[float]:
    return [(one + 1) / (frames + 1) for one in range(frames)]


def seen(lumas: list[Luma]) -> Transitions:
    transitions = Transitions()
    for frame, luma in enumerate(lumas):
        transitions.add(at(frame), luma)
    transitions.end()
    return transitions


def gradual(lumas: list[Luma]) -> list[int]:
    """The frames that count as blended when they leave, 0.35 s after they were decoded, as in a live stream."""
    transitions, told = Transitions(), []
    for frame in range(len(lumas) + 10):
        if frame < len(lumas):
            transitions.add(at(frame), lumas[frame])
        else:
            transitions.end()
        if frame >= 10:
            if transitions.gradual(at(frame - 10)):
                told.append(frame - 10)
            transitions.forget_before(at(frame - 10))
    return told


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 8, 15, 30, 45])
def test_every_frame_of_a_dissolve_is_told_and_no_others_far_from_it(frames: int) -> None:
    told = gradual(joined(dissolve(frames)))
    assert set(range(CUT, CUT + frames)) <= set(told)
    assert min(told) >= CUT - 6
    assert max(told) <= CUT + frames + 6


@pytest.mark.parametrize("share", [0.15, 0.3, 0.5, 0.7, 0.85])
def test_one_blended_frame_is_told_and_no_cut_beside_it_is_clean(share: float) -> None:
    transitions = seen(joined([share]))
    assert transitions.gradual(at(CUT))
    assert not transitions.clean(at(CUT))
    assert not transitions.clean(at(CUT + 1))


@pytest.mark.parametrize("through", [0, 255])
def test_fades_through_black_and_white_are_told(through: int) -> None:
    out = [(shot(1, 1)[0] * (1 - share) + through * share) for share in dissolve(8)]
    back = [(shot(2, 1)[0] * share + through * (1 - share)) for share in dissolve(8)]
    fades = [np.round(luma).astype(np.uint8) for luma in (*out, *back)]
    whole = [*joined([])[:CUT], *fades, *joined([])[CUT:]]
    assert set(range(CUT, CUT + 16)) <= set(gradual(whole))


def test_a_cut_is_clean_and_nothing_near_it_is_gradual() -> None:
    assert gradual(joined([])) == []
    assert seen(joined([])).clean(at(CUT))


def test_a_cut_keeps_the_other_side_off_from_the_third_frame_on() -> None:
    transitions = seen(joined([]))
    apart = [frame for frame in range(CUT - 4, CUT + 4) if transitions.parts(at(CUT), at(frame))]
    assert apart == [CUT - 4, CUT - 3, CUT + 2, CUT + 3]


def test_a_cut_is_not_clean_before_the_frame_after_it_is_known() -> None:
    lumas = joined([])
    assert not seen(lumas[: CUT + 1]).clean(at(CUT))
    assert seen(lumas[: CUT + 2]).clean(at(CUT))


def test_a_cut_is_not_clean_where_nothing_jumps() -> None:
    assert not seen(joined([])).clean(at(CUT - 5))
    assert not seen(joined([])[:CUT]).clean(at(CUT + 5)), "a frame that nobody saw"


def test_a_wipe_over_some_frames_has_no_clean_cut() -> None:
    lumas = joined([])
    first, second = lumas[CUT - 1], lumas[CUT]
    border = [np.where(np.arange(64) < edge, second, first) for edge in (16, 32, 48)]
    transitions = seen([*lumas[:CUT], *border, *lumas[CUT:]])
    assert not any(transitions.clean(at(frame)) for frame in range(CUT - 2, CUT + 6))


def test_only_a_change_of_the_picture_that_is_no_clean_cut_mixes_shots() -> None:
    transitions = seen(joined([]))
    assert not transitions.mixes(at(CUT)), "clean"
    assert transitions.mixes(at(CUT - 1)), "told a frame early"
    assert transitions.mixes(at(CUT + 1)), "told a frame late"
    assert not transitions.mixes(at(CUT - 5)), "told where nothing happens"
    assert transitions.mixes(at(CUT + 19)), "not known yet"


def pan(speed: int) -> list[Luma]:
    rng = np.random.default_rng(3)
    wide = np.kron(rng.uniform(30, 220, (9, 120)), np.ones((4, 4)))
    return [wide[:, speed * frame : speed * frame + 64].astype(np.uint8) for frame in range(40)]


def crossing() -> list[Luma]:
    """Somebody large crosses the lens in half a second."""
    room = shot(1, 1)[0]
    lumas = []
    for frame in range(40):
        luma, left = room.copy(), frame * 4 - 40
        luma[:, max(0, left) : max(0, left + 24)] = 15
        lumas.append(luma.astype(np.uint8))
    return lumas


def light(gain: float) -> list[Luma]:
    """An automatic exposure settles over ten frames."""
    room = shot(1, 1)[0] * 0.7
    gains = [1.0] * 10 + [1 + (gain - 1) * (frame + 1) / 10 for frame in range(10)] + [gain] * 10
    return [np.clip(room * one, 0, 255).astype(np.uint8) for one in gains]


@pytest.mark.parametrize(
    "lumas",
    [pan(1), pan(2), pan(4), crossing(), light(1.3), light(0.75), [shot(1, 1)[0].astype(np.uint8)] * 40],
    ids=["slow pan", "pan", "fast pan", "crossing", "brighter", "darker", "still"],
)
def test_motion_and_light_are_no_transitions(lumas: list[NDArray[Any]]) -> None:
    assert gradual(lumas) == []


@pytest.mark.parametrize("frames", [12, 20, 30])
def test_a_frame_that_was_decoded_late_may_be_one_of_a_blend(frames: int) -> None:
    """After a stall frames leave as they are decoded: the first third of a dissolve is not yet told from motion."""
    transitions = Transitions()
    for frame, luma in enumerate(joined(dissolve(frames))):
        transitions.add(at(frame), luma)
        assert transitions.gradual(at(frame))
        if frame >= 9:
            in_time = transitions.gradual(at(frame - 9))
            assert in_time or not CUT <= frame - 9 < CUT + frames


def test_a_line_that_begins_inside_of_an_epoch_may_begin_inside_of_a_blend() -> None:
    lumas = joined(dissolve(12))[CUT + 8 :]
    midway = seen(lumas)
    midway.begins_midway()
    assert [frame for frame in range(len(lumas)) if midway.gradual(at(frame))] == list(range(14))


@pytest.mark.parametrize("frames_per_s", [4.0, 4.2])
def test_frames_too_far_apart_tell_nothing(frames_per_s: float) -> None:
    transitions = Transitions()
    for frame, luma in enumerate(joined([0.5])):
        transitions.add(Fraction(frame) / Fraction(frames_per_s), luma)
    transitions.end()
    assert transitions.gradual(CUT / Fraction(frames_per_s))


def test_a_frame_that_nobody_could_read_may_be_anything() -> None:
    transitions = seen(joined([]))
    transitions.add(at(60), None)
    assert transitions.gradual(at(60))
    assert transitions.gradual(at(61)), "not decoded"
    assert not transitions.gradual(at(5))


@pytest.mark.parametrize("frames", [1, 5, 15, 45])
def test_the_end_of_a_transition_is_told_right_after_it(frames: int) -> None:
    transitions, ends = Transitions(), []
    for frame, luma in enumerate(joined(dissolve(frames))):
        transitions.add(at(frame), luma)
        if transitions.just_over():
            ends.append(frame)
        transitions.forget_before(at(frame))
    assert ends, "of a long one perhaps more than once: what is seen of it at a time ends earlier"
    assert ends[0] > CUT
    assert CUT + frames < ends[-1] <= CUT + frames + 6


def test_what_is_forgotten_is_bounded_and_changes_nothing_later() -> None:
    lumas = joined(dissolve(5), after=40)
    kept, forgetful = seen(lumas), Transitions()
    for frame, luma in enumerate(lumas):
        forgetful.add(at(frame), luma)
        forgetful.forget_before(at(frame - 10))
    forgetful.end()
    assert len(forgetful) < 30
    assert [forgetful.gradual(at(frame)) for frame in range(50, 60)] == [
        kept.gradual(at(frame)) for frame in range(50, 60)
    ]


def test_a_picture_of_another_size_is_no_blend_and_no_clean_cut() -> None:
    lumas = [*joined([])[:CUT], *[np.full((18, 32), 100, np.uint8)] * 5]
    assert gradual(lumas) == []
    assert not seen(lumas).clean(at(CUT))


def pixelating(frames: int) -> list[Luma]:
    """Two still shots of gravel, dissolved, each frame sampled once for each of its blocks, which grow and shrink."""
    gravel = np.random.default_rng(3).uniform(30, 220, (2, 45, 80)).repeat(8, axis=1).repeat(8, axis=2)
    weights = [*[0.0] * CUT, *dissolve(frames), *[1.0] * 20]
    return [_pixelated(gravel[0] * (1 - weight) + gravel[1] * weight, min(weight, 1 - weight)) for weight in weights]


def _pixelated(picture: NDArray[np.float64], share: float) -> Luma:
    block = 1 + round(36 * share)
    rows, columns = (np.minimum(np.arange(side) // block * block + block // 2, side - 1) for side in (360, 640))
    cells = picture[rows][:, columns].reshape(36, 10, 64, 10).mean(axis=(1, 3))
    thumbnail: NDArray[np.uint8] = np.round(cells).astype(np.uint8)
    return thumbnail


@pytest.mark.parametrize("frames", [30, 45, 60])
def test_a_transition_goes_on_while_the_picture_churns(frames: int) -> None:
    """In the middle of a pixelating transition no frame is a mixture of two others, and no detector sees a face."""
    told, tenth = gradual(pixelating(frames)), frames // 10
    assert set(range(CUT + tenth, CUT + frames - tenth)) <= set(told)
    assert CUT - 6 <= min(told) <= max(told) <= CUT + frames + 6


def churning(frames: int) -> list[Luma]:
    """A picture that is another one every other frame."""
    return [luma for one in range(frames // 2) for luma in [np.round(shot(50 + one, 1)[0]).astype(np.uint8)] * 2]


def test_motion_after_a_transition_is_taken_for_it_for_a_moment_only() -> None:
    dissolved = joined(dissolve(15), after=1)
    told = gradual([*dissolved, *churning(90)])
    most = float(Transitions().policy.longest_churn_s) * RATE
    assert len(dissolved) + most - 3 <= max(told) <= len(dissolved) + most + 6
    assert not gradual(churning(90)), "nor for one, without"
