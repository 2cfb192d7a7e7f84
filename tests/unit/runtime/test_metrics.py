"""Series come and go with their streams, and say what runs."""

import importlib.metadata
from typing import Literal, get_args

import pytest

from mosaicast.runtime.children import Exit
from mosaicast.runtime.metrics import LINGER_S, Activity, Metrics, StreamSeries
from tests.services.series import streams_in


def filled(*streams: str) -> Metrics:
    """Return metrics with each series that a stream can have."""
    metrics = Metrics()
    for stream in streams:
        for metric in metrics._by_stream:
            metric.labels(*(stream if name == "stream" else "x" for name in metric._labelnames))
    return metrics


def test_a_forgotten_stream_leaves_none_of_its_series_and_all_of_the_others() -> None:
    names = [f"s{number}" for number in range(100)]
    metrics, other = filled(*names, "other"), filled("other")
    for name in names:
        metrics.forget(name)
    kinds = [
        {(sample.name, tuple(sample.labels.items())) for metric in held.registry.collect() for sample in metric.samples}
        for held in (metrics, other)
    ]
    assert kinds[0] == kinds[1]
    assert streams_in(metrics.registry) == {"other"}


def test_no_metric_of_streams_is_left_out() -> None:
    metrics = Metrics()
    named = {metric for metric in vars(metrics).values() if "stream" in getattr(metric, "_labelnames", ())}
    assert len(named) >= 9
    assert named == set(metrics._by_stream)


def test_time_is_counted_where_it_is_spent_also_by_what_fails() -> None:
    metrics = Metrics()
    with pytest.raises(ZeroDivisionError), metrics.timed("network"):
        _ = 1 / 0
    for activity in get_args(Activity):
        with metrics.timed(activity):
            pass
    told = {
        sample.labels["activity"]: sample.value
        for sample in next(metrics.work.collect().__iter__()).samples
        if sample.name == "mosaicast_work_seconds_count"
    }
    assert told == {**dict.fromkeys(get_args(Activity), 1.0), "network": 2.0}
    assert not [activity for activity in told if " " in activity]


def test_series_of_a_deleted_stream_go_at_once_and_what_a_thread_still_counts_later() -> None:
    metrics = filled("s1")
    series = StreamSeries(metrics)
    series.deleted("s1", 100.0)
    assert streams_in(metrics.registry) == set()
    metrics.frames_ingested.labels("s1").inc()
    series.sweep(100.0 + LINGER_S)
    assert streams_in(metrics.registry) == set()


def test_series_of_a_stream_that_moved_are_read_once_more() -> None:
    metrics = filled("s1", "s2")
    series = StreamSeries(metrics)
    series.moved("s1", 100.0)
    series.sweep(99.9 + LINGER_S)
    assert streams_in(metrics.registry) == {"s1", "s2"}
    series.sweep(100.0 + LINGER_S)
    assert streams_in(metrics.registry) == {"s2"}


def test_a_stream_that_came_back_keeps_its_series() -> None:
    metrics = filled("s1")
    series = StreamSeries(metrics)
    series.moved("s1", 100.0)
    series.began("s1")
    series.sweep(200.0 + LINGER_S)
    assert streams_in(metrics.registry) == {"s1"}


def test_the_version_and_the_process_are_told() -> None:
    registry = Metrics().registry
    version = {"version": importlib.metadata.version("mosaicast")}
    assert registry.get_sample_value("mosaicast_build_info", version) == 1
    assert (registry.get_sample_value("process_resident_memory_bytes") or 0) > 1024**2
    assert (registry.get_sample_value("process_open_fds") or 0) > 0


@pytest.mark.parametrize(("kind", "code"), [("clean", 0), ("error", 3), ("signal", 11), ("signal", 99)])
def test_how_a_child_ended_is_one_word(kind: Literal["clean", "error", "signal"], code: int) -> None:
    text = Exit(kind, code).text
    assert text
    assert " " not in text
