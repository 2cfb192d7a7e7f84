"""What the service reports of a source that stands still."""

from mosaicast.contracts.situations import clocks
from services.compositor.service import IDLE_S
from services.compositor.wire import Report, encode_report
from tests.services.compositor.fakes import packet, shown
from tests.services.compositor.test_service import Stage, stage

__all__ = ["stage"]

NOTE = clocks.STANDS_STILL.says()


def test_a_source_that_stands_still_is_live_while_its_last_picture_goes_on(stage: Stage) -> None:
    stage.step(packet(0, key=True))
    stage.child.says(*shown(0))
    stage.step(seconds=1.5)
    stage.child.connection.say(encode_report(Report((), NOTE, repeated=3, goes_on=True, behind_s=1.25)))
    stage.step(seconds=9.0)
    assert (stage.report.state, stage.report.reason) == ("live", NOTE)
    assert stage.report.counters["repeated"] == 3
    assert stage.report.gauges["behind_ms"] == 1250.0
    assert stage.report.counters["masked"] == 1, "repeated pictures are no frames"


def test_nothing_goes_on_once_the_child_has_gone(stage: Stage) -> None:
    stage.step(packet(0, key=True))
    stage.child.connection.say(encode_report(Report(tuple(shown(0)), NOTE, repeated=3, goes_on=True)))
    stage.step(seconds=1.5)
    assert stage.state == "live"
    stage.step(seconds=IDLE_S + 1.5)
    stage.step(seconds=1.5)
    assert (stage.report.state, stage.report.reason) == ("waiting", "")
