"""What the watch page plays, in which browser. Rows for Firefox here are its share of the whole table."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.api.watching import WORDS
from synthetic.publisher import Publisher
from tests.e2e.field.inputs import media, without
from tests.e2e.field.playing import PLAIN
from tests.e2e.field.rows import Live, Row
from tests.e2e.flv_publisher import Timed
from tests.flv_tags import SOUND

ANYTHING = ".*"
SILENT = media(sound=None)
SLOW = {fps: media(rate=fps, sound=None if fps == 1 else ("-c:a", "aac", "-ar", "44100")) for fps in (1, 3)}
"""One picture a second has no sound either."""


def coming_and_going(timed: list[Timed]) -> list[Timed]:
    """Sound is away for 8 s, there for 8 s, and so on."""
    for begin_s in range(6, 120, 16):
        timed = without(timed, SOUND, begin_s, begin_s + 8.0)
    return timed


def says_that_it_is_silent(live: Live) -> None:
    assert all(WORDS["silent"] in look["notes"] for look in live.page[1:]), live.page


def says_when_it_is_silent(live: Live) -> None:
    plays = [look for look in live.page if look["shown"] in {"live", "masked"}]
    assert {WORDS["silent"] in look["notes"] for look in plays} == {True, False}, live.page


@contextmanager
def twice(live: Live, path: Path) -> Iterator[None]:
    """The streamer goes away after a while, without a word, and is back soon."""
    first = Publisher(path, live.url)
    try:
        live.until(lambda: live.hls_watch.count >= 3, "segments before the break")
        first.kill()
        live.until(lambda: live.states[-1].state == "waiting", "the end of the first")
        with Publisher(path, live.url):
            yield
    finally:
        first.kill()


ROWS: tuple[Row, ...] = (
    Row("page: no sound, Chromium", SILENT, tracks={"video"}, shows=says_that_it_is_silent, browser="chromium"),
    Row("page: no sound, Firefox", SILENT, tracks={"video"}, shows=says_that_it_is_silent, browser="firefox"),
    Row(
        "page: a picture a second, Chromium", SLOW[1], tracks={"video"}, pictures=12, sentence=ANYTHING,
        browser="chromium", looks=6,
    ),
    Row(
        "page: three pictures a second, Firefox", SLOW[3], pictures=30, sentence=ANYTHING, browser="firefox", looks=6,
    ),
    Row(
        "page: sound comes and goes, Chromium", PLAIN, edit=coming_and_going, shows=says_when_it_is_silent,
        browser="chromium", looks=22,
    ),
    Row(
        "page: sound comes and goes, Firefox", PLAIN, edit=coming_and_going, shows=says_when_it_is_silent,
        browser="firefox", looks=22,
    ),
    Row("page: a picture on end, Firefox", media(size="144x256"), browser="firefox"),
    Row("page: the streamer comes back, Firefox", PLAIN, publish=twice, segments=4, browser="firefox", looks=8),
)  # fmt: skip
