"""FLV files of H.264 with other units between their pictures."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.flv_tags import PICTURE, Tag, read_tags, write_tags

AVC_KEYFRAME, AVC_INTER = 0x17, 0x27


def avc_tag(at_ms: int, *units: bytes, first: int = AVC_INTER) -> Tag:
    """Return a tag of H.264 with these units, shown when it is decoded."""
    body = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    return Tag(PICTURE, at_ms, bytes([first, 1, 0, 0, 0]) + body)


def with_after(path: Path, clip: Path, extra: Callable[[int, Tag], Iterable[Tag]]) -> Path:
    """Copy a clip, and after each picture what `extra` makes of its number and its tag."""

    def edited() -> Iterator[Tag]:
        number = 0
        for tag in read_tags(clip):
            yield tag
            if tag.kind == PICTURE and not tag.is_video_header:
                yield from extra(number, tag)
                number += 1

    return write_tags(path, edited())
