"""The database: tables as the models say, streams with revisions, secrets, and what happens when it is away."""

import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from mosaicast.adapters.database.models import Base
from mosaicast.adapters.database.storage import NewStream, Storage, StorageError, Stream
from mosaicast.contracts.messages import Policy, Publication, Source, Zone
from mosaicast.core.types import Style

FIRST = Publication(publication_id="p1", started_ms=5)
SECOND = Publication(publication_id="p2", started_ms=6)


def make(storage: Storage, stream_id: str = "s1", key: str = "k1", created_ms: int = 1) -> Stream:
    source = Source(kind="file", path="a.mp4")
    return storage.create_stream(NewStream(stream_id, "town", "Main square", key, source, created_ms))


def test_migrations_make_exactly_the_tables_of_the_models(storage: Storage) -> None:
    storage.migrate()
    with storage.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_streams_survive_a_restart(storage: Storage, tmp_path: Path) -> None:
    make(storage)
    policy = Policy(style=Style.SOLID, zones=(Zone(x=0, y=0, width=0.5, height=1),))
    storage.change_policy("s1", lambda _: policy)
    storage.set_panic("s1", True)
    again = Storage(f"sqlite:///{tmp_path / 'db' / 'mosaicast.db'}")
    stream = again.stream("s1")
    again.close()
    assert stream == Stream(
        "s1", "town", "Main square", 3, Source(kind="file", path="a.mp4"), policy, True, None, None, 1
    )
    assert stream.spec({}).policy == policy
    assert (stream.spec({}).panic, stream.spec({}).owner_id) == (True, "town")


def test_every_change_is_a_new_revision_and_nobody_changes_what_is_not_there(storage: Storage) -> None:
    stream = make(storage)
    changes = [
        storage.set_publication(stream, FIRST, "1", "k1"),
        storage.end_publication("s1", "1"),
        storage.set_key("s1", "k2"),
        storage.set_panic("s1", False),
        storage.change_policy("s1", lambda old: old),
    ]
    assert [change.revision if change else None for change in changes] == [2, 3, 4, 5, 6]
    assert storage.set_key("none", "k3") is None
    assert storage.set_panic("none", True) is None
    assert storage.change_policy("none", lambda old: old) is None
    assert storage.end_publication("none", "1") is None


def test_a_publication_is_begun_only_by_who_saw_the_newest_and_ended_only_by_its_own(storage: Storage) -> None:
    stream = make(storage)
    assert storage.set_publication(stream, FIRST, "1", "another key") is None
    first = storage.set_publication(stream, FIRST, "1", "k1")
    assert first is not None
    assert (first.publication, first.publication_client) == (FIRST, "1")
    assert storage.set_publication(stream, SECOND, "2", "k1") is None
    assert storage.end_publication("s1", "2") is None
    assert storage.stream("s1") == first
    second = storage.set_publication(first, SECOND, "2", "k1")
    assert second is not None
    assert second.publication == SECOND
    renewed = storage.set_key("s1", "k2")
    assert renewed is not None
    assert (renewed.publication, renewed.publication_client) == (None, None)


def test_a_database_that_is_away_is_one_error(storage: Storage, tmp_path: Path) -> None:
    seen = make(storage)
    storage.close()
    shutil.rmtree(tmp_path / "db")
    for use in (
        storage.migrate,
        storage.streams,
        lambda: storage.stream("s1"),
        lambda: storage.stream_by_key("k1"),
        lambda: make(storage, "s2", "k2"),
        lambda: storage.set_panic("s1", True),
        lambda: storage.set_publication(seen, FIRST, "1", "k1"),
        lambda: storage.end_publication("s1", "1"),
        lambda: storage.delete_stream("s1"),
        lambda: storage.secret_sha256("admin_token"),
        lambda: storage.keep_secret("admin_token", "a"),
    ):
        with pytest.raises(StorageError):
            use()


def test_a_database_of_a_newer_version_is_refused_in_a_sentence(storage: Storage) -> None:
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="does not fit this version"):
        storage.migrate()


def test_errors_of_the_database_carry_no_values(storage: Storage) -> None:
    make(storage, key="hash-of-a-key")
    with pytest.raises(Exception, match="UNIQUE") as raised:
        make(storage, "s2", key="hash-of-a-key")
    assert "hash-of-a-key" not in str(raised.value)
    assert "Main square" not in str(raised.value)
