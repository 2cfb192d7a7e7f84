"""What the other parts must still be told, kept in the same transaction as the change that they must hear of.

A row says that the newest state of a key was not acknowledged yet, not what it is: what is sent is read when it is
sent, so that a newer change replaces an older one that still waits, and no order can be mixed up.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from mosaicast.adapters.database.base import Database, rows
from mosaicast.adapters.database.models import OutboxRow, StreamRow
from mosaicast.contracts.topics import GALLERY, STREAMS

Place = tuple[str, str]
"""Topic and key."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A key whose newest state was not acknowledged yet."""

    topic: str
    key: str
    mark: str
    """Another one after every change, never the same twice."""

    @property
    def place(self) -> Place:
        """Topic and key."""
        return self.topic, self.key


class OutboxTables(Database):
    """The outbox's part of the storage."""

    def waiting(self, places: Iterable[Place] | None = None) -> list[Waiting]:
        """Return what waits at these places; None: at all."""
        with self._session() as session:
            found = [Waiting(row.topic, row.key, row.mark) for row in session.scalars(select(OutboxRow))]
        wanted = None if places is None else frozenset(places)
        return found if wanted is None else [waiting for waiting in found if waiting.place in wanted]

    def count_waiting(self) -> int:
        """Return how many keys wait."""
        with self._session() as session:
            return session.scalar(select(func.count()).select_from(OutboxRow)) or 0

    def must_tell(self, topic: str, keys: Iterable[str]) -> None:
        """Note that the state of these keys must be told (again)."""
        with self._session() as session:
            put(session, topic, keys)

    def settle(self, told: Waiting, revision: int | None) -> None:
        """Note that what waited was acknowledged.

        Args:
            revision: of the stream that was told; None: that it is gone, or the topic is another. If another process
                told something newer in between, and this came after it, it must be told again.
        """
        with self._session() as session:
            mine = (OutboxRow.topic == told.topic, OutboxRow.key == told.key, OutboxRow.mark == told.mark)
            if rows(session.execute(delete(OutboxRow).where(*mine))) or told.topic != STREAMS.name:
                return
            if session.scalar(select(StreamRow.revision).where(StreamRow.id == told.key)) != revision:
                put(session, told.topic, [told.key])

    def places_of(self, owner_id: str) -> frozenset[Place]:
        """Return where a change of an owner's people must be told."""
        with self._session() as session:
            ids = session.scalars(select(StreamRow.id).where(StreamRow.owner_id == owner_id))
            return frozenset({(GALLERY.name, owner_id), *((STREAMS.name, stream_id) for stream_id in ids)})


def put(session: Session, topic: str, keys: Iterable[str]) -> None:
    """Note within a transaction that the state of these keys must be told."""
    fresh = [{"topic": topic, "key": key, "mark": secrets.token_hex(16)} for key in keys]
    if not fresh:
        return
    # Two changes at once may both find no row: the database must decide, not we.
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(OutboxRow).values(fresh)
    replaced = {"mark": statement.excluded.mark}
    session.execute(statement.on_conflict_do_update(index_elements=["topic", "key"], set_=replaced))
