"""An FLV file as its tags, to be taken apart, put together otherwise, and published."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

SOUND, PICTURE, DATA = 8, 9, 18
"""Types of tags (FLV 10.1, E.4.1)."""
FLV_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"

_TAG_BYTES = 11


class Tag(NamedTuple):
    """One FLV tag."""

    kind: int
    at_ms: int
    body: bytes

    @property
    def is_media(self) -> bool:
        """Sound or picture; the first ones only say how to decode what follows."""
        return self.kind in (SOUND, PICTURE)

    @property
    def is_header(self) -> bool:
        """AAC's or H.264's sequence header, which carries no sound and no picture."""
        codec = self.body[0] >> 4 if self.kind == SOUND else self.body[0] & 0x0F
        return self.is_media and (self.kind, codec) in {(SOUND, 10), (PICTURE, 7)} and self.body[1] == 0

    @property
    def is_video_header(self) -> bool:
        """Whether it is a decoder's configuration: AVC's, or one of enhanced RTMP."""
        enhanced = self.kind == PICTURE and self.body[0] & 0x8F == 0x80
        return enhanced or (self.kind == PICTURE and self.body[0] & 0x8F == 7 and self.body[1] == 0)

    def at(self, ms: int) -> "Tag":
        """Return it with another time; below zero it wraps, as 32 bits do."""
        return self._replace(at_ms=ms & 0xFFFFFFFF)

    def encoded(self) -> bytes:
        """Return it as it stands in a file, its length behind it."""
        size, when = len(self.body).to_bytes(3, "big"), self.at_ms
        head = bytes([self.kind]) + size + (when & 0xFFFFFF).to_bytes(3, "big") + bytes([when >> 24]) + bytes(3)
        return head + self.body + (len(self.body) + _TAG_BYTES).to_bytes(4, "big")


def read_tags(path: Path) -> Iterator[Tag]:
    """Yield the tags of an FLV file."""
    data, at = path.read_bytes(), len(FLV_HEADER)
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        time_ms = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield Tag(data[at] & 0x1F, time_ms, data[at + _TAG_BYTES : at + _TAG_BYTES + size])
        at += size + _TAG_BYTES + 4


def write_tags(path: Path, tags: Iterable[Tag]) -> Path:
    """Write an FLV file of these tags."""
    path.write_bytes(FLV_HEADER + b"".join(tag.encoded() for tag in tags))
    return path
