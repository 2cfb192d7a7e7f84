"""What a browser plays of the watch page."""

import threading
from typing import Any, Literal, cast

from synthetic.browsers import Page, browser
from synthetic.session import wait_until
from tests.e2e.field.rows import Live

PLAYS_S = 60.0
EVERY_S = 1.0
LOOK = """(() => {
    const video = document.querySelector('video'), main = document.querySelector('main');
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    const error = video.error ? video.error.message : '';
    const notes = document.getElementById('notes').textContent;
    return {time: video.currentTime, frames, error, shown: main.dataset.shown, notes};
})()"""


def page_of(live: Live, name: str, looks: int) -> list[dict[str, Any]]:
    """Open the watch page of a broadcast until it plays, and look at it some times, a second apart."""
    with browser(cast("Literal['chromium', 'firefox']", name), live.folder) as page:
        page.open(f"{live.session.stack.addresses.api_url}/watch/{live.stream.stream_id}")
        wait_until(lambda: plays(page), PLAYS_S, f"the watch page plays in {name}: {page.evaluate(LOOK)}")
        seen = []
        for _ in range(looks):
            seen.append(page.evaluate(LOOK))
            threading.Event().wait(EVERY_S)
        return counted_through(seen)


def plays(page: Page) -> bool:
    seen: dict[str, Any] = page.evaluate(LOOK)
    return bool(seen.get("shown") in {"live", "masked"} and seen["frames"] > 0)


def counted_through(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A video that begins anew counts its frames and its time anew: go on counting."""
    for what in ("frames", "time"):
        done = last = 0
        for look in looks:
            done += last if look[what] < last else 0
            last = look[what]
            look[what] += done
    return looks
