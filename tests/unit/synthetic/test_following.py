"""A frame whose number is covered is judged all the same."""

from typing import Any

import numpy as np

from synthetic.following import FollowingOracle
from synthetic.oracle import Kind
from tests.unit.synthetic.conftest import mosaic


def without_number(luma: np.ndarray) -> np.ndarray:
    covered = luma.copy()
    covered[-40:] = 128
    return covered


def test_a_frame_without_its_number_is_judged_by_what_it_may_be(sample: Any) -> None:
    oracle = FollowingOracle([sample.source], ["astronaut"])
    masked = sample.masked(mosaic)
    bare = sample.masked(mosaic, lambda person, box: None if person == "admiral" else box)
    enrolled = sample.masked(mosaic, lambda person, box: None if person == "astronaut" else box)
    assert oracle.judge(without_number(bare[3])).kind is Kind.UNREADABLE, "nothing to hold it against yet"
    assert oracle.judge(masked[10]).number == 510
    assert [oracle.judge(without_number(masked[n])).kind for n in (11, 30, 59)] == [Kind.CLEAN] * 3
    assert [oracle.judge(without_number(enrolled[n])).kind for n in (11, 30, 59)] == [Kind.CLEAN] * 3
    found = [oracle.judge(without_number(bare[n])) for n in (11, 30, 59, 2)]
    assert [one.kind for one in found] == [Kind.LEAK] * 4
    assert {leak.person for one in found for leak in one.leaks} == {"admiral"}
