"""A person is erased (204) while `mosaicast reindex` makes her templates again, and the gallery fails right after they
were written: nobody takes them back. Reading and embedding her photos is the race's window: seconds of each person."""

from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.binding import bind
from mosaicast.adapters.database.storage import Storage
from synthetic.session import wait_until
from tests.services.api.conftest import storage  # noqa: F401 - a fixture
from tests.services.api.people_tools import PeopleDesk, jpeg, portrait


def test_no_template_of_an_erased_person_stays(
    tmp_path: Path,
    storage: Storage,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    assert bind(storage, desk.deps.vault) is None
    person_id = desk.enroll(jpeg(portrait("astronaut"))).json()["person_id"]
    keep = desk.deps.templates.keep

    def erased_meanwhile(*what: Any) -> None:
        assert desk.admin.delete(f"/v1/people/{person_id}").status_code == 204
        keep(*what)
        for gallery in desk.galleries.values():
            gallery.away = True

    with monkeypatch.context() as patch:
        patch.setattr(desk.deps.templates, "keep", erased_meanwhile)
        assert desk.deps.reindexer.start(everybody=True)
        wait_until(lambda: all(gallery.away for gallery in desk.galleries.values()), 30, "the gallery is away")
    for gallery in desk.galleries.values():
        gallery.away = False
    desk.deps.reindexer._thread.join(60)  # type: ignore[union-attr]
    assert desk.deps.templates.everybody() == frozenset()
