"""`mosaicast doctor`: finds what does not fit, says it in a sentence, and erases only what it is told to."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mosaicast.adapters.binding import bind
from mosaicast.adapters.database.storage import Person, Photo, Storage
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
from mosaicast.adapters.vault import Vault, read_key
from services.cli.failures import is_failure
from services.cli.main import app

ONE = np.eye(4, dtype=np.float32)[:1]


class House:
    """What lies in a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = Storage(f"sqlite:///{folder / 'mosaicast.db'}")
        self.storage.migrate()
        key = read_key(None, folder / "secrets" / "vault_key")
        self.vault = Vault(folder / "vault", key)
        self.gallery = QdrantGallery(GalleryConfig("test", "1", 4, folder / "gallery", key=key))
        bind(self.storage, self.vault)
        self.keep("ann")

    def keep(self, person: str, *, row: bool = True) -> None:
        if row:
            photos = (Photo("a.jpg", "ok", "p1"),)
            self.storage.create_person(Person(person, "town", person, 1, photos, templates="test/1"))
            for waiting in self.storage.waiting():
                self.storage.settle(waiting, None)
        self.vault.put(person, "p1-photo", b"x")
        self.gallery.upsert_templates("town", person, ONE)

    def held(self) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
        return self.vault.people(), self.gallery.everybody()


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("MOSAICAST_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    house = House(tmp_path / "data")
    yield house
    house.storage.close()
    house.gallery.close()


def doctor(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], input=answer, env={"COLUMNS": "200"})


def wrong(*arguments: str) -> dict[str, Any]:
    """Return what is not good, by check."""
    done = doctor("--json", *arguments)
    findings = json.loads(done.stdout)
    bad = {finding["check"]: finding for finding in findings if not finding["good"]}
    assert done.exit_code == (1 if bad else 0)
    return bad


def test_a_network_that_is_missing_or_another_one_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOSAICAST_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("MOSAICAST_RECOGNITION__SECOND", "sface")
    assert "run `mosaicast models pull sface`" in wrong()["networks"]["detail"]
    (tmp_path / "face_recognition_sface_2021dec.onnx").write_bytes(b"another")
    assert "wrong checksum and is not used" in wrong()["networks"]["detail"]
    monkeypatch.setenv("MOSAICAST_RECOGNITION__SECOND", "mobilefacenet-192")
    assert not wrong()


def test_all_is_well(house: House) -> None:
    done = doctor()
    assert done.exit_code == 0, done.output
    assert "!!" not in done.output
    assert wrong() == {}


def test_it_makes_nothing_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o700)
    done = doctor("--data-dir", str(tmp_path / "empty"))
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "empty").iterdir()) == []


def test_orphans_are_listed_and_erased_only_when_told_and_confirmed(house: House) -> None:
    house.keep("ghost", row=False)
    before = house.held()
    bad = wrong()
    assert bad["photos"]["ids"] == ["ghost"]
    assert bad["templates"]["ids"] == ["town/ghost"]
    assert "ghost" in doctor().output
    assert doctor("--erase-orphans", answer="y\n").exit_code == 2, "nobody is there to answer"
    assert house.held() == before
    done = doctor("--erase-orphans", "--yes")
    assert done.exit_code == 0, done.output
    assert house.held() == (frozenset({"ann"}), frozenset({("town", "ann")}))
    assert doctor("--erase-orphans").exit_code == 0, "nothing to ask"


def test_of_another_databases_photos_nothing_is_erased_until_they_are_bound(house: House) -> None:
    """The database was replaced by an empty one: everybody looks like an orphan."""
    house.storage.close()
    for file in house.folder.glob("mosaicast.db*"):
        file.unlink()
    house.storage = Storage(f"sqlite:///{house.folder / 'mosaicast.db'}")
    house.storage.migrate()
    before = house.held()
    assert "another database" in wrong()["vault"]["detail"]
    refused = doctor("--erase-orphans", "--yes")
    assert refused.exception
    assert is_failure(refused.exception)
    assert "another database" in str(refused.exception)
    assert house.held() == before
    assert doctor("--bind-vault", answer="y\n").exit_code == 2
    assert "vault" in wrong()
    assert house.held() == before
    bound = wrong("--bind-vault", "--yes")
    assert bound.keys() == {"photos", "templates"}
    assert house.held() == before, "photos stay"
    assert doctor("--erase-orphans", "--yes").exit_code == 0
    assert house.held() == (frozenset(), frozenset())


def test_without_a_database_nothing_is_erased(house: House) -> None:
    house.storage.close()
    for file in house.folder.glob("mosaicast.db*"):
        file.unlink()
    before = house.held()
    assert "vault" in wrong()
    for option in ("--erase-orphans", "--bind-vault"):
        refused = doctor(option, "--yes").exception
        assert refused
        assert is_failure(refused)
    assert house.held() == before
    assert not (house.folder / "mosaicast.db").exists()


def test_what_is_missing_of_enrolled_people_is_told(house: House) -> None:
    house.vault.erase("ann")
    house.gallery.erase_person("town", "ann")
    bad = wrong()
    assert bad["photos"]["ids"] == bad["templates"]["ids"] == ["ann"]
    assert "reindex" in bad["templates"]["detail"]


def test_what_waits_or_is_unfinished_is_told(house: House) -> None:
    house.storage.begin_erasing("ann")
    bad = wrong()
    assert bad["erasing"]["ids"] == ["ann"]
    assert "1 changes wait" in bad["outbox"]["detail"]


def test_a_gallery_of_an_earlier_version_is_told_until_it_is_taken_over(house: House) -> None:
    (house.folder / "qdrant").mkdir()
    assert str(house.folder / "qdrant") in wrong()["gallery"]["detail"]
    (house.folder / "qdrant").rmdir()
    assert wrong() == {}


def test_loose_rights_are_told(house: House) -> None:
    (house.folder / "vault" / "ann").chmod(0o755)
    assert "1 of ours" in wrong()["rights"]["detail"]


def test_stores_that_cannot_be_read_are_told_and_make_nobody_an_orphan(house: House) -> None:
    house.storage.close()
    (house.folder / "mosaicast.db").write_bytes(b"no database" * 99)
    bad = wrong()
    assert "failed" in bad["database"]["detail"]
    assert "photos" not in bad
    (house.folder / "secrets" / "vault_key").unlink()
    assert "missing" in wrong()["vault"]["detail"]
    assert not (house.folder / "secrets" / "vault_key").exists()


def test_a_database_of_another_version_is_not_judged(house: House) -> None:
    from sqlalchemy import text

    with house.storage.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    assert "version 0002" in wrong()["database"]["detail"]
