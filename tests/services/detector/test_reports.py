"""What the detector says about its streams."""

from collections.abc import Callable
from typing import Any

import pytest

from mosaicast.contracts.codec import encode
from mosaicast.contracts.messages import Detections
from mosaicast.contracts.situations import masking
from mosaicast.contracts.topics import STATUS
from services.detector.analysis import analyse
from services.detector.reports import SILENT_AFTER_S, Reports
from services.detector.waiting import Job


@pytest.fixture
def detections(
    make_frame: Callable[..., Any], make_face: Callable[..., Any], fake_detector: Callable[..., Any]
) -> Detections:
    detector = fake_detector([make_face(1, 1, 34, 34), make_face(1, 1, 9, 9)])
    answer = analyse(detector, [Job(make_frame(epoch=4), True)])[0]
    assert isinstance(answer, Detections)
    return answer


def test_counters_add_up_and_a_report_comes_once_a_second(detections: Detections) -> None:
    reports = Reports("i")
    reports.answered(detections, 0.05, 10.0)
    reports.answered(detections, 0.07, 10.1)
    reports.failed("s", "model", 10.2)
    reports.dropped("s", "behind", 3, 10.3)
    report = reports.due(10.5, 123)[0]
    assert (report.service, report.instance, report.stream_id, report.epoch) == ("detector", "i", "s", 4)
    assert report.counters == {"frames": 2, "faces": 4, "crops": 2, "failed_model": 1, "dropped_behind": 3}
    assert (report.state, report.reason, report.at_ms) == ("live", "", 123)
    assert report.gauges == {"answer_age_s": 0.07}
    encode(STATUS, report)
    assert reports.due(11.4, 124) == []
    assert [one.counters["frames"] for one in reports.due(11.5, 125)] == [2]


def test_only_failures_are_told_to_the_user_until_one_succeeds(detections: Detections) -> None:
    reports = Reports("i")
    reports.failed("s", "model", 1.0)
    assert [(one.state, one.reason) for one in reports.due(1.0, 1)] == [("error", masking.NO_DETECTION.sentence)]
    reports.answered(detections, 0.1, 2.0)
    reports.failed("s", "model", 2.0)
    assert [one.state for one in reports.due(2.0, 2)] == ["live"]


def test_silent_streams_are_not_reported(detections: Detections) -> None:
    reports = Reports("i")
    reports.answered(detections, 0.1, 0.0)
    assert len(reports.due(SILENT_AFTER_S, 1)) == 1
    assert reports.due(SILENT_AFTER_S + 1.1, 1) == []
