"""An api on a fresh SQLite, for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicast.adapters.database.storage import Storage
from tests.services.api.fakes import Desk, keep_token


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables and the administrator's token, to be copied: Alembic takes a tenth of a second."""
    path = tmp_path_factory.mktemp("tables") / "mosaicast.db"
    storage = Storage(f"sqlite:///{path}")
    storage.migrate()
    keep_token(storage)
    storage.close()
    return path


@pytest.fixture
def storage(tmp_path: Path, tables: Path) -> Iterator[Storage]:
    (tmp_path / "db").mkdir()
    storage = Storage(f"sqlite:///{shutil.copy(tables, tmp_path / 'db')}")
    storage.require_current()
    yield storage
    storage.close()


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> Desk:
    desk = Desk(tmp_path, storage)
    desk.build()
    return desk
