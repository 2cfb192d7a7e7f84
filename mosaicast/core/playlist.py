"""The HLS media playlist of one live stream (RFC 8216), as a pure machine: segments in, text out."""

from collections import deque
from dataclasses import dataclass

TARGET_S = 2
"""EXT-X-TARGETDURATION, which must not change (RFC 8216, 6.2.1): keyframes come every 2 s. Players stay three of it
behind."""
WINDOW_S = 12.0
"""At least so much is in the list: three times the target are the least that RFC 8216 (6.2.2) asks for."""
GRACE = 1
"""Segments kept after they left the list (FFmpeg's `hls_delete_threshold`): a player may be about to ask for one."""

_APART_S, _BREAKS = 4, 10_000
"""EXT-X-DISCONTINUITY-SEQUENCE begins at another number in each run (two are `_APART_S` apart or more), for players
keep the clock of a number; and it stays small, for hls.js keeps those clocks in an array that it walks from 0: at the
number of today's second the page hangs. Once in 11 hours a run begins lower than the one before, with new segments."""


def keeps_to_target(duration_s: float) -> bool:
    """Return whether a segment's length, as it is written, rounds to the target duration or below (4.3.3.1)."""
    return round(duration_s, 3) < TARGET_S + 0.5


@dataclass(frozen=True, slots=True)
class Entry:
    """One segment."""

    name: str
    """Address relative to the playlist."""
    duration_s: float
    began: str
    """When it was live, ISO 8601."""
    discontinuity: bool
    """Times or formats do not follow from the segment before."""


class Playlist:
    """What players are told to load. Media sequence and discontinuity sequence only rise.

    Args:
        first_sequence: media sequence number of the first segment; more than any that players may have seen before.
    """

    def __init__(self, first_sequence: int) -> None:
        self._sequence = first_sequence
        self._discontinuities = first_sequence // _APART_S % _BREAKS
        self._entries: deque[Entry] = deque()
        self._leaving: deque[str] = deque()
        self._broken = False
        self.ended = False

    def add(self, entry: Entry) -> list[str]:
        """Append a segment, and return the names of those that are to be deleted now.

        A list that has ended begins anew with it.

        Raises:
            ValueError: the segment is longer than the target.
        """
        if not keeps_to_target(entry.duration_s):
            raise ValueError(f"a segment of {entry.duration_s} s, at a target of {TARGET_S} s")
        gone = self.clear() if self.ended else []
        self.ended = False
        # Also the first one: players may have seen the list of an earlier run.
        entry = Entry(entry.name, entry.duration_s, entry.began, entry.discontinuity or self._broken)
        self._broken = False
        self._entries.append(entry)
        while sum(one.duration_s for one in self._entries) - self._entries[0].duration_s >= WINDOW_S:
            self._leaving.append(self._drop().name)
        while len(self._leaving) > GRACE:
            gone.append(self._leaving.popleft())
        return gone

    def clear(self) -> list[str]:
        """Forget all segments and return their names: none of them may be shown any more. The next one is a break."""
        gone = list(self._leaving)
        self._leaving.clear()
        while self._entries:
            gone.append(self._drop().name)
        self._broken = True
        return gone

    def lost(self) -> None:
        """A segment never made it: what follows it is a break."""
        self._broken = True

    def end(self) -> None:
        """Nothing follows."""
        self.ended = True

    def text(self) -> str:
        """Return the playlist's text."""
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"#EXT-X-TARGETDURATION:{TARGET_S}",
            f"#EXT-X-MEDIA-SEQUENCE:{self._sequence}",
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{self._discontinuities}",
            "#EXT-X-INDEPENDENT-SEGMENTS",
        ]
        for entry in self._entries:
            lines += ["#EXT-X-DISCONTINUITY"] if entry.discontinuity else []
            lines += [f"#EXT-X-PROGRAM-DATE-TIME:{entry.began}", f"#EXTINF:{entry.duration_s:.3f},", entry.name]
        lines += ["#EXT-X-ENDLIST"] if self.ended else []
        return "\n".join(lines) + "\n"

    def _drop(self) -> Entry:
        entry = self._entries.popleft()
        self._sequence += 1
        self._discontinuities += entry.discontinuity
        return entry
