"""The parent's side of the output guard, from a child's words to the bus, and from the bus to the child."""

import json
from typing import Any

import pytest

from mosaicast.contracts.messages import LARGEST_OUTGOING_BYTES, OutgoingFace, OutgoingFaces, OutgoingFrame
from mosaicast.core.types import Box
from mosaicast.runtime import logs
from mosaicast.runtime.metrics import Metrics
from services.compositor.outgoing import MOST_PER_S, OutgoingPictures
from services.compositor.wire import OutgoingPicture, Report, Tripped, encode_picture, encode_report, from_child
from tests.services.compositor.fakes import packet
from tests.services.compositor.media import STREAM
from tests.services.compositor.runner_stage import Stage as RunnerStage
from tests.services.compositor.test_service import Stage

PICTURE = OutgoingPicture(1, 3, 320, 180, 0.5, b"\xff\xd8a picture")
TRIP = Tripped(1, 3, (10, -20, 40, 50), 0.8125, 2)
SEEN = OutgoingFaces(
    stream_id=STREAM, epoch=1, index=3, faces=(OutgoingFace(box=Box(1, 2, 3, 4), score=0.9),), sent_ms=5
)


class Guarded(Stage):
    """A service whose every message is kept."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.accepts = True
        super().__init__()

    def send(self, topic: Any, message: Any, *, key: str | None = None) -> bool:
        self.sent.append(message)
        return self.accepts

    @property
    def pictures(self) -> list[OutgoingFrame]:
        return [message for message in self.sent if isinstance(message, OutgoingFrame)]

    def counted(self, what: str) -> float:
        labels = {"stream": STREAM, "what": what}
        return self.metrics.registry.get_sample_value("mosaicast_guard_total", labels) or 0.0

    def dropped(self, reason: str) -> float:
        labels = {"queue": "guard", "reason": reason}
        return self.metrics.registry.get_sample_value("mosaicast_queue_drops_total", labels) or 0.0


@pytest.fixture
def stage() -> Guarded:
    stage = Guarded()
    stage.step(packet(0, key=True))
    return stage


def test_a_picture_goes_to_the_detector_and_the_answer_to_the_child(stage: Guarded) -> None:
    stage.child.connection.say(encode_picture(PICTURE))
    stage.step()
    (frame,) = stage.pictures
    assert (frame.stream_id, frame.epoch, frame.index, frame.jpeg) == (STREAM, 1, 3, PICTURE.jpeg)
    assert (frame.width, frame.height, frame.threshold) == (320, 180, 0.5)
    before = len(stage.child.connection.received)
    stage.step(SEEN)
    assert stage.child.takes(before + 1)[-1] == SEEN
    assert (stage.counted("looks"), stage.counted("answered"), stage.counted("trips")) == (1, 1, 0)


def test_a_trip_is_counted_logged_and_in_the_status(stage: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("compositor")
    stage.child.connection.say(encode_report(Report((), "a note", trips=(TRIP,))))
    stage.step()
    stage.step(seconds=1.1)
    assert stage.counted("trips") == 1
    status = stage.sent[-1]
    assert status.counters["guard_trips"] == 1
    assert status.reason == "a note"
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "guard_tripped" in line]
    (line,) = lines
    assert line["box"] == [10, -20, 40, 50]
    assert (line["stream"], line["index"], line["score"], line["faces"]) == (STREAM, 3, 0.812, 2)


def test_answers_about_streams_that_are_not_ours_go_nowhere(stage: Guarded) -> None:
    other = OutgoingFaces(stream_id="other", epoch=1, index=3, faces=(), sent_ms=5)
    stage.step(other)
    assert len(stage.spawn.children) == 1
    assert stage.counted("answered") == 0


def test_a_child_that_floods_is_held_back(stage: Guarded) -> None:
    for index in range(3 * MOST_PER_S):
        stage.child.connection.say(encode_picture(OutgoingPicture(1, index, 320, 180, 0.5, b"x")))
    stage.step()
    assert len(stage.pictures) == MOST_PER_S
    assert stage.dropped("too_many") == 2 * MOST_PER_S
    stage.child.connection.say(encode_picture(PICTURE))
    stage.step(seconds=1.0)
    assert len(stage.pictures) == MOST_PER_S + 1


def test_a_full_bus_costs_pictures_and_nothing_else(stage: Guarded) -> None:
    stage.accepts = False
    stage.child.connection.say(encode_picture(PICTURE))
    stage.step()
    assert stage.counted("looks") == 0
    assert stage.dropped("bus_full") == 1
    assert stage.child.exit is None


def test_a_stream_that_is_gone_is_forgotten() -> None:
    guard = OutgoingPictures(Guarded(), Metrics(), lambda: 1.0)
    guard.on_told(STREAM, TRIP)
    assert guard.counters(STREAM) == {"guard_trips": 1}
    guard.forget(STREAM)
    assert guard.counters(STREAM) == {}


def test_what_was_told_arrives() -> None:
    assert from_child(encode_picture(PICTURE)) == PICTURE
    report = Report((), trips=(TRIP,))
    assert from_child(encode_report(report)) == report


@pytest.mark.parametrize(
    "told",
    [
        b"L",
        b"Lgarbage",
        encode_picture(OutgoingPicture(1, 3, 320, 180, 0.5, b"x" * (LARGEST_OUTGOING_BYTES + 1))),
        encode_picture(OutgoingPicture(0, 3, 320, 180, 0.5, b"x")),
        encode_picture(OutgoingPicture(1, 3, 0, 180, 0.5, b"x")),
        encode_picture(OutgoingPicture(1, 3, 320, 180, float("nan"), b"x")),
        encode_picture(OutgoingPicture(1, 3, 320, 180, 0.5, b"")),
        encode_report(Report((), trips=(TRIP,) * 65)),
        encode_report(Report((), trips=(Tripped(1, 3, (10**9, 0, 1, 1), 0.5, 1),))),
        encode_report(Report((), trips=(Tripped(1, 3, (0, 0, 1, 1), float("inf"), 1),))),
    ],
)
def test_a_child_that_tells_what_cannot_be_is_replaced(told: bytes) -> None:
    stage = RunnerStage()
    stage.media(packet(0, key=True))
    stage.child.connection.say(told, wait=False)
    stage.after(6.0)
    assert stage.restarts == ["hang"]
