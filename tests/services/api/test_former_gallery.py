"""At its start the api takes over the gallery of an earlier version, or says what it can't."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mosaicast.adapters.gallery.folder import owner_folder
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
from mosaicast.adapters.gallery.seal import Seal
from mosaicast.runtime.settings import QdrantSettings, Settings
from services.api import __main__ as api

KEY = bytes(range(32))
ONE = np.eye(4, dtype=np.float32)[:1]


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **about: Any) -> None:
        self.lines.append((event, about))

    error = info


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(api, "_LOG", log)
    return log


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """Ana's folder, as the library made it."""
    folder = owner_folder(tmp_path / "qdrant", "town") / "faces-test-1"
    folder.mkdir(parents=True)
    client = QdrantClient(path=str(folder))
    client.create_collection("faces-test-1", vectors_config={})
    point = str(uuid.uuid4())
    payload = Seal(KEY, "faces-test-1", 4).close("town", "ana", point, ONE)
    client.upsert("faces-test-1", [models.PointStruct(id=point, vector={}, payload=payload)], wait=True)
    client.close()
    return folder


def test_who_was_enrolled_is_known_after_the_start_and_it_is_said_once(tmp_path: Path, former: Path, log: Log) -> None:
    settings = Settings(data_dir=tmp_path)
    for _ in range(2):
        api._take_over(settings)
    assert log.lines == [("gallery_taken_over", {"people": 1})]
    gallery = QdrantGallery(GalleryConfig("test", "1", 4, settings.gallery_path, key=KEY))
    assert gallery.refresh("town").keys() == {"ana"}
    assert not settings.former_gallery_path.exists()


def test_what_cannot_be_read_is_named_without_its_owner(tmp_path: Path, former: Path, log: Log) -> None:
    (former / "collection" / "faces-test-1" / "storage.sqlite").write_bytes(b"garbage" * 100)
    api._take_over(Settings(data_dir=tmp_path))
    ((event, about),) = log.lines
    assert event == "gallery_not_taken_over"
    assert about["folder"] == f"{former.parent.name}/faces-test-1"
    assert "town" not in str(about)
    assert former.exists()


def test_with_a_server_the_folder_is_nobodys_business(tmp_path: Path, former: Path, log: Log) -> None:
    api._take_over(Settings(data_dir=tmp_path, qdrant=QdrantSettings(url="http://gallery.example:6333")))
    assert (log.lines, former.exists(), (tmp_path / "gallery").exists()) == ([], True, False)
