"""`mosaicast token reset`: whoever lost the administrator's token makes a new one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mosaicast.adapters.database.storage import Storage
from services.api.secrets import digest
from services.cli.failures import CommandError, is_failure
from services.cli.main import app


def reset(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["token", "reset", "--data-dir", str(folder), *arguments])


def kept(folder: Path) -> str | None:
    storage = Storage(f"sqlite:///{folder / 'mosaicast.db'}")
    try:
        return storage.secret_sha256("admin_token")
    finally:
        storage.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    storage = Storage(f"sqlite:///{tmp_path / 'mosaicast.db'}")
    storage.migrate()
    storage.keep_secret("admin_token", digest("lost"))
    storage.close()
    return tmp_path


def test_a_new_token_takes_the_place_of_the_old_one(folder: Path) -> None:
    first = reset(folder).output.removeprefix("administrator token (shown this once): ").strip()
    assert kept(folder) == digest(first)
    second = json.loads(reset(folder, "--json").output)["token"]
    assert first != second
    assert kept(folder) == digest(second)
    assert b"lost" not in (folder / "mosaicast.db").read_bytes()


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    done = reset(tmp_path / "none")
    assert isinstance(done.exception, CommandError)
    assert "mosaicast up" in str(done.exception)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgres://u:hush@h/d", "not known here"),
        ("postgresql+nothing://u:hush@h/d", "not known here"),
        ("mysql+mysqldb://u:hush@h/d", "the driver MySQLdb, which is not installed"),
        ("u:hush@h/d", "no address of a database"),
        ("sqlite:////none/hush/mosaicast.db", "the database failed"),
    ],
)
def test_a_wrong_database_is_told_in_one_sentence_without_its_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.setenv("MOSAICAST_DATABASE__URL", url)
    failed = reset(folder).exception
    assert failed is not None
    assert is_failure(failed), "else it would be a traceback"
    assert words in str(failed)
    assert "\n" not in str(failed)
    assert "hush" not in str(failed)


def test_a_preset_token_is_changed_where_it_is_preset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICAST_API__ADMIN_TOKEN", "preset")
    assert "MOSAICAST_API__ADMIN_TOKEN" in str(reset(folder).exception)
    assert kept(folder) == digest("lost")
