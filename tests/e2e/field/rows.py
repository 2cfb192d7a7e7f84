"""A row of the table, and what there is to judge it by."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthetic.session import LiveStream, Session, wait_until
from tests.e2e.background import Background
from tests.e2e.field.inputs import Edit, Make
from tests.e2e.field.recording import Recording, Watching, recorded
from tests.e2e.hls_watch import HlsWatch

ENOUGH_S = 90.0
"""Everything that a row wants is seen within so long on any machine."""
STATES_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Said:
    """A state and its sentence, and when it was read first (monotonic seconds)."""

    at_s: float
    state: str
    reason: str


@dataclass(slots=True)
class Live:
    """A broadcast of a row: what its viewers have got so far."""

    session: Session
    stream: LiveStream
    folder: Path
    rtmp: Recording
    hls_watch: HlsWatch
    states: list[Said] = field(default_factory=list)
    """Each change of what the status says."""
    publisher: Any = None
    page: list[dict[str, Any]] = field(default_factory=list)
    """What a browser that watched saw of the watch page each second: its time, frames and error, and its words."""

    @property
    def hls(self) -> Recording:
        """What HLS gave so far, decoded now."""
        stretches: list[bytes] = []
        for item in list(self.hls_watch.items):
            data = self.hls_watch.segments.get(item.uri, b"")
            if item.discontinuity or not stretches or not data:
                stretches.append(data)
            else:
                stretches[-1] += data
        return recorded(stretch for stretch in stretches if stretch)

    @property
    def url(self) -> str:
        """Where the streamer publishes, key included."""
        return f"{self.session.stack.addresses.publish_url}/{self.stream.key}"

    def said(self, state: str, sentence: str) -> bool:
        """Whether the status has said so (`sentence` is a regular expression for the whole of it)."""
        return any(said.state == state and re.fullmatch(sentence, said.reason) for said in list(self.states))

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for something; TimeoutError tells what was seen instead."""
        try:
            wait_until(true, ENOUGH_S, what)
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}; {self.summary()}") from None

    def summary(self) -> str:
        """What was seen, for a failure's text."""
        said = [(each.state, each.reason) for each in self.states]
        return (
            f"rtmp {len(self.rtmp.pictures)} pictures, {sorted(self.rtmp.tracks)}; hls {self.hls_watch.count} "
            f"segments; said {said}; {self.session.books(self.stream)}"
        )


Shows = Callable[[Live], None]
Publish = Callable[[Live, Path], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """An input and what comes of it.

    Attributes:
        name: unique in the table; says the kind of input.
        media: writes the file that is published.
        edit: changes its FLV tags and when each is sent; without it a real ffmpeg publishes the file as it is.
        publish: another publisher than those two.
        tracks: what RTMP and HLS viewers get, no more and no less. Empty: they get nothing.
        pictures: RTMP viewers have got so many before the row is judged.
        segments: and HLS viewers so many.
        state, sentence: what the status says at some moment of it; `sentence` is a regular expression for all of it.
        during: done while it plays, once all of the above was seen; it may wait for more.
        shows: judges what was seen; raises AssertionError.
        browser: which browser opens the watch page meanwhile: "chromium", "firefox" or "".
        looks: and looks at it so often, a second apart.
    """

    name: str
    media: Make
    edit: Edit | None = None
    publish: Publish | None = None
    tracks: frozenset[str] | set[str] = frozenset({"video", "audio"})
    pictures: int = 40
    segments: int = 2
    state: str = "live"
    sentence: str = ""
    during: Shows | None = None
    shows: Shows | None = None
    browser: str = ""
    looks: int = 4


class StatesWatch(Background):
    """Reads what the status says of a broadcast. A context manager."""

    def __init__(self, live: Live) -> None:
        self._live = live
        super().__init__("states")

    def run(self) -> None:
        while not self._stop.wait(STATES_EVERY_S):
            status = self._live.session.status(self._live.stream)
            said = Said(time.monotonic(), status["state"], status["reason"])
            if not self._live.states or (said.state, said.reason) != (
                self._live.states[-1].state,
                self._live.states[-1].reason,
            ):
                self._live.states.append(said)


def watching(session: Session, stream: LiveStream, folder: Path) -> tuple[Live, list[AbstractContextManager[Any]]]:
    """Return a broadcast of a stream, and who must be entered to watch it."""
    viewer, hls = Watching(stream.rtmp_url), HlsWatch(stream)
    live = Live(session, stream, folder, viewer.recording, hls)
    return live, [viewer, hls, StatesWatch(live)]


def in_step(live: Live) -> None:
    """Sound is within 40 ms of its picture, wherever there are both; 20 ms more for the meter."""
    for who, recording in (("rtmp", live.rtmp), ("hls", live.hls)):
        offsets_s = recording.offsets_s
        assert offsets_s, "flashes and beeps"
        assert max(map(abs, offsets_s)) <= 0.04 + 0.02, f"{who}: {offsets_s}"


def once_more(live: Live) -> None:
    """Another 30 pictures come."""
    seen = len(live.rtmp.pictures)
    live.until(lambda: len(live.rtmp.pictures) >= seen + 30, "30 more pictures")
