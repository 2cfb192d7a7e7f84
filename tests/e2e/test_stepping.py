"""A source whose clock goes back, again and again: nobody is shown, and it plays on."""

import time
from collections.abc import Mapping

from bench.failures import Observation, record
from synthetic import presets
from synthetic.cast import Person
from synthetic.oracle import SourceClip
from synthetic.session import LiveWatch, Session, wait_until
from tests.e2e.beside import ALONE, beside
from tests.e2e.conftest import FPS, MakeClip, light
from tests.e2e.retimed import SteppingPublisher
from tests.e2e.test_live import balance
from tests.e2e.watching import KeepingOracle

STEPS = 6
BACK = "the publisher's clock goes back"
SLACK_S = 60.0
"""Far beyond what is needed, on any machine."""


@beside(ALONE)
def test_a_source_whose_clock_goes_back_shows_nobody_and_plays_on(
    session: Session, people: Mapping[str, Person], make_clip: MakeClip
) -> None:
    clip = make_clip("restless", light(presets.restless(["astronaut", "admiral"], "coach")))
    session.enroll("Eileen", people["astronaut"], owner="stepping")
    stream = session.create("stepping", owner="stepping")
    url = f"{session.stack.addresses.publish_url}/{stream.key}"
    with (
        SteppingPublisher(clip, url, every_s=3.7, back_ms=(40, 417, 2000)) as publisher,
        LiveWatch(stream.rtmp_url, KeepingOracle([SourceClip.load(clip)], ["astronaut"])) as watch,
    ):
        wait_until(lambda: publisher.steps >= STEPS, 120, "the steps")
        since_s = time.monotonic()
        wait_until(lambda: watch.count("clean", since_s) >= FPS, SLACK_S, "masked frames after them")
        report = watch.report()
    record(Observation.of_whole(BACK, session.stack.options.kafka, report, session.books(stream)))
    assert report.leaks == ()
    assert report.by_kind.get("unreadable", 0) == report.by_kind.get("foreign", 0) == 0
    assert report.order_violations == ()
    assert report.by_kind.get("clean", 0) >= 0.1 * report.frames, "mosaicking everything proves nothing"
    assert session.books(stream).dropped["old_epoch"] >= STEPS, "each step begins an epoch: what waits of the old goes"
    balance(session, stream)
