"""Erasures while the photos lie in another data folder than the one that is used."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mosaicast.adapters.binding import bind
from mosaicast.adapters.database.storage import Person, Photo, Storage
from mosaicast.adapters.vault import Vault
from services.api.http.app import create_app
from services.api.people.templates import Templates
from tests.fakes.gallery import MemoryGallery
from tests.services.api.fakes import ADMIN_TOKEN, KEY, Client, Desk


def test_nobody_is_erased_while_the_photos_lie_in_another_data_folder(tmp_path: Path, storage: Storage) -> None:
    """The database is reached by its address, and the data folder is another one: a volume that is not mounted, say."""
    earlier = Vault(tmp_path / "var" / "data" / "vault", KEY)
    assert bind(storage, earlier) is None
    storage.create_person(Person("ann", "default", "Ann", 1, photos=(Photo("a.jpg", "ok", "p1"),), state="enrolling"))
    earlier.put("ann", "p1", b"a face")
    assert storage.keep_person("ann", "net/1")

    desk = Desk(tmp_path / "new-default", storage)  # the upgrade
    desk.folder.mkdir()
    desk.build()
    galleries: Any = {"net": MemoryGallery(4)}
    desk.deps = replace(desk.deps, templates=Templates(galleries))
    assert bind(storage, desk.deps.vault) is not None, "it is seen that the photos are elsewhere"
    app = create_app(desk.deps, desk.metrics, ready=lambda: True)
    answer = Client(app, {"Authorization": f"Bearer {ADMIN_TOKEN}"}).delete("/v1/people/ann")
    assert answer.status_code == 503
    assert storage.person("ann") is not None, "else nobody would ever ask for her photos again"
    assert earlier.people() == {"ann"}
