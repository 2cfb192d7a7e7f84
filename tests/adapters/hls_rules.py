"""What RFC 8216 and MPEG-TS ask of an HLS stream, checked without FFmpeg where that is possible."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import av

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
    listing = Listing(
        head["#EXT-X-TARGETDURATION"], head["#EXT-X-MEDIA-SEQUENCE"], head["#EXT-X-DISCONTINUITY-SEQUENCE"],
        tuple(items), ended,
    )  # fmt: skip
    assert all(0 < int(item.duration_s + 0.5) <= listing.target_s or item.duration_s < 0.5 for item in items)
    return listing


def check_follows(before: Listing, after: Listing) -> None:
    """Two states of one playlist, in order."""
    assert after.target_s == before.target_s
    assert after.sequence >= before.sequence
    numbered = dict(enumerate(before.items, before.sequence))
    for number, item in enumerate(after.items, after.sequence):
        assert numbered.get(number, item) == item, "a number has one segment for ever"
    left = [item for number, item in numbered.items() if number < after.sequence]
    if len(left) < len(before.items) or not before.items:
        assert after.discontinuity_sequence == before.discontinuity_sequence + sum(item.discontinuity for item in left)
    assert after.discontinuity_sequence >= before.discontinuity_sequence


def check_segments(items: Sequence[Item], read: Callable[[str], bytes]) -> None:
    """Every segment of a playlist: whole, decodable by itself, as long as it says, with the tracks that it declares."""
    assert len({item.uri for item in items}) == len(items)
    end_s: float | None = None
    for item in items:
        data = read(item.uri)
        seen = times(data)
        tracks = declared(data)
        assert tracks >= seen.keys(), "a PID for what is there"
        assert tracks == seen.keys() or item.duration_s < 0.5, (
            "and only for that (a scrap at a break may hold no sound)"
        )
        first_s = seen["video"][0]
        if end_s is not None and not item.discontinuity:
            assert abs(first_s - end_s) < 0.01, "without a discontinuity it follows"
        assert seen["video"][-1] - first_s <= item.duration_s + 0.01
        end_s = first_s + item.duration_s


def times(data: bytes) -> dict[str, list[float]]:
    """Return the presentation times of a segment's pictures and sound; its first picture must stand alone."""
    found: dict[str, list[float]] = {}
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        for packet in container.demux():
            if packet.pts is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            if packet.stream.type == "video" and "video" not in found:
                assert packet.is_keyframe, "it begins with a keyframe"
            found.setdefault(packet.stream.type, []).append(at_s)
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        assert len(list(container.decode(video=0))) == len(found["video"]), "every picture can be decoded"
    return found


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
