"""The watch page in real browsers, with streams that come, go and change; none of it needs a reload."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mosaicast.adapters.media.hls import HlsSegment
from mosaicast.runtime.clocks import wall_ms
from services.api.deps import Addresses
from services.api.http import watch
from services.api.http.app import create_app
from services.api.watching import WORDS
from synthetic.browsers import Name, Open, Page, running_chromium, running_firefox
from synthetic.session import wait_until
from tests.player import NEEDS_PLAYER
from tests.services.api.fakes import Desk
from tests.services.api.live_hls import Broadcast, Part, edge, programme
from tests.services.api.test_secrecy import serving
from tests.services.api.test_status import report

pytestmark = NEEDS_PLAYER

SOON_S = 60.0
BOTH = pytest.mark.parametrize("name", ["chromium", "firefox"])
SEEN = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
TIME = "document.querySelector('video').currentTime"
SHOWN = "document.querySelector('main').dataset.shown"
MESSAGE = "document.getElementById('message').textContent"
NOTES = "document.getElementById('notes').textContent"


def aside(call: Callable[[], Any]) -> Any:
    """Do something on another thread: Playwright has an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


class Stage:
    """An api, an edge, and a stream of which a test says what comes of it."""

    def __init__(self, desk: Desk, folder: Path, hls_url: str) -> None:
        desk.addresses = Addresses("rtmp://127.0.0.1:1935", hls_url)
        desk.build()
        desk.deps = replace(desk.deps, wall_ms=wall_ms)
        desk.app = create_app(desk.deps, desk.metrics, ready=lambda: True)
        created = aside(desk.create)
        self._desk, self._key, self.folder = desk, created["stream_key"], folder
        self.stream_id = str(created["stream_id"])
        self.broadcast = Broadcast(folder / "hls", self.stream_id)
        self.url = ""
        self.door = threading.Event()

    def live(self, made: Sequence[HlsSegment], *, there: int = 3) -> None:
        """The streamer is on air."""
        assert aside(lambda: self._desk.publish(self._key)).status_code in {200, 302}
        self.say("live")
        self.broadcast.begin(made, there=there)

    def over(self) -> None:
        """The streamer has ended."""
        aside(lambda: self._desk.publish_done(self._key))
        self.broadcast.end()

    def say(self, state: Any) -> None:
        for part in ("ingest", "compositor"):
            report(self._desk, self.stream_id, part, state)

    def delete(self) -> None:
        aside(lambda: self._desk.admin.delete(f"/v1/streams/{self.stream_id}"))

    def show(self, page: Page) -> None:
        page.open(f"{self.url}/watch/{self.stream_id}")


@pytest.fixture
def stage(desk: Desk, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        stage = Stage(desk, tmp_path, (server := stack.enter_context(edge(tmp_path / "hls"))).url)
        stage.door = server.door
        stage.url = stack.enter_context(serving(desk.app))
        stack.callback(stage.broadcast.stop)
        yield stage


@cache
def made(*parts: Part) -> list[HlsSegment]:
    """Make a programme once for both browsers."""
    with TemporaryDirectory() as folder:
        return programme(Path(folder), parts)


@pytest.fixture
def long() -> list[HlsSegment]:
    """Two minutes with sound: no busy machine is late for them."""
    return made(Part(120))


Browsers = Callable[[Name], Open]


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsers]:
    """Each is started when it is first wanted, and runs for all tests here: a start is seconds of CPU."""
    with ExitStack() as running:

        @cache
        def start(name: Name) -> Open:
            folder = tmp_path_factory.mktemp(name)
            return running.enter_context(running_chromium() if name == "chromium" else running_firefox(folder))

        yield start


def until(page: Page, expression: str, what: str) -> None:
    try:
        wait_until(lambda: bool(page.evaluate(expression)), SOON_S, what)
    except TimeoutError as exc:
        seen = [page.evaluate(each) for each in (SHOWN, NOTES, TIME, SEEN)]
        pytest.fail(f"{exc}; the page says {seen}; its console {page.complaints}")


