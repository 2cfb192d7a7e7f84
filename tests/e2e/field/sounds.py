"""Inputs that no ffmpeg sends by itself: sound that becomes another in the middle, or lies on another clock."""

from collections.abc import Sequence
from pathlib import Path

from tests.e2e.field.inputs import Make
from tests.e2e.flv_publisher import Timed
from tests.flv_tags import SOUND, Tag, read_tags

_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"


def turning_into(first: Make, second: Make, at_s: float) -> Make:
    """Return what writes the first media with the sound of the second from `at_s` on; both are FLV."""

    def write(path: Path) -> None:
        parts = []
        for name, make in (("a", first), ("b", second)):
            part = path.with_suffix(f".{name}")
            make(part)
            parts.append(list(read_tags(part)))
        at_ms = round(at_s * 1000)
        before = [tag for tag in parts[0] if tag.kind != SOUND or tag.at_ms < at_ms]
        header = [tag.at(at_ms) for tag in parts[1] if tag.kind == SOUND and tag.is_header]
        after = [tag for tag in parts[1] if tag.kind == SOUND and tag.at_ms >= at_ms and not tag.is_header]
        write_flv(path, sorted([*before, *header, *after], key=lambda tag: tag.at_ms))

    return write


def write_flv(path: Path, tags: Sequence[Tag]) -> None:
    path.write_bytes(_HEADER + b"".join(tag.encoded() for tag in tags))


def as_it_is(timed: list[Timed]) -> list[Timed]:
    """Send it tag by tag: an ffmpeg would mend it."""
    return timed


def without_headers(timed: list[Timed]) -> list[Timed]:
    """Leave out what says how AAC is coded."""
    return [each for each in timed if each.tag.kind != SOUND or not each.tag.is_header]


def on_another_clock(timed: list[Timed], ahead_s: float) -> list[Timed]:
    """Send sound when it was sent, with times that are so far ahead (below 0: behind)."""
    return [Timed(at_s, tag.at(tag.at_ms + round(ahead_s * 1000)) if tag.kind == SOUND else tag) for at_s, tag in timed]
