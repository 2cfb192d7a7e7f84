"""What RFC 8216 and MPEG-TS ask of an HLS stream, and what we ask besides; each broken rule is a sentence.

Without FFmpeg where that is possible: what checks its muxer should not believe its demuxer.
"""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import av
import av.error

PACKET = 188
VIDEO_TYPES, AUDIO_TYPES = {0x1B}, {0x0F, 0x03, 0x04}
"""H.264; AAC in ADTS, MPEG audio (ISO 13818-1, table 2-34)."""


@dataclass(frozen=True)
class Item:
    uri: str
    duration_s: float
    began: datetime
    discontinuity: bool


@dataclass(frozen=True)
class Listing:
    """A media playlist."""

    target_s: int
    sequence: int
    discontinuity_sequence: int
    items: tuple[Item, ...]
    ended: bool


def parse(text: str) -> Listing:
    """Read a playlist; anything unknown or misplaced fails."""
    lines = text.splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:6"]
    head: dict[str, int] = {}
    items: list[Item] = []
    began, duration_s, broken, ended = None, None, False, False
    for line in lines[2:]:
        assert not ended, "nothing follows ENDLIST"
        name, _, value = line.partition(":")
        if name in {"#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"}:
            assert not items
            assert name not in head
            head[name] = int(value)
        elif name == "#EXT-X-DISCONTINUITY":
            broken = True
        elif name == "#EXT-X-PROGRAM-DATE-TIME":
            began = datetime.fromisoformat(value)
            assert began.tzinfo is not None
        elif name == "#EXTINF":
            duration_s = float(value.removesuffix(","))
        elif name == "#EXT-X-ENDLIST":
            ended = True
        elif not line.startswith("#"):
            assert duration_s is not None
            assert began is not None
            items.append(Item(line, duration_s, began, broken))
            began, duration_s, broken = None, None, False
        else:
            assert line == "#EXT-X-INDEPENDENT-SEGMENTS"
    return Listing(
        head["#EXT-X-TARGETDURATION"], head["#EXT-X-MEDIA-SEQUENCE"], head["#EXT-X-DISCONTINUITY-SEQUENCE"],
        tuple(items), ended,
    )  # fmt: skip


def broken_rules(states: Sequence[Listing], segments: Mapping[str, bytes], *, ended: bool = False) -> list[str]:
    """Return what a stream broke of RFC 8216 and of our own rules, a sentence each.

    Args:
        states: the playlist, each time that it had changed.
        segments: those that could be loaded, by their addresses.
        ended: the stream has ended, and players must have been told.
    """
    items = list(dict.fromkeys(item for state in states for item in state.items))
    rules = [by_itself(state) for state in states]
    rules += [follows(before, after) for before, after in pairwise(states)]
    rules += [
        names(items),
        dates(items),
        media([item for item in items if item.uri in segments], segments, ended=bool(states) and states[-1].ended),
    ]
    broken = [sentence for rule in rules for sentence in rule]
    if ended and not (states and states[-1].ended):
        broken.append("the stream has ended without ENDLIST")
    return broken


def by_itself(listing: Listing) -> Iterator[str]:
    """One state of the playlist: every segment has a length, and none is longer than the target (4.3.3.1)."""
    for item in listing.items:
        if item.duration_s <= 0:
            yield f"{item.uri}: EXTINF is {item.duration_s}"
        if int(item.duration_s + 0.5) > listing.target_s:
            yield f"{item.uri}: {item.duration_s} s are longer than the target of {listing.target_s} s"


def follows(before: Listing, after: Listing) -> Iterator[str]:
    """Two states of one playlist, in order (6.2.1, 6.2.2)."""
    if after.target_s != before.target_s:
        yield f"the target duration went from {before.target_s} to {after.target_s}"
    if after.sequence < before.sequence:
        yield f"the media sequence went back from {before.sequence} to {after.sequence}"
    numbered = dict(enumerate(before.items, before.sequence))
    for number, item in enumerate(after.items, after.sequence):
        if numbered.get(number, item) != item:
            yield f"segment {number} was another one before"
    left = [item for number, item in numbered.items() if number < after.sequence]
    least = before.discontinuity_sequence + sum(item.discontinuity for item in left)
    all_left = len(left) == len(before.items) > 0  # and others that nobody saw may have come and gone
    if all_left and after.items and after.items[0].discontinuity:
        least = 0  # another run: nothing of the one before is known there
    if after.discontinuity_sequence < least or (not all_left and after.discontinuity_sequence > least and numbered):
        yield f"the discontinuity sequence is {after.discontinuity_sequence}, not {least}"
    came = [item for number, item in enumerate(after.items, after.sequence) if number not in numbered]
    if before.ended and came and not came[0].discontinuity:
        yield "an ended list went on without a discontinuity"