def plays_on(page: Page, seconds: float = 3.0) -> None:
    """Time and pictures grow."""
    time_s, seen = page.evaluate(TIME), page.evaluate(SEEN)
    until(page, f"{TIME} > {time_s} + {seconds} && {SEEN} > {seen}", f"{seconds} s more than {time_s}")


def keep(page: Page, name: str, folder: Path) -> None:
    """Keep what is to be seen for whoever wants to look at it."""
    target = Path(os.environ.get("MOSAICAST_SCREENSHOTS", folder))
    page.screenshot(target / f"watch-{name}.png")


@BOTH
def test_a_stream_with_sound_plays_near_the_live_edge(
    stage: Stage, browsers: Browsers, name: Name, long: list[HlsSegment]
) -> None:
    with browsers(name)() as page:
        stage.live(long, there=4)
        stage.show(page)
        until(page, f"{SHOWN} === 'live'", "it is live")
        plays_on(page)
        assert page.evaluate(MESSAGE) == WORDS["live"]
        assert page.evaluate("document.querySelector('video').muted"), "or browsers play nothing by themselves"
        until(page, "Number(document.querySelector('main').dataset.behind) <= 6", "at most 6 s behind")
        assert WORDS["silent"] not in page.evaluate(NOTES)
        page.click("#sound")
        until(page, "!document.querySelector('video').muted", "the sound is on")
        assert page.evaluate("document.getElementById('sound').hidden")
        plays_on(page, 1.0)
        keep(page, f"live-{name}", stage.folder)
        assert page.complaints == []


@BOTH
def test_a_stream_without_sound_plays_and_says_so(stage: Stage, browsers: Browsers, name: Name) -> None:
    silent = made(Part(120, sound=False))
    with browsers(name)() as page:
        stage.live(silent)
        stage.show(page)
        until(page, f"{NOTES}.includes({WORDS['silent']!r})", "it says that there is no sound")
        plays_on(page)
        assert page.evaluate("document.getElementById('sound').hidden"), "there is nothing to turn on"
        assert page.complaints == []


@BOTH
@pytest.mark.parametrize("fps", [1.0, 3.0])
def test_a_few_pictures_a_second_play(stage: Stage, browsers: Browsers, name: Name, fps: float) -> None:
    slow = made(Part(120, fps=fps, sound=fps == 3.0))
    with browsers(name)() as page:
        stage.live(slow)
        stage.show(page)
        until(page, f"{SHOWN} === 'live'", "it is live")
        plays_on(page, 6.0)
        assert page.evaluate(SHOWN) == "live"


@BOTH
def test_sound_that_comes_and_goes_is_followed(stage: Stage, browsers: Browsers, name: Name) -> None:
    changing = made(Part(12, sound=False), Part(24), Part(100, sound=False))
    with browsers(name)() as page:
        stage.live(changing, there=2)
        stage.show(page)
        until(page, f"{NOTES}.includes({WORDS['silent']!r})", "first there is no sound")
        page.evaluate("window.same = true")
        until(page, f"{SHOWN} === 'live' && !{NOTES}.includes({WORDS['silent']!r})", "then there is")
        plays_on(page, 2.0)
        until(page, f"{SHOWN} === 'live' && {NOTES}.includes({WORDS['silent']!r})", "then it is gone")
        plays_on(page)
        assert page.evaluate("window.same"), "without a reload"


@BOTH
def test_an_end_is_told_and_a_new_beginning_plays(
    stage: Stage, browsers: Browsers, name: Name, long: list[HlsSegment]
) -> None:
    with browsers(name)() as page:
        stage.show(page)
        until(page, f"{SHOWN} === 'waiting'", "nobody is there yet")
        page.evaluate("window.same = true")
        stage.live(long, there=1)
        until(page, f"{SHOWN} === 'live'", "it plays by itself")
        plays_on(page, 2.0)
        stage.over()
        until(page, f"{MESSAGE} === {WORDS['ended']!r}", "the end")
        keep(page, f"ended-{name}", stage.folder)
        stage.live(long, there=1)
        until(page, f"{SHOWN} === 'live'", "it plays again by itself")
        plays_on(page, 2.0)
        assert page.evaluate("window.same"), "without a reload"


