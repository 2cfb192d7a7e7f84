"""An older copy of the database is put back: what was forbidden since then stays so, as far as the log knows it."""

import threading
from typing import Any

import pytest

from mosaicast.adapters.database.storage import Person
from mosaicast.core.consents import FOREVER_MS
from services.api.background.alignment import align
from tests.services.api.conftest import desk, storage  # noqa: F401 - fixtures
from tests.services.api.fakes import Desk
from tests.services.api.test_outbox import Log, logged, spec


def told_after(desk: Desk, stream_id: str, **in_log: Any) -> Any:  # noqa: F811
    """Return what the others are told after a start with this database, and a log that knows a higher revision."""
    log = Log([logged(stream_id, spec(desk, stream_id, revision=40, **in_log))])
    align(lambda: log, desk.storage, lambda: desk.now_ms, desk.deps.outbox.work_off, threading.Event())
    told = desk.producer.newest(stream_id)
    assert told is not None
    return told


def test_a_panic_is_not_released(desk: Desk) -> None:  # noqa: F811
    stream_id = desk.create()["stream_id"]
    assert told_after(desk, stream_id, panic=True).panic


def test_a_consent_that_was_taken_back_stays_taken_back(desk: Desk) -> None:  # noqa: F811
    stream_id = desk.create()["stream_id"]
    desk.storage.create_person(Person("ann", "default", "Ann", desk.now_ms))
    assert "ann" not in told_after(desk, stream_id, visible_until={"ben": FOREVER_MS}).visible_until


@pytest.mark.parametrize("zones", [1, 2])
def test_an_always_masked_zone_stays(desk: Desk, zones: int) -> None:  # noqa: F811
    from mosaicast.contracts.messages import Policy, Zone

    stream_id = desk.create()["stream_id"]
    wanted = tuple(Zone(x=0.1 * n, y=0.0, width=0.1, height=1.0) for n in range(zones))
    assert told_after(desk, stream_id, policy=Policy(zones=wanted)).policy.zones == wanted
