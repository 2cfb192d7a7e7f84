"""The api's database: SQLite on one machine, PostgreSQL by URL. SQLAlchemy ends here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaicast.adapters.database.base import MIGRATIONS, Mark, StorageError, page, rows
from mosaicast.adapters.database.models import ConsentRow, InstallationRow, SecretRow, StreamRow
from mosaicast.adapters.database.outbox import Place, Waiting, put
from mosaicast.adapters.database.people import ADDING, GIVEN_UP, KEPT, PeopleTables, Person, PersonState, Photo
from mosaicast.contracts.messages import MOST_ZONES, Policy, Publication, Source, StreamSpec
from mosaicast.contracts.topics import STREAMS
from mosaicast.core.consents import NEVER_MS

__all__ = [
    "ADDING",
    "GIVEN_UP",
    "KEPT",
    "MIGRATIONS",
    "Mark",
    "NewStream",
    "Person",
    "PersonState",
    "Photo",
    "Place",
    "RevisionConflictError",
    "Storage",
    "StorageError",
    "Stream",
    "Waiting",
]
_VAULT = "vault"
_NOBODY: dict[str, Any] = {"publication_id": None, "publication_ms": None, "publication_client": None}


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as the api knows it."""

    stream_id: str
    owner_id: str
    name: str
    revision: int
    source: Source
    policy: Policy
    panic: bool
    publication: Publication | None
    publication_client: str | None
    """The edge's number of the publisher's connection."""
    created_ms: int

    def spec(self, visible_until: Mapping[str, int]) -> StreamSpec:
        """Return what the other parts are told; see `Storage.visible_people`."""
        return StreamSpec(
            stream_id=self.stream_id,
            owner_id=self.owner_id,
            revision=self.revision,
            source=self.source,
            publication=self.publication,
            policy=self.policy,
            panic=self.panic,
            visible_until=dict(visible_until),
        )


@dataclass(frozen=True, slots=True)
class NewStream:
    """What a new stream is made from."""

    stream_id: str
    owner_id: str
    name: str
    key_sha256: str
    source: Source
    created_ms: int


class RevisionConflictError(Exception):
    """The stream was changed since the revision that the sender knows: the sender's to look again."""


