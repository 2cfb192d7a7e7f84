"""An api on a fresh SQLite, for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicast.adapters.database.storage import Storage
from tests.services.api.fakes import Desk, keep_token


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    (tmp_path / "db").mkdir()
    storage = Storage(f"sqlite:///{tmp_path / 'db' / 'mosaicast.db'}")
    storage.migrate()
    keep_token(storage)
    yield storage
    storage.close()


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> Desk:
    desk = Desk(tmp_path, storage)
    desk.build()
    return desk
