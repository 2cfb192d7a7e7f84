"""Faces in transitions, through the product's own parts: all kinds are in `python -m bench.transitions`."""

from pathlib import Path

import pytest

from bench import transitions
from bench.replay_parts import MemoryGallery, read_clip, recognise
from synthetic.blends import Join
from synthetic.cast import load_cast


@pytest.fixture(scope="module")
def gallery() -> MemoryGallery:
    return transitions.enrolled_gallery(load_cast())


@pytest.mark.parametrize(
    ("join", "cast"),
    [
        (Join("fade"), "strangers"),  # a clean cut: over-masking must stay away
        (Join("framerate"), "ghost"),  # 24 to 30 frames a second; the old rule showed a stranger over her
        (Join("minterpolate"), "strangers"),  # a phone's morph cut; the old rule showed two
    ],
    ids=str,
)
def test_nobody_shows_where_two_shots_meet(join: Join, cast: str, gallery: MemoryGallery, tmp_path: Path) -> None:
    path = transitions.clip_of(join, cast, load_cast(), tmp_path)
    clip = read_clip(path)
    tally = transitions.judge(path, clip, recognise(clip, gallery), join.fps)
    assert tally.leaks == []
    assert tally.faces > 20
    assert tally.far == 0, "full mosaic far from the transition"
    assert bool(tally.full) == (join.name != "fade")
