"""Clocks and ways: lag, jitter, stillness, time that jumps."""

import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.field.inputs import RATE, delayed, media
from tests.e2e.field.playing import PLAIN
from tests.e2e.field.rows import Live, Row, in_step, once_more
from tests.e2e.flv_publisher import TagPublisher, Timed, in_real_time
from tests.flv_tags import PICTURE, read_tags

BEGIN_S = 8.0
"""By then everybody watches."""
SLACK_FRAMES = RATE
"""A second of full mosaic: the first frames of a stream have nothing before them, and the machine has other work."""
STILL = "The source sends no pictures; the last one goes on."
BEHIND = r"The way from the source has become longer: pictures are \d+\.\d s behind it, not 1\.0 s."


def little_mosaic(most_s: float) -> Callable[[Live], None]:
    """At most so much left as full mosaic so far, and hardly anything was late.

    Where the detector had no time for samples (`verdict_lost`), the machine mosaics more than the way does: nothing can
    be said of it then.
    """

    def judge(live: Live) -> None:
        books = live.session.books(live.stream)
        assert books.dropped.get("late", 0) <= RATE, live.summary()
        if books.full_mosaic.get("verdict_lost", 0) == 0:
            assert sum(books.full_mosaic.values()) <= most_s * RATE + SLACK_FRAMES, live.summary()

    return judge


def ordered(live: Live) -> None:
    """RTMP's pictures came in order, and sound is with them."""
    assert live.rtmp.in_order(), live.summary()
    in_step(live)


def way(late_s: Callable[[float], float]) -> Callable[[list[Timed]], list[Timed]]:
    """Return an edit that sends each tag so much later than its time says, in their order."""

    def edit(timed: list[Timed]) -> list[Timed]:
        made: list[Timed] = []
        for at_s, tag in timed:
            send_s = at_s + late_s(at_s)
            made.append(Timed(max(send_s, made[-1].send_s) if made else send_s, tag))
        return made

    return edit


def clock(to_ms: Callable[[int], int]) -> Callable[[list[Timed]], list[Timed]]:
    """Return an edit that sends each tag when it was, with another time."""
    return lambda timed: [Timed(at_s, tag.at(to_ms(tag.at_ms))) for at_s, tag in timed]


def silent(timed: list[Timed], begin_s: float, for_s: float, *, clock_goes_on: bool) -> list[Timed]:
    """Send nothing for a while; what follows bears the time at which it is sent, or that at which it was made."""
    made = []
    for at_s, tag in timed:
        if at_s < begin_s:
            made.append(Timed(at_s, tag))
        elif clock_goes_on:
            made.append(Timed(at_s + for_s, tag.at(tag.at_ms + round(for_s * 1000))))
        else:
            made.append(Timed(at_s + for_s, tag))
    return made


def stood_still(live: Live) -> None:
    """Pictures went on while the source was silent, and after it, in the same push."""
    assert live.said("live", STILL), live.summary()
    assert live.rtmp.in_order(), live.summary()
    assert len(live.rtmp.described) == 1, "viewers stay connected"
    assert live.rtmp.longest_stall_s < 6.0, live.summary()
    assert live.hls_watch.count >= 5, live.summary()


def come_back(live: Live) -> None:
    """The source stands still, and then goes on."""
    live.until(lambda: live.said("live", STILL), STILL)
    live.until(lambda: live.states[-1].reason != STILL, "other pictures")
    once_more(live)


FROZEN_S = 8.0


@contextmanager
def freezing(live: Live, path: Path) -> Any:
    """Publish with a process that is stopped for a while: nothing comes, and nobody hangs up."""
    with TagPublisher(in_real_time(read_tags(path)), live.url) as publisher:
        timers = [
            threading.Timer(BEGIN_S, os.kill, (publisher.pid, signal.SIGSTOP)),
            threading.Timer(BEGIN_S + FROZEN_S, os.kill, (publisher.pid, signal.SIGCONT)),
        ]
        for timer in timers:
            timer.start()
        try:
            yield publisher
        finally:
            for timer in timers:
                timer.cancel()
            os.kill(publisher.pid, signal.SIGCONT)


def frozen(live: Live, path: Path) -> AbstractContextManager[Any]:
    return freezing(live, path)


def in_order(live: Live) -> None:
    """RTMP's pictures came in order."""
    assert live.rtmp.in_order(), live.summary()


def slow(rate: int) -> Row:
    """A few pictures a second: full mosaic, for nobody knows what is between them."""
    picture = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", str(2 * rate))
    made = media(rate=rate, picture=(*picture, "-pix_fmt", "yuv420p"))
    return Row(f"{rate} pictures a second", made, pictures=10 * rate, shows=in_order)


LONG = media(seconds=60)

ROWS: tuple[Row, ...] = (
    Row("script 03: the way becomes 1.2 s longer for good", PLAIN, edit=lambda timed: delayed(timed, BEGIN_S, 1.2),
        sentence=BEHIND, during=little_mosaic(2.0), shows=ordered, pictures=16 * RATE),
    Row("the way becomes 3 s longer for good", PLAIN, edit=lambda timed: delayed(timed, BEGIN_S, 3.0),
        sentence=BEHIND, during=little_mosaic(2.0), shows=ordered, pictures=16 * RATE),
    Row("the way becomes 0.4 s longer for good", PLAIN, edit=lambda timed: delayed(timed, BEGIN_S, 0.4),
        sentence=BEHIND, during=little_mosaic(1.0), shows=ordered, pictures=16 * RATE),
    Row("the way becomes 1.5 s longer, and good again", LONG,
        edit=way(lambda at_s: 1.5 if BEGIN_S <= at_s < BEGIN_S + 6 else 0.0),
        sentence=BEHIND, during=little_mosaic(2.0), shows=ordered, pictures=24 * RATE),
    Row("everything comes in bursts, 0.6 s at a time", PLAIN, edit=way(lambda at_s: 0.6 - at_s % 0.6),
        during=little_mosaic(2.0), shows=ordered, pictures=14 * RATE),
    Row("a still source whose clock goes on", LONG,
        edit=lambda timed: silent(timed, BEGIN_S, 10.0, clock_goes_on=True),
        sentence=re.escape(STILL), during=come_back, shows=stood_still),
    Row("a still source that goes on where it was", LONG,
        edit=lambda timed: silent(timed, BEGIN_S, 10.0, clock_goes_on=False),
        sentence=re.escape(STILL), during=come_back, shows=stood_still),
    Row("pictures stand still, sound goes on", LONG,
        edit=lambda timed: [each for each in timed if each.tag.kind != PICTURE or not BEGIN_S <= each.send_s < 16.0],
        sentence=re.escape(STILL), during=come_back, shows=stood_still),
    Row("a publisher that is frozen and comes back", LONG, publish=frozen, sentence=re.escape(STILL), during=come_back,
        shows=stood_still),
    Row("a clock that wraps", PLAIN, edit=clock(lambda ms: (ms + 2**32 - 9_000) & 0xFFFFFFFF), shows=ordered,
        pictures=16 * RATE),
    Row("a clock that jumps by 5 s", PLAIN, edit=clock(lambda ms: ms + 5_000 * (ms >= 8_000)), shows=in_order,
        pictures=16 * RATE),
    Row("a clock that goes back by 2 s", PLAIN, edit=clock(lambda ms: ms - 2_000 * (ms >= 8_000)), shows=ordered,
        pictures=16 * RATE),
    slow(1), slow(2), slow(3),
)  # fmt: skip