@BOTH
def test_after_a_stall_it_is_near_the_live_edge_again(
    stage: Stage, browsers: Browsers, name: Name, long: list[HlsSegment]
) -> None:
    with browsers(name)() as page:
        stage.live(long)
        stage.show(page)
        until(page, f"{SHOWN} === 'live'", "it plays")
        stage.door.clear()
        until(page, f"{MESSAGE} === {WORDS['stalled']!r}", "what was there is played")
        stage.door.set()
        until(page, f"{SHOWN} === 'live'", "it plays again")
        until(page, "Number(document.querySelector('main').dataset.behind) <= 6", "near the newest picture")
        plays_on(page, 2.0)


def test_what_is_wrong_is_told_in_a_viewers_words(stage: Stage, browsers: Browsers) -> None:
    with browsers("chromium")() as page:
        stage.show(page)
        until(page, f"{MESSAGE} === {WORDS['waiting']!r}", "nobody publishes")
        stage.live([])
        until(page, f"{MESSAGE} === {WORDS['loading']!r}", "live, without segments")
        stage.say("starting")
        until(page, f"{MESSAGE} === {WORDS['starting']!r}", "starting")
        stage.say("refused")
        until(page, f"{MESSAGE} === {WORDS['failed']!r}", "refused")
        page.evaluate("(main.dataset.state = 'http://127.0.0.1:9/', 1)")
        until(page, f"{MESSAGE} === {WORDS['away']!r}", "no answer")
        stage.show(page)
        stage.delete()
        until(page, f"{MESSAGE} === {WORDS['gone']!r}", "deleted")


def test_a_picture_that_cannot_be_reached_is_told(desk: Desk, browsers: Browsers, tmp_path: Path) -> None:
    stage = Stage(desk, tmp_path, "http://127.0.0.1:9/hls")
    with serving(desk.app) as stage.url, browsers("chromium")() as page:
        stage.live([])
        stage.show(page)
        until(page, f"{MESSAGE} === {WORDS['hidden']!r}", "the edge is not there")


def test_without_hls_js_a_browser_that_plays_hls_plays(
    stage: Stage, browsers: Browsers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, long: list[HlsSegment]
) -> None:
    monkeypatch.setattr(watch, "player_folder", lambda: tmp_path)
    with browsers("chromium")() as page:
        stage.live(long)
        stage.show(page)
        until(page, f"{SHOWN} === 'live'", "it plays")
        assert not page.evaluate("'Hls' in window")
        plays_on(page)


def test_a_browser_that_can_do_nothing_names_the_addresses(
    stage: Stage, browsers: Browsers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watch, "player_folder", lambda: tmp_path)
    with browsers("firefox")() as page:
        stage.show(page)
        until(page, f"{MESSAGE} === {WORDS['unable']!r}", "it can't")
        page.evaluate("(document.querySelector('details').open = true, 1)")
        assert stage.stream_id in page.evaluate("document.querySelector('dl').textContent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(stage: Stage, browsers: Browsers, scheme: str, long: list[HlsSegment]) -> None:
    with browsers("chromium")((360, 740), color_scheme=scheme, device_scale_factor=2, has_touch=True) as page:
        stage.live(long)
        stage.show(page)
        until(page, f"{SHOWN} === 'live'", "it plays")
        plays_on(page, 1.0)
        page.evaluate("(document.querySelector('details').open = true, 1)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        box = page.evaluate("(b => [b.width, b.height])(document.getElementById('sound').getBoundingClientRect())")
        assert min(box) >= 44, "large enough for a finger"
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(18, 18, 17)") == (scheme == "dark")
        keep(page, f"phone-{scheme}", stage.folder)


@pytest.mark.parametrize(("motion", "moves"), [("reduce", "none"), ("no-preference", "breathe")])
def test_nothing_moves_for_whoever_wants_that(stage: Stage, browsers: Browsers, motion: str, moves: str) -> None:
    with browsers("chromium")(reduced_motion=motion) as page:
        stage.show(page)
        until(page, f"{SHOWN} === 'waiting'", "nobody publishes")
        assert page.evaluate("getComputedStyle(document.querySelector('.dot')).animationName") == moves
