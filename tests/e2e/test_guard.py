"""The output guard on a whole product whose painter has a bug."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthetic.oracle import Oracle
from synthetic.session import LiveStream, LiveWatch, Session, wait_until
from tests.e2e.conftest import FPS
from tests.e2e.exchange import instead

LONG_S = 60.0
"""Far beyond what is needed; only a test that fails waits so long."""


@pytest.fixture
def planted(quick_session: Session) -> Iterator[Session]:
    """A product whose compositor forgets to paint after a while."""
    with instead(quick_session.stack, {"compositor": [sys.executable, "-m", "tests.e2e.planted_compositor"]}):
        yield quick_session


def test_a_painter_that_forgets_to_paint_is_caught(planted: Session, pair_clip: Path, pair_oracle: Oracle) -> None:
    stream = planted.create("forgetful")
    log = planted.stack.process("compositor").spec.log_path
    said_before = len(log.read_text())

    def trips() -> int:
        return int(planted.status(stream)["guard_trips"])

    with planted.publish(pair_clip, stream), LiveWatch(stream.rtmp_url, pair_oracle) as watch:
        wait_until(lambda: watch.count("clean") >= 5 * FPS, LONG_S, "masked frames")
        assert trips() == 0, "a painter that paints trips nothing"
        wait_until(lambda: watch.count("leak") > 0, LONG_S, "the bug")
        wait_until(lambda: trips() >= 2, LONG_S, "two trips")
        wait_until(lambda: "without a mask" in planted.status(stream)["reason"], LONG_S, "a reason in the status")
    assert watch.count("full_mosaic") > 0
    assert mosaicked_by_the_guard(planted, stream) >= 30
    assert "guard_tripped" in log.read_text()[said_before:]


def mosaicked_by_the_guard(session: Session, stream: LiveStream) -> int:
    return int(session.books(stream).full_mosaic.get("guard", 0))
