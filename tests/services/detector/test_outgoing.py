"""Checking what goes out: with what time is left over, and never instead of a live frame."""

from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.contracts.messages import OutgoingFaces, OutgoingFrame
from mosaicast.core.types import Box
from mosaicast.pipeline.ports import RawFace
from mosaicast.runtime.metrics import Metrics
from services.detector.analysis import Failure
from services.detector.outgoing import STALE_S, WaitingPictures, check_picture
from services.detector.service import DetectorService, Shape
from tests.fakes.detector import FakeDetector
from tests.services.detector.test_service import Bus, sample


@pytest.fixture
def outgoing_frame(jpeg_of: Callable[..., Any]) -> Callable[..., OutgoingFrame]:
    blank = jpeg_of(np.full((36, 64, 3), 128, np.uint8))

    def make(index: int = 0, **changes: object) -> OutgoingFrame:
        fields: dict[str, object] = {
            "stream_id": "s", "epoch": 1, "index": index, "width": 128, "height": 72, "threshold": 0.5, "jpeg": blank,
            "sent_ms": 5, **changes,
        }  # fmt: skip
        return OutgoingFrame(**fields)  # type: ignore[arg-type]

    return make


def test_boxes_are_in_pixels_of_the_frame(
    outgoing_frame: Callable[..., Any], fake_detector: Callable[..., Any], make_face: Callable[..., Any]
) -> None:
    detector = fake_detector([make_face(10, 5, 20, 15, 0.9), make_face(0, 0, 9, 9, 0.4)])
    answer = check_picture(detector, outgoing_frame(7))
    assert isinstance(answer, OutgoingFaces)
    assert (answer.stream_id, answer.epoch, answer.index, answer.sent_ms) == ("s", 1, 7, 5)
    assert [(face.box, face.score) for face in answer.faces] == [(Box(20, 10, 40, 30), 0.9)]


@pytest.mark.parametrize(("blue", "reason"), [(None, "bad_picture"), (13, "model")])
def test_no_answer_is_a_failure_and_never_nobody(
    outgoing_frame: Callable[..., Any],
    fake_detector: Callable[..., Any],
    jpeg_of: Callable[..., Any],
    blue: int | None,
    reason: str,
) -> None:
    picture = b"garbage" if blue is None else jpeg_of(np.full((36, 64, 3), blue, np.uint8))
    answer = check_picture(fake_detector(), outgoing_frame(jpeg=picture))
    assert isinstance(answer, Failure)
    assert answer.reason == reason


def test_a_newer_picture_takes_the_place_of_an_older_one(outgoing_frame: Callable[..., Any]) -> None:
    waiting = WaitingPictures()
    for index in range(3):
        waiting.offer(outgoing_frame(index), 0, 1.0)
    waiting.offer(outgoing_frame(9, stream_id="t"), 0, 1.0)
    taken = [waiting.take(1.1), waiting.take(1.1), waiting.take(1.1)]
    assert [frame and (frame.stream_id, frame.index) for frame in taken] == [("s", 2), ("t", 9), None]
    assert waiting.drain_drops() == Counter({("s", "behind"): 2})
    assert waiting.drain_drops() == Counter()


def test_a_picture_that_waited_too_long_is_skipped_and_counted(outgoing_frame: Callable[..., Any]) -> None:
    waiting = WaitingPictures()
    waiting.offer(outgoing_frame(), 0, 1.0)
    waiting.expire(1.0 + STALE_S)
    assert waiting.depth == 1
    assert waiting.take(1.1 + STALE_S) is None
    assert waiting.drain_drops() == Counter({("s", "behind"): 1})


def test_pictures_of_partitions_that_are_gone_are_dropped(outgoing_frame: Callable[..., Any]) -> None:
    waiting = WaitingPictures()
    waiting.offer(outgoing_frame(), 0, 1.0)
    waiting.offer(outgoing_frame(stream_id="t"), 1, 1.0)
    waiting.forget_partitions(frozenset({0}))
    assert waiting.depth == 1
    assert waiting.drain_drops() == Counter({("s", "revoked"): 1})


class Log(list[str]):
    """What a model saw, in order."""

    def detector(self, name: str) -> FakeDetector:
        """Return one that finds nobody and notes that it was asked."""

        def sees(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
            self.append(name)
            return []

        return FakeDetector(sees, name)


def test_live_frames_go_first_whatever_came_before_them(
    outgoing_frame: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    log = Log()
    bus = Bus([[outgoing_frame(1), *(make_frame(seq) for seq in range(4))]])
    bus.done = lambda: any(isinstance(message, OutgoingFaces) for message in bus.sent)
    service = DetectorService(bus, lambda: log.detector("live"), Metrics(), Shape(), lambda: log.detector("guard"))
    service.on_assigned(frozenset({0}))
    service.run(bus, bus.stop)
    assert log == ["live"] * 4 + ["guard"]
    assert [answer.seq for answer in bus.detections] == [0, 1, 2, 3]
    assert sample(service._metrics, "model_seconds_count", model="guard-guard") == 1


def test_behind_pictures_are_skipped_and_counted_and_no_live_frame_is(
    outgoing_frame: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    """Whenever the model is free another live frame waits: nothing is left over for the guard."""
    log = Log()
    bus = Bus([[outgoing_frame(0), make_frame(0), make_frame(1)]])
    left = 12

    def refill(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
        nonlocal left
        left -= 1
        if left > 0:
            number = 13 - left
            service._receive([_received(make_frame(number)), _received(outgoing_frame(number))])
        log.append("live")
        return []

    service = DetectorService(bus, lambda: FakeDetector(refill), Metrics(), Shape(), lambda: log.detector("guard"))
    service.on_assigned(frozenset({0}))
    bus.done = lambda: any(isinstance(message, OutgoingFaces) for message in bus.sent) and bool(bus.reports)
    service.run(bus, bus.stop)
    assert log[:-1] == ["live"] * 13
    assert log[-1] == "guard", "only when no live frame waited any more"
    assert len(bus.detections) == 13
    assert sample(service._metrics, "queue_drops_total", queue="guard", reason="behind") == 11
    assert sample(service._metrics, "queue_drops_total", queue="frames", reason="behind") == 0


def _received(message: Any) -> Any:
    return SimpleNamespace(partition=0, message=message)


def test_a_picture_that_fails_harms_nobody(outgoing_frame: Callable[..., Any], make_frame: Callable[..., Any]) -> None:
    def broken(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
        raise RuntimeError("a bug")

    log = Log()
    bus = Bus([[outgoing_frame(0)], [make_frame(0)]])
    bus.done = lambda: len(bus.detections) == 1 and sample(metrics, "queue_drops_total", **labels) == 1
    metrics, labels = Metrics(), {"queue": "guard", "reason": "failed_bug"}
    service = DetectorService(bus, lambda: log.detector("live"), metrics, Shape(), lambda: FakeDetector(broken))
    service.on_assigned(frozenset({0}))
    service.run(bus, bus.stop)
    assert service.failure is None
    assert len(bus.detections) == 1
    assert not any(isinstance(message, OutgoingFaces) for message in bus.sent)
