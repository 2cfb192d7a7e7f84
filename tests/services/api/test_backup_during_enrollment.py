"""docs/privacy.md: "An empty, wrong or restored database never wipes the photos." A copy of the database that was made
while somebody was being enrolled (every nightly backup has its second) does: it takes the person for cut off."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.binding import bind
from mosaicast.adapters.database.storage import Storage
from services.api.background.leftovers import ENROLLING_MS, Leftovers
from tests.services.api.conftest import storage  # noqa: F401 - a fixture
from tests.services.api.people_tools import PeopleDesk, jpeg, portrait


def test_a_copy_that_was_made_during_an_enrollment_wipes_no_photos(
    tmp_path: Path,
    storage: Storage,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    assert bind(storage, desk.deps.vault) is None
    backup, put = tmp_path / "backup.db", desk.deps.vault.put

    def put_and_back_up(*what: Any) -> None:
        put(*what)
        with sqlite3.connect(tmp_path / "db" / "mosaicast.db") as source, sqlite3.connect(backup) as target:
            source.backup(target)

    monkeypatch.setattr(desk.deps.vault, "put", put_and_back_up)
    person_id = desk.enroll(jpeg(portrait("astronaut"))).json()["person_id"]
    assert desk.admin.get(f"/v1/people/{person_id}").json()["erasing"] is False, "enrolled in order"

    restored = Storage(f"sqlite:///{backup}")
    try:
        later = PeopleDesk(tmp_path, restored, galleries=desk.galleries, now_ms=desk.now_ms + 10 * ENROLLING_MS)
        later.build()
        assert bind(restored, later.deps.vault) is None, "it is the right database, only older"
        Leftovers(later.deps).check()
        assert later.deps.vault.people() == {person_id}, "the photos are gone, and can't be had again"
    finally:
        restored.close()
