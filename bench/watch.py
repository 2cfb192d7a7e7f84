"""How the watch page plays beside other streams: `python -m bench.watch --minutes 10 --streams 4`.

Publishes so many small broadcasts to a product of its own, opens the watch page of the first in Chromium, and looks at
it four times a second. Writes bench/out/watch.json. Exit status: 1 if the picture stood, or was more than 6 s behind.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mosaicast.runtime import logs
from mosaicast.runtime.lifecycle import StopEvent
from services.cli.client import ApiClient
from services.cli.stack import Stack, StackOptions
from synthetic import presets
from synthetic.browsers import Page, chromium
from synthetic.cast import load_cast
from synthetic.clip import write_clip
from synthetic.session import Session, wait_until

OUT = Path("bench/out/watch.json")
EVERY_S = 0.25
STANDS_S = 1.0
"""The picture stands if its time has not grown for longer."""
MOST_BEHIND_S = 6.0
PLAYING_S = 120.0
_LOOK = """(() => {
    const video = document.querySelector('video'), main = document.querySelector('main');
    const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
    return [video.currentTime, totalVideoFrames, droppedVideoFrames, main.dataset.shown, main.dataset.behind];
})()"""


@dataclass(slots=True)
class Watched:
    """What was seen of the page. Seconds."""

    streams: int
    seconds: float = 0.0
    frames: int = 0
    dropped: int = 0
    stalls_s: list[float] = field(default_factory=list)
    """How long the picture stood, each time."""
    behind_median_s: float = 0.0
    """Since the masked picture left; it was filmed the stream's delay (1 s) before."""
    behind_worst_s: float = 0.0
    shown_s: dict[str, float] = field(default_factory=dict)
    """How long the page said what."""

    @property
    def good(self) -> bool:
        """Whether it holds what is promised."""
        return not self.stalls_s and 0 < self.behind_worst_s <= MOST_BEHIND_S


def main(argv: list[str] | None = None) -> int:
    """Run it and return its exit status."""
    parser = argparse.ArgumentParser(prog="bench.watch", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=4)
    arguments = parser.parse_args(argv)
    logs.configure("bench", level="WARNING")
    stop = StopEvent().install()
    with tempfile.TemporaryDirectory(prefix="mosaicast-watch-") as folder:
        watched = _run(Path(folder), arguments.streams, arguments.minutes * 60, stop)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**asdict(watched), "good": watched.good}, indent=1)
    OUT.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return 0 if watched.good else 1


def _run(folder: Path, streams: int, seconds: float, stop: StopEvent) -> Watched:
    people = load_cast()
    clip = folder / "small.flv"
    write_clip(clip, presets.small(["astronaut", "admiral"], seconds=24), people)
    token = "bench"  # of this run only, on this machine only
    options = StackOptions(data_dir=folder / "data", rtmp_port=0, http_port=0, api_port=0, admin_token=token)
    with ExitStack() as running:
        stack = running.enter_context(Stack(options))
        addresses = stack.start()
        session = Session(stack, running.enter_context(ApiClient(addresses.api_url, token)), folder)
        made = [session.create(f"stream {number}") for number in range(streams)]
        for stream in made:
            running.enter_context(session.publish(clip, stream))
        page = running.enter_context(chromium())
        page.open(f"{addresses.api_url}/watch/{made[0].stream_id}")
        wait_until(lambda: page.evaluate(_LOOK)[3] in {"live", "masked"}, PLAYING_S, "the page plays")
        stop.wait(5.0)  # how it begins is another measurement
        return _watch(page, Watched(streams), seconds, stop)


def _watch(page: Page, watched: Watched, seconds: float, stop: StopEvent) -> Watched:
    begin_s = moved_s = time.monotonic()
    at, behind_s = -1.0, []
    while (now_s := time.monotonic()) - begin_s < seconds and not stop.wait(EVERY_S):
        time_s, watched.frames, watched.dropped, shown, behind = page.evaluate(_LOOK)
        if time_s != at:
            if now_s - moved_s > STANDS_S:
                watched.stalls_s.append(round(now_s - moved_s, 2))
            at, moved_s = time_s, now_s
        if behind:
            behind_s.append(float(behind))
        watched.shown_s[shown] = round(watched.shown_s.get(shown, 0.0) + EVERY_S, 2)
    if now_s - moved_s > STANDS_S:
        watched.stalls_s.append(round(now_s - moved_s, 2))
    watched.seconds = round(now_s - begin_s, 1)
    watched.behind_median_s = round(statistics.median(behind_s), 2) if behind_s else 0.0
    watched.behind_worst_s = max(behind_s, default=0.0)
    return watched


if __name__ == "__main__":
    sys.exit(main())