def names(items: Sequence[Item]) -> Iterator[str]:
    """Who knows one segment knows no other."""
    yield from (f"{item.uri} can be guessed" for item in items if not is_unguessable(item.uri))
    if len({item.uri for item in items}) < len(items):
        yield "two segments have one address"


def dates(items: Sequence[Item]) -> Iterator[str]:
    """PROGRAM-DATE-TIME rises."""
    for before, after in pairwise(items):
        if after.began <= before.began:
            yield f"{after.uri} began at {after.began}, not after {before.began}"


def media(items: Sequence[Item], segments: Mapping[str, bytes], *, ended: bool) -> Iterator[str]:
    """Every segment: whole, decodable by itself, as long as it says, with the tracks that it declares.

    Args:
        items: that were fetched.
        segments: each one's data.
        ended: none follows the last one.
    """
    longer = False
    end_s: float | None = None
    untrue: str | None = None
    for item in items:
        data = segments[item.uri]
        seen, tracks = times(data), declared(data)
        follows = bool(seen.get("video")) and end_s is not None and abs(seen["video"][0] - end_s) <= 0.01
        # Its last pictures were left out, late ones: the one before them is shown until the next segment begins.
        if untrue is not None and not (follows and not item.discontinuity):
            yield untrue
        untrue = None
        yield from (f"{item.uri}: {fault}" for fault in alone(data, seen))
        # A scrap at a break may hold no sound.
        if not tracks >= seen.keys() or (tracks > seen.keys() and item.duration_s >= 0.5):
            yield f"{item.uri} declares {sorted(tracks)} and has {sorted(seen)}"
        pictures = seen.get("video", [])
        if len(pictures) > 1:
            frame_s = max(after - before for before, after in pairwise(pictures))
            true_s = pictures[-1] - pictures[0] + frame_s
            if abs(true_s - item.duration_s) > frame_s + 0.01:
                longer = true_s > item.duration_s
                untrue = f"{item.uri}: EXTINF is {item.duration_s}, its pictures last {true_s:.3f} s"
        if pictures and end_s is not None and not item.discontinuity and not follows:
            yield f"{item.uri} begins at {pictures[0]:.3f} s, not at {end_s:.3f}, without a discontinuity"
        end_s = pictures[0] + item.duration_s if pictures else None
    # Where the next one was not fetched, its beginning can't tell whether late pictures were left out.
    if untrue is not None and (longer or ended):
        yield untrue


def alone(data: bytes, seen: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """A segment's pictures can be decoded without any other segment."""
    first, decoded = None, 0
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        for packet in container.demux(video=0):
            first = packet.is_keyframe if first is None else first
            with contextlib.suppress(av.error.InvalidDataError):
                decoded += len(packet.decode())
    if not first:
        yield "it does not begin with a keyframe"
    if decoded != len(seen.get("video", ())):
        yield f"of {len(seen.get('video', ()))} pictures {decoded} can be decoded"


def times(data: bytes) -> dict[str, list[float]]:
    """Return the presentation times of a segment's pictures and sound, in seconds, each kind in order."""
    found: dict[str, list[float]] = {}
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        for packet in container.demux():
            if packet.pts is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            found.setdefault(packet.stream.type, []).append(at_s)
    return {kind: sorted(times_s) for kind, times_s in found.items()}


def declared(data: bytes) -> set[str]:
    """Return the kinds of tracks in the first PMT of a segment, which comes before any of their packets."""
    assert len(data) % PACKET == 0
    pmt_pid: int | None = None
    for start in range(0, len(data), PACKET):
        packet = data[start : start + PACKET]
        assert packet[0] == 0x47
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid == 0:
            body = _section(packet)
            pmt_pid = (body[10] & 0x1F) << 8 | body[11]
        elif pid == pmt_pid:
            return {_kind(kind) for kind in _stream_types(_section(packet))}
        else:
            assert pid == 17, "the tables come first (17: the name of the service)"
    raise AssertionError("no PMT")


def _section(packet: bytes) -> bytes:
    assert packet[1] & 0x40, "a table that fits one packet"
    skip = 5 + packet[4] if not packet[3] & 0x20 else 6 + packet[4]
    return packet[skip:]


def _stream_types(body: bytes) -> list[int]:
    length = (body[1] & 0x0F) << 8 | body[2]
    position, end = 12 + ((body[10] & 0x0F) << 8 | body[11]), 3 + length - 4
    kinds = []
    while position < end:
        kinds.append(body[position])
        position += 5 + ((body[position + 3] & 0x0F) << 8 | body[position + 4])
    return kinds


def _kind(stream_type: int) -> str:
    assert stream_type in VIDEO_TYPES | AUDIO_TYPES
    return "video" if stream_type in VIDEO_TYPES else "audio"


def is_unguessable(uri: str) -> bool:
    """Whether a segment's name says nothing about the next one's."""
    return re.fullmatch(r"[^/]+/[A-Za-z0-9_-]{16,}\.ts", uri) is not None
