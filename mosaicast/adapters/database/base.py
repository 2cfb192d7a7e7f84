"""The database's engine, sessions, migrations and errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Select, and_, create_engine, event, inspect, or_, text
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0003"
"""The newest of them: the version of the tables that this program works with."""
_WANTED = "name one as sqlite:////folder/mosaicast.db or postgresql+psycopg://user:password@host/name"

Row = TypeVar("Row")


class Mark(NamedTuple):
    """Where something is in a list that has the oldest first."""

    created_ms: int
    item_id: str


class StorageError(Exception):
    """The database is away or refuses: ours or the operator's fault; trying again may help."""


class Database:
    """Connections to the database. Thread-safe.

    Args:
        url: SQLAlchemy URL.

    Raises:
        StorageError: the URL names no database that can be used here: the operator's to mend.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    @property
    def engine(self) -> Engine:
        """The engine, for migrations and their test."""
        return self._engine

    def migrate(self) -> None:
        """Bring the tables up to date.

        Raises:
            StorageError: the database is away, or of a version that this program does not know.
        """
        with _errors(), self._engine.begin() as connection:
            if _version(connection) != HEAD:
                _upgrade(connection)

    def require_current(self) -> None:
        """Change nothing; only make sure that the tables are of this version.

        Raises:
            StorageError: they are of another one, or the database is away.
        """
        with _errors(), self._engine.connect() as connection:
            found = _version(connection)
        if found != HEAD:
            raise StorageError(f"the database is of version {found}, this program wants {HEAD}: start the api once")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with _errors(), self._sessions.begin() as session:
            yield session


def _engine(url: str) -> Engine:
    # No error's text may hold the URL: there is a password in it.
    try:
        # Parameters are names and hashes: no error's text may carry them into a log.
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except NoSuchModuleError:
        raise StorageError(
            f"MOSAICAST_DATABASE__URL names a database or a driver that is not known here; {_WANTED}"
        ) from None
    except ImportError as exc:
        raise StorageError(
            f"MOSAICAST_DATABASE__URL wants the driver {exc.name}, which is not installed; install it, or {_WANTED}"
        ) from None
    except (ArgumentError, ValueError):
        raise StorageError(f"MOSAICAST_DATABASE__URL is no address of a database; {_WANTED}") from None


def rows(result: Any) -> int:
    """Return how many rows a statement changed."""
    return int(result.rowcount)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as exc:
        raise StorageError(f"the database failed: {type(exc).__name__}") from exc


def _version(connection: Connection) -> str | None:
    """Return the version of the tables, as Alembic has noted it; None: there are none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    # Half a second of imports that a start with tables of this version does without.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise StorageError(f"the database does not fit this version: {exc}") from exc


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=5000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def page(
    query: Select[Row],
    created_ms: InstrumentedAttribute[int],
    item_id: InstrumentedAttribute[str],
    after: Mark | None,
    limit: int | None,
) -> Select[Row]:
    """Return a query for a part of a list, oldest first.

    Args:
        after: where the part begins; None: at the beginning.
        limit: at most so many; None: all.
    """
    if after is not None:
        later = and_(created_ms == after.created_ms, item_id > after.item_id)
        query = query.where(or_(created_ms > after.created_ms, later))
    return query.order_by(created_ms, item_id).limit(limit)
