"""The rules of HLS: a good stream breaks none, and each fires on the fault that it is for."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import av
import pytest

from mosaicast.adapters.media.hls import HlsSegment, Segmenter
from mosaicast.adapters.media.sink import FlvSink
from tests.adapters.hls_rules import Item, Listing, broken_rules
from tests.adapters.sink_tools import VIDEO, make_sound, push

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Stream(NamedTuple):
    """What a viewer recorded: three segments of 2 s with sound, and the list as it grew."""

    states: list[Listing]
    segments: dict[str, bytes]

    def with_item(self, number: int, **changes: object) -> "Stream":
        """One segment is told otherwise, in every state."""
        told = {self.states[-1].items[number]: replace(self.states[-1].items[number], **changes)}  # type: ignore[arg-type]
        states = [replace(state, items=tuple(told.get(item, item) for item in state.items)) for state in self.states]
        return Stream(states, {**self.segments, **{new.uri: self.segments[old.uri] for old, new in told.items()}})

    def with_data(self, number: int, data: bytes) -> "Stream":
        """One segment holds something else."""
        return self._replace(segments={**self.segments, self.states[-1].items[number].uri: data})

    def with_last(self, **changes: object) -> "Stream":
        """The last state of the list is another one."""
        return self._replace(states=[*self.states[:-1], replace(self.states[-1], **changes)])  # type: ignore[arg-type]

    def broken(self, *, ended: bool = False) -> list[str]:
        return broken_rules(self.states, self.segments, ended=ended)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    folder = tmp_path_factory.mktemp("good")
    made: list[HlsSegment] = []
    sound = make_sound(folder)
    sink = FlvSink(str(folder / "out.flv"), VIDEO, sound.format, Segmenter(made.append, lambda: 0))
    push(sink, 180, sound)
    sink.close()
    items = tuple(
        Item(f"s/segment-number-{n}.ts", round(one.duration_s, 3), BEGAN + timedelta(seconds=2 * n), one.discontinuity)
        for n, one in enumerate(made)
    )
    assert len(items) == 3
    segments = {item.uri: one.data for item, one in zip(items, made, strict=True)}
    return Stream([Listing(2, 10, 10, items[:n], ended=False) for n in (1, 2, 3)], segments)


def muxed(data: bytes, *, drop: int = 0, declare_sound: bool = False) -> bytes:
    """Return the pictures of a segment in another: without the first ones, or beside a track that has nothing."""
    out = io.BytesIO()
    with av.open(io.BytesIO(data), "r", format="mpegts") as source, av.open(out, "w", format="mpegts") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        if declare_sound:
            target.add_stream("aac", rate=48_000)
        packets = [packet for packet in source.demux(video=0) if packet.pts is not None]
        for packet in packets[drop:]:
            packet.stream = video
            target.mux(packet)
    return out.getvalue()


def test_a_good_stream_breaks_none(good: Stream) -> None:
    assert good.broken() == []
    slid = replace(good.states[-1], sequence=11, discontinuity_sequence=11, items=good.states[-1].items[1:])
    assert Stream([*good.states, slid, replace(slid, ended=True)], good.segments).broken(ended=True) == []


def test_a_segment_longer_than_the_target(good: Stream) -> None:
    (fault, *_) = good.with_item(1, duration_s=2.6).broken()
    assert "longer than the target" in fault


def test_a_segment_without_length(good: Stream) -> None:
    assert any("EXTINF is 0" in fault for fault in good.with_item(1, duration_s=0.0).broken())


def test_a_length_that_its_pictures_do_not_have(good: Stream) -> None:
    assert any("its pictures last 2.0" in fault for fault in good.with_item(2, duration_s=1.9).broken())
    assert good.with_item(2, duration_s=2.0 - 1 / 30).broken() == [], "a frame is allowed"


def test_a_target_that_changes(good: Stream) -> None:
    assert good.with_last(target_s=3).broken() == ["the target duration went from 2 to 3"]


def test_numbers_that_go_back(good: Stream) -> None:
    assert any("media sequence went back from 10 to 9" in fault for fault in good.with_last(sequence=9).broken())


def test_a_number_that_meant_another_segment(good: Stream) -> None:
    first, second, third = good.states[-1].items
    assert "segment 11 was another one before" in good.with_last(items=(first, third, second)).broken()


@pytest.mark.parametrize("told", [9, 10, 12])
def test_breaks_that_left_the_list_and_are_not_counted(good: Stream, told: int) -> None:
    slid = {"sequence": 11, "items": good.states[-1].items[1:]}
    assert good.with_last(**slid, discontinuity_sequence=told).broken() == [
        f"the discontinuity sequence is {told}, not 11"
    ]


def test_dates_that_do_not_rise(good: Stream) -> None:
    assert any("not after" in fault for fault in good.with_item(2, began=BEGAN).broken())


def test_a_name_that_can_be_guessed(good: Stream) -> None:
    assert good.with_item(2, uri="s/3.ts").broken() == ["s/3.ts can be guessed"]


def test_a_segment_that_does_not_begin_with_a_keyframe(good: Stream) -> None:
    data = muxed(good.segments[good.states[-1].items[2].uri], drop=1)
    assert any("does not begin with a keyframe" in fault for fault in good.with_data(2, data).broken())


def test_pictures_that_cannot_be_decoded(good: Stream) -> None:
    data = muxed(good.segments[good.states[-1].items[2].uri], drop=30)
    assert any("of 30 pictures 0 can be decoded" in fault for fault in good.with_data(2, data).broken())


def test_sound_that_is_declared_and_not_there(good: Stream) -> None:
    data = muxed(good.segments[good.states[-1].items[2].uri], declare_sound=True)
    assert any("declares ['audio', 'video'] and has ['video']" in fault for fault in good.with_data(2, data).broken())


def test_media_that_do_not_follow(good: Stream) -> None:
    first, _, third = good.states[-1].items
    states = [Listing(2, 10, 10, (first, third), ended=False)]
    assert any("without a discontinuity" in fault for fault in Stream(states, good.segments).broken())
    told = [replace(states[0], items=(first, replace(third, discontinuity=True)))]
    assert Stream(told, good.segments).broken() == []


def test_an_end_that_is_not_told(good: Stream) -> None:
    assert good.broken(ended=True) == ["the stream has ended without ENDLIST"]


def test_a_list_that_goes_on_after_its_end_without_a_break(good: Stream) -> None:
    ended = [good.states[0], replace(good.states[1], ended=True), good.states[2]]
    assert good._replace(states=ended).broken() == ["an ended list went on without a discontinuity"]