class Storage(PeopleTables):
    """Everything that survives a restart of the api. Thread-safe.

    Every change of a stream or of who may be seen notes in its own transaction that it must be told; see
    `storage_outbox`.

    Args:
        url: SQLAlchemy URL.

    Raises:
        StorageError: as every method here, when the database is away.
    """

    def create_stream(self, new: NewStream) -> Stream:
        """Add a stream and return it."""
        row = StreamRow(
            id=new.stream_id,
            owner_id=new.owner_id,
            name=new.name,
            key_sha256=new.key_sha256,
            revision=1,
            source_kind=new.source.kind,
            source_path=new.source.path,
            policy=_plain(Policy()),
            panic=False,
            created_ms=new.created_ms,
        )
        with self._session() as session:
            session.add(row)
            put(session, STREAMS.name, [new.stream_id])
        return _stream(row)

    def streams(self, after: Mark | None = None, limit: int | None = None) -> list[Stream]:
        """Return streams, oldest first; all, or at most `limit` of those that come after a place in the list."""
        query = page(select(StreamRow), StreamRow.created_ms, StreamRow.id, after, limit)
        with self._session() as session:
            return [_stream(row) for row in session.scalars(query)]

    def stream(self, stream_id: str) -> Stream | None:
        """Return a stream."""
        with self._session() as session:
            row = session.get(StreamRow, stream_id)
            return _stream(row) if row else None

    def stream_by_key(self, key_sha256: str) -> Stream | None:
        """Return the stream that a key belongs to."""
        with self._session() as session:
            row = session.scalar(select(StreamRow).where(StreamRow.key_sha256 == key_sha256))
            return _stream(row) if row else None

    def delete_stream(self, stream_id: str) -> bool:
        """Delete a stream; False: there is none."""
        with self._session() as session:
            deleted = bool(rows(session.execute(delete(StreamRow).where(StreamRow.id == stream_id))))
            if deleted:
                put(session, STREAMS.name, [stream_id])
            return deleted

    def set_key(self, stream_id: str, key_sha256: str) -> Stream | None:
        """Change the key, and end the publication that the old one began."""
        return self._change(stream_id, key_sha256=key_sha256, **_NOBODY)

    def change_policy(
        self, stream_id: str, change: Callable[[Policy], Policy], if_revision: int | None = None
    ) -> Stream | None:
        """Change the policy from what it is; None: there is no such stream. Changes at once happen one after another.

        Args:
            change: returns the new policy; called within the transaction.
            if_revision: change nothing unless the stream's revision is this.

        Raises:
            RevisionConflictError: it is another.
        """
        wanted = update(StreamRow).where(StreamRow.id == stream_id)
        if if_revision is not None:
            wanted = wanted.where(StreamRow.revision == if_revision)
        with self._session() as session:
            # The write comes first: from here on nobody else writes, and what is read is what is changed.
            if rows(session.execute(wanted.values(revision=StreamRow.revision + 1))):
                row = session.get_one(StreamRow, stream_id)
                row.policy = _plain(change(msgspec.convert(row.policy, Policy)))
                put(session, STREAMS.name, [stream_id])
                return _stream(row)
            if session.get(StreamRow, stream_id) is None:
                return None
        raise RevisionConflictError

    def outlive(self, known: StreamSpec, ended_ms: Mapping[str, int]) -> None:
        """Raise a stream's revision above one that the other parts know already, and note that it must be told.

        They ignore revisions older than what they know. After an older copy of the database was restored they would
        ignore even a panic. What was forbidden since that copy was made stays forbidden until somebody allows it again.

        Args:
            known: what they know.
            ended_ms: until when (wall milliseconds, `NEVER_MS`: not at all) these people may be seen on the stream.
        """
        own = StreamRow.id == known.stream_id
        with self._session() as session:
            older = update(StreamRow).where(own, StreamRow.revision <= known.revision)
            session.execute(older.values(revision=known.revision + 1))
            row = session.get(StreamRow, known.stream_id)
            if row is None:
                return
            policy = msgspec.convert(row.policy, Policy)
            zones = tuple(dict.fromkeys((*policy.zones, *known.policy.zones)))
            row.panic = row.panic or known.panic or len(zones) > MOST_ZONES
            row.policy = _plain(msgspec.structs.replace(policy, zones=zones[:MOST_ZONES]))
            for person_id, end_ms in ended_ms.items():
                session.merge(
                    ConsentRow(
                        person_id=person_id, stream_id=row.id, allowed=end_ms != NEVER_MS, expires_ms=end_ms or None
                    )
                )
            put(session, STREAMS.name, [row.id])

    def set_panic(self, stream_id: str, panic: bool) -> Stream | None:
        """Set or release the full mosaic."""
        return self._change(stream_id, panic=panic)

    def set_publication(self, seen: Stream, publication: Publication, client: str, key_sha256: str) -> Stream | None:
        """Note who publishes; None: the key is another, or somebody else came since `seen` was read."""
        before = seen.publication.publication_id if seen.publication else None
        with self._session() as session:
            found = session.execute(
                update(StreamRow)
                .where(
                    StreamRow.id == seen.stream_id,
                    StreamRow.key_sha256 == key_sha256,
                    StreamRow.publication_id.is_not_distinct_from(before),
                )
                .values(
                    publication_id=publication.publication_id,
                    publication_ms=publication.started_ms,
                    publication_client=client,
                    revision=StreamRow.revision + 1,
                )
            )
            return _changed(session, seen.stream_id, rows(found))

    def end_publication(self, stream_id: str, client: str) -> Stream | None:
        """Note that the publisher with this connection has gone; None: it was not the one that publishes."""
        with self._session() as session:
            found = session.execute(
                update(StreamRow)
                .where(StreamRow.id == stream_id, StreamRow.publication_client == client)
                .values(**_NOBODY, revision=StreamRow.revision + 1)
            )
            return _changed(session, stream_id, rows(found))

    def secret_sha256(self, purpose: str) -> str | None:
        """Return the hash of a secret."""
        with self._session() as session:
            row = session.get(SecretRow, purpose)
            return row.sha256 if row else None

    def keep_secret(self, purpose: str, sha256: str) -> None:
        """Keep the hash of a secret, in place of an older one."""
        with self._session() as session:
            session.merge(SecretRow(purpose=purpose, sha256=sha256))

    def vault_id(self) -> str | None:
        """Return the id of the vault that belongs to this database; None: it was bound to none yet."""
        with self._session() as session:
            row = session.get(InstallationRow, _VAULT)
            return row.value if row else None

    def bind_vault(self, vault_id: str, *, replace: bool = False) -> str:
        """Note which vault belongs to this database; return which does: without `replace`, a noted one stays."""
        row = InstallationRow(name=_VAULT, value=vault_id)
        try:
            with self._session() as session:
                if replace:
                    session.merge(row)
                else:
                    session.add(row)
        except IntegrityError:  # another process was first: its id counts
            return self.vault_id() or vault_id
        return vault_id

    def _change(self, stream_id: str, **values: Any) -> Stream | None:
        with self._session() as session:
            found = session.execute(
                update(StreamRow).where(StreamRow.id == stream_id).values(**values, revision=StreamRow.revision + 1)
            )
            return _changed(session, stream_id, rows(found))


def _changed(session: Session, stream_id: str, changed: int) -> Stream | None:
    """Return a stream that was just changed, having noted that it must be told; None: nothing was changed."""
    if not changed:
        return None
    put(session, STREAMS.name, [stream_id])
    return _stream(session.get_one(StreamRow, stream_id))


def _plain(policy: Policy) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(policy)
    return plain


def _stream(row: StreamRow) -> Stream:
    publication = None
    if row.publication_id is not None:
        publication = Publication(publication_id=row.publication_id, started_ms=row.publication_ms or 0)
    kind: Literal["push", "file"] = "file" if row.source_kind == "file" else "push"
    return Stream(
        stream_id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        revision=row.revision,
        source=Source(kind=kind, path=row.source_path),
        policy=msgspec.convert(row.policy, Policy),
        panic=row.panic,
        publication=publication,
        publication_client=row.publication_client,
        created_ms=row.created_ms,
    )
