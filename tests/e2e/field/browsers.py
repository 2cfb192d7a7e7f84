"""What a browser plays of the watch page."""

import threading
from typing import Any

import pytest

from tests.e2e.field.rows import Live

PLAYS_S = 60.0
LOOKS, EVERY_S = 4, 1.0
CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
LOOK = """(() => {
    const video = document.querySelector('video');
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    return {time: video.currentTime, frames, error: video.error ? video.error.message : ''};
})()"""


def page_of(live: Live, browser: str) -> list[dict[str, Any]]:
    """Open the watch page of a broadcast until it plays, and look at its video some times."""
    return {"chromium": chromium}[browser](f"{live.session.stack.addresses.api_url}/watch/{live.stream.stream_id}")


def chromium(url: str) -> list[dict[str, Any]]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        page = browser.new_page(viewport={"width": 900, "height": 600}, bypass_csp=True)
        page.goto(url)
        page.wait_for_function("document.querySelector('video').currentTime > 1", timeout=PLAYS_S * 1000)
        looks = []
        for _ in range(LOOKS):
            looks.append(page.evaluate(LOOK))
            threading.Event().wait(EVERY_S)
        browser.close()
    return looks
