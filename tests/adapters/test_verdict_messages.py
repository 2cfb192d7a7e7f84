"""How far a verdict on a track speaks of the time before: on the wire only where it is said, so older readers go on."""

import math

import msgspec
import pytest
from msgspec import UNSET

from mosaicast.contracts.analysis import WireTrack
from mosaicast.contracts.codec import decode, encode
from mosaicast.contracts.topics import VERDICTS
from mosaicast.core.types import LONGEST_BACK_S
from tests.adapters.examples import CLEAR_TRACK, MASKED_TRACK, VERDICT, golden


@pytest.mark.parametrize("track", [CLEAR_TRACK, MASKED_TRACK])
def test_it_reaches_the_core(track: WireTrack) -> None:
    message = msgspec.structs.replace(VERDICT, tracks=(msgspec.structs.replace(track, back_s=0.5),))
    (told,) = decode(VERDICTS, encode(VERDICTS, message)).to_core().tracks
    assert (told.back_s, told.clear) == (0.5, track.clear)


def test_a_message_of_before_says_nothing_of_it() -> None:
    assert {track.back_s for track in decode(VERDICTS, golden("verdicts")).to_core().tracks} == {None}


def test_where_it_is_not_said_an_older_reader_finds_no_field_that_it_does_not_know() -> None:
    assert "back_s" not in msgspec.to_builtins(CLEAR_TRACK)
    assert CLEAR_TRACK.back_s is UNSET


@pytest.mark.parametrize("back_s", [-0.1, math.nan, math.inf, LONGEST_BACK_S + 0.1])
def test_what_means_nothing_is_refused(back_s: float) -> None:
    built = {**msgspec.to_builtins(CLEAR_TRACK), "back_s": back_s}
    with pytest.raises((msgspec.ValidationError, ValueError)):
        msgspec.convert(built, WireTrack)
