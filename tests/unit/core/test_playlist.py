"""The playlist: numbers only rise, nothing is listed that is gone, breaks are marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.playlist import GRACE, WINDOW_S, Entry, Playlist, keeps_to_target
from tests.adapters.hls_rules import Listing, by_itself, follows, parse

DATE = "2026-01-01T00:00:00.000+00:00"


def entry(number: int, duration_s: float = 2.0, *, discontinuity: bool = False) -> Entry:
    return Entry(f"s/{number}.ts", duration_s, DATE, discontinuity)


def names(listing: Listing) -> list[str]:
    return [item.uri for item in listing.items]


def test_the_list_is_twelve_seconds_long_and_tells_what_to_delete() -> None:
    playlist = Playlist(100)
    gone = [name for number in range(20) for name in playlist.add(entry(number))]
    listing = parse(playlist.text())
    assert names(listing) == [f"s/{number}.ts" for number in range(14, 20)]
    assert (listing.sequence, listing.target_s, listing.ended) == (114, 2, False)
    assert gone == [f"s/{number}.ts" for number in range(14 - GRACE)], "in order, each once"


def test_breaks_are_where_segments_say_so_the_first_one_too() -> None:
    playlist = Playlist(0)
    for number in range(4):
        playlist.add(entry(number, discontinuity=number in {0, 2}))
    assert [item.discontinuity for item in parse(playlist.text()).items] == [True, False, True, False]


def test_breaks_that_leave_the_list_are_counted() -> None:
    playlist = Playlist(0)
    for number in range(30):
        playlist.add(entry(number, discontinuity=number % 3 == 0))
    listing = parse(playlist.text())
    assert listing.discontinuity_sequence == sum(number % 3 == 0 for number in range(listing.sequence))


def test_after_clearing_nothing_old_is_listed_and_the_next_is_a_break_with_a_higher_number() -> None:
    playlist = Playlist(5)
    kept = [f"s/{number}.ts" for number in range(8)]
    gone = [name for number in range(8) for name in playlist.add(entry(number))]
    assert sorted(gone + playlist.clear()) == kept
    assert playlist.add(entry(8)) == []
    listing = parse(playlist.text())
    assert names(listing) == ["s/8.ts"]
    assert (listing.sequence, listing.items[0].discontinuity) == (13, True)


def test_what_follows_a_lost_segment_is_a_break() -> None:
    playlist = Playlist(0)
    playlist.add(entry(0))
    playlist.lost()
    playlist.add(entry(1))
    playlist.add(entry(2))
    assert [item.discontinuity for item in parse(playlist.text()).items] == [False, True, False]


def test_an_end_is_told_and_a_stream_that_comes_back_begins_anew() -> None:
    playlist = Playlist(0)
    for number in range(3):
        playlist.add(entry(number))
    playlist.end()
    assert parse(playlist.text()).ended
    assert playlist.add(entry(3)) == ["s/0.ts", "s/1.ts", "s/2.ts"]
    listing = parse(playlist.text())
    assert (names(listing), listing.ended, listing.sequence) == (["s/3.ts"], False, 3)


@pytest.mark.parametrize("duration_s", [0.001, 1.4, 2.0, 2.4994])
def test_the_target_is_the_same_whatever_is_listed(duration_s: float) -> None:
    playlist = Playlist(0)
    before = parse(playlist.text())
    playlist.add(entry(0, duration_s))
    listing = parse(playlist.text())
    assert [*by_itself(listing), *follows(before, listing)] == []


@pytest.mark.parametrize("duration_s", [2.4996, 2.5, 4.6, 60.0])
def test_a_segment_that_is_longer_than_the_target_is_none(duration_s: float) -> None:
    playlist = Playlist(0)
    playlist.add(entry(0))
    before = playlist.text()
    assert not keeps_to_target(duration_s)
    with pytest.raises(ValueError, match="target"):
        playlist.add(entry(1, duration_s))
    assert playlist.text() == before


STEPS = st.lists(st.sampled_from(["add", "break", "clear", "lost", "end"]), max_size=60)


@given(STEPS)
def test_whatever_happens_each_state_follows_from_the_one_before(steps: list[str]) -> None:
    playlist, alive, before = Playlist(7), set(), None
    for number, step in enumerate(steps):
        if step in {"add", "break"}:
            gone = playlist.add(entry(number, discontinuity=step == "break"))
            alive.add(f"s/{number}.ts")
        else:
            gone = playlist.clear() if step == "clear" else []
            if step != "clear":
                {"lost": playlist.lost, "end": playlist.end}[step]()
        assert alive.issuperset(gone)
        alive.difference_update(gone)
        listing = parse(playlist.text())
        assert alive.issuperset(names(listing)), "what is listed is there"
        assert len(alive) <= len(listing.items) + GRACE, "and hardly anything else"
        assert sum(item.duration_s for item in listing.items) <= WINDOW_S + 2.0
        if before is not None:
            assert list(follows(before, listing)) == []
        before = listing


def test_breaks_are_counted_from_a_small_number_that_is_another_in_each_run() -> None:
    """hls.js walks an array of that length at each break."""
    began = [parse(Playlist(1_790_000_000 + at_s).text()).discontinuity_sequence for at_s in (0, 4, 3600)]
    assert len(set(began)) == 3
    assert max(began) < 10_000
