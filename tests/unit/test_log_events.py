"""What our code logs: one set of events, each with a meaning, and none in free text."""

from typing import get_args

import pytest

from mosaicast.runtime.log_events import MEANINGS, LogEvent
from mosaicast.runtime.logs import FORBIDDEN_KEYS
from tools.reference.logs import calls, calls_of

EVENTS = frozenset(get_args(LogEvent))
CALLS = list(calls())


def test_every_event_has_a_meaning_and_no_other_has() -> None:
    assert frozenset(MEANINGS) == EVENTS


def test_nothing_is_logged_in_free_text() -> None:
    assert [call.place for call in CALLS if call.event not in EVENTS] == []


def test_every_event_is_logged_somewhere() -> None:
    assert {call.event for call in CALLS} == EVENTS


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ('_LOG.info("free text", stream=1)', "free text"),
        ("self._log.error(f'stream {state}')", None),
        ("logs.get_logger(__name__).warning(text)", None),
        ('context.log.log(20, "said")', "said"),
        ('_LOG.exception("bug")', "bug"),
    ],
)
def test_whoever_logs_is_found(line: str, event: str | None) -> None:
    (call,) = calls_of(line, "services/ingest/x.py")
    assert (call.event, call.service) == (event, "ingest")


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_events_are_snake_case(event: str) -> None:
    assert event.isidentifier()
    assert event == event.lower()


def test_no_field_is_one_that_is_never_shown() -> None:
    assert {field for call in CALLS for field in call.fields} & FORBIDDEN_KEYS == set()


@pytest.mark.parametrize("old", ["stream_id", "problem", "how", "found", "last"])
def test_a_field_has_one_name(old: str) -> None:
    """Each was another name of `stream`, `error`, `reason` or `detail`."""
    assert [call.place for call in CALLS if old in call.fields] == []
