"""Publishers and sources that misbehave, and a browser that watches."""

import contextlib
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from synthetic import presets
from synthetic.browsers import chromium
from synthetic.oracle import Oracle, SourceClip
from synthetic.publisher import Publisher
from synthetic.session import LiveStream, LiveWatch, Session, text_at, wait_until
from tests.e2e.beside import ALONE, beside
from tests.e2e.conftest import FPS, MakeClip, light
from tests.player import NEEDS_PLAYER

REFUSED_S = 60.0
BATCH = 8
"""Sources at once."""
SECOND_NUMBER = 2000
"""Of the first frame of a clip that follows another."""
ENDED = {"refused", "ended", "quarantined", "error"}


def sequence(stream: LiveStream) -> int:
    found = re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text_at(stream.hls_url))
    return int(found.group(1)) if found else -1


def of_the_second(watch: LiveWatch) -> int:
    return sum(seen.kind == "clean" and (seen.number or 0) >= SECOND_NUMBER for seen in watch.sightings())


@beside(ALONE)
def test_a_publisher_that_was_killed_comes_back_in_another_size(
    quick_session: Session, owner: str, make_clip: MakeClip
) -> None:
    session = quick_session
    script = light(presets.small(["astronaut", "admiral"], seconds=8))
    first = make_clip("before", script)
    second = make_clip("after", replace(script, size_wh=(854, 480), first_number=SECOND_NUMBER))
    oracle = Oracle([SourceClip.load(first), SourceClip.load(second)], ["astronaut"])
    stream = session.create("comes back", owner=owner)
    with LiveWatch(stream.rtmp_url, oracle) as watch:
        publisher = session.publish(first, stream)
        wait_until(lambda: watch.count("clean") >= 5 * FPS, 60, "masked frames")
        before = sequence(stream)
        publisher.kill()
        wait_until(lambda: session.status(stream)["state"] == "waiting", 60, "the end of the first publisher")
        with session.publish(second, stream):
            wait_until(lambda: of_the_second(watch) >= 5 * FPS, 60, "5 s of masked frames in the other size")
            wait_until(lambda: sequence(stream) > before, 60, "HLS goes on")
        report = watch.report()
    assert before >= 0
    assert report.leaks == ()
    assert report.order_violations == (), "no old frame after a new one"


@beside()
def test_a_wrong_key_is_refused(quick_session: Session, pair_clip: Path) -> None:
    with Publisher(pair_clip, f"{quick_session.stack.addresses.publish_url}/wrong-key") as publisher:
        assert publisher.wait(REFUSED_S) not in {None, 0}


@beside()
def test_nobody_publishes_masked_pictures_but_the_compositor(quick_session: Session, pair_clip: Path) -> None:
    stream = quick_session.create("forged")
    with Publisher(pair_clip, stream.rtmp_url) as publisher:
        assert publisher.wait(REFUSED_S) not in {None, 0}


@beside(ALONE)
def test_nobody_plays_raw_pictures(quick_session: Session, owner: str, pair_clip: Path, pair_oracle: Oracle) -> None:
    stream = quick_session.create("raw", owner=owner)
    with quick_session.publish(pair_clip, stream):
        wait_until(lambda: quick_session.status(stream)["state"] == "live", 60, "the stream is live")
        raw = stream.rtmp_url.replace("/masked/", "/live/")
        with LiveWatch(raw, pair_oracle) as watch, LiveWatch(f"{raw}?token=guess", pair_oracle) as guess:
            with LiveWatch(stream.rtmp_url, pair_oracle) as masked:
                wait_until(lambda: masked.report().frames >= 3 * FPS, 60, "the masked one plays")
            assert watch.report().frames == 0
            assert guess.report().frames == 0


@beside(ALONE)
def test_a_second_publisher_is_refused_and_does_the_first_no_harm(
    quick_session: Session, owner: str, pair_clip: Path, pair_oracle: Oracle
) -> None:
    stream = quick_session.create("twice", owner=owner)
    with quick_session.publish(pair_clip, stream), LiveWatch(stream.rtmp_url, pair_oracle) as watch:
        wait_until(lambda: watch.count("clean") >= FPS, 60, "masked frames")
        with quick_session.publish(pair_clip, stream) as second:
            assert second.wait(REFUSED_S) not in {None, 0}
        refused_s = time.monotonic()
        wait_until(lambda: watch.count("clean", refused_s) >= 3 * FPS, 60, "the first goes on")
        report = watch.report()
    assert report.leaks == ()
    assert report.order_violations == ()
    assert report.freezes == 0


@pytest.mark.data
@pytest.mark.skipif("MOSAICAST_DATA" not in os.environ, reason="MOSAICAST_DATA does not name the shared data folder")
@beside(ALONE)
def test_every_malformed_source_ends_in_a_clear_state_and_hurts_nobody(
    quick_session: Session,
) -> None:
    session = quick_session
    root = Path(os.environ["MOSAICAST_DATA"]) / "malformed"
    malformed = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    pids = {name: session.stack.process(name).pid for name in ("api", "ingest", "detector", "recognizer", "compositor")}
    states: dict[str, tuple[str, str]] = {}
    for start in range(0, len(malformed), BATCH):
        paths = malformed[start : start + BATCH]
        batch = {path: session.create(path, {"kind": "file", "path": path}) for path in paths}
        for path, stream in batch.items():
            states[path] = settled(session, stream)
            session.api.delete(f"/v1/streams/{stream.stream_id}")
    assert pids == {name: session.stack.process(name).pid for name in pids}, "a service died"
    silent = {path: state for path, state in states.items() if state[0] in ENDED - {"ended"} and not state[1]}
    assert silent == {}, "a state without a reason"
    assert {state for state, _ in states.values()} <= ENDED | {"live"}, json.dumps(states, indent=1)


def settled(session: Session, stream: LiveStream) -> tuple[str, str]:
    def done() -> bool:
        return session.status(stream)["state"] in ENDED | {"live"}

    with contextlib.suppress(TimeoutError):
        wait_until(done, 120, "a clear state")
    status = session.status(stream)
    return status["state"], status["reason"]


@NEEDS_PLAYER
@beside(ALONE, browser=True)
def test_hls_plays_in_a_browser(quick_session: Session, owner: str, pair_clip: Path, tmp_path: Path) -> None:
    stream = quick_session.create("browser", owner=owner)
    with chromium((900, 600)) as page:
        page.open(f"{quick_session.stack.addresses.api_url}/watch/{stream.stream_id}")
        wait_until(lambda: page.evaluate("main.dataset.shown") == "waiting", 60, "the page waits for the streamer")
        with quick_session.publish(pair_clip, stream):
            wait_until(lambda: page.evaluate("main.dataset.shown") in {"live", "masked"}, 90, "the picture by itself")
            wait_until(lambda: page.evaluate("video.currentTime") > 2, 60, "it plays")
            size = page.evaluate("[video.videoWidth, video.videoHeight]")
            page.screenshot(Path(os.environ.get("MOSAICAST_SCREENSHOTS", tmp_path)) / "hls.png")
            quick_session.api.post(f"/v1/streams/{stream.stream_id}/panic")
            wait_until(lambda: page.evaluate("main.dataset.shown") == "masked", 60, "panic is told, and plays on")
        wait_until(lambda: page.evaluate("main.dataset.shown") == "ended", 90, "the end is told")
        # The player may ask for what is not there yet, and for what panic has taken back.
        assert all("404" in complaint for complaint in page.complaints)
    assert size == [640, 360]
