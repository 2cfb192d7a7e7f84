"""An FLV file as its tags, to be taken apart and put together otherwise."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

VIDEO = 9
AVC_KEYFRAME, AVC_INTER = 0x17, 0x27


class Tag(NamedTuple):
    """Kind (8 sound, 9 picture, 18 data), milliseconds, body."""

    kind: int
    at_ms: int
    body: bytes

    @property
    def is_video_header(self) -> bool:
        """Whether it is a decoder's configuration: AVC's, or one of enhanced RTMP."""
        return self.kind == VIDEO and (self.body[0] & 0x8F == 0x80 or (self.body[0] & 0x8F == 7 and self.body[1] == 0))


def tags(path: Path) -> Iterator[Tag]:
    data, at = path.read_bytes(), 13
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        at_ms = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield Tag(data[at] & 0x1F, at_ms, data[at + 11 : at + 11 + size])
        at += size + 15


def write(path: Path, wanted: Iterable[Tag]) -> Path:
    parts = [b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"]
    for kind, at_ms, body in wanted:
        stamp = (at_ms & 0xFFFFFF).to_bytes(3, "big") + bytes([at_ms >> 24])
        parts.append(bytes([kind]) + len(body).to_bytes(3, "big") + stamp + bytes(3) + body)
        parts.append((len(body) + 11).to_bytes(4, "big"))
    path.write_bytes(b"".join(parts))
    return path


def avc_tag(at_ms: int, *units: bytes, first: int = AVC_INTER) -> Tag:
    """Return a tag of H.264 with these units, shown when it is decoded."""
    body = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    return Tag(VIDEO, at_ms, bytes([first, 1, 0, 0, 0]) + body)


def with_after(path: Path, clip: Path, extra: Callable[[int, Tag], Iterable[Tag]]) -> Path:
    """Copy a clip, and after each picture what `extra` makes of its number and its tag."""

    def edited() -> Iterator[Tag]:
        number = 0
        for tag in tags(clip):
            yield tag
            if tag.kind == VIDEO and not tag.is_video_header:
                yield from extra(number, tag)
                number += 1

    return write(path, edited())
