"""Tables of the api's database. Keys and tokens are kept as hashes; names of people live here and nowhere else."""

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables."""


class StreamRow(Base):
    """One stream: desired state, and who publishes on it now."""

    __tablename__ = "streams"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(200))
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    source_kind: Mapped[str] = mapped_column(String(16))
    source_path: Mapped[str | None] = mapped_column(String(1000))
    policy: Mapped[dict[str, object]] = mapped_column(JSON)
    panic: Mapped[bool] = mapped_column(Boolean)
    publication_id: Mapped[str | None] = mapped_column(String(128))
    publication_client: Mapped[str | None] = mapped_column(String(64))
    publication_ms: Mapped[int | None] = mapped_column(BigInteger)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class PersonRow(Base):
    """One enrolled person."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(200))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger, index=True)
    templates: Mapped[str] = mapped_column(String(500), server_default="")
    state: Mapped[str] = mapped_column(String(16), server_default="kept")


class PhotoRow(Base):
    """One photo's verdict; the picture is in the vault."""

    __tablename__ = "photos"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    file: Mapped[str] = mapped_column(String(255))
    verdict: Mapped[str] = mapped_column(String(32))
    photo_id: Mapped[str | None] = mapped_column(String(64))


class ConsentRow(Base):
    """What a person said about one stream."""

    __tablename__ = "consents"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    stream_id: Mapped[str] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True, index=True)
    allowed: Mapped[bool] = mapped_column(Boolean)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger, index=True)


class SecretRow(Base):
    """Hash of a secret by its purpose (`admin_token`)."""

    __tablename__ = "secrets"

    purpose: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))


class OutboxRow(Base):
    """One key of a topic whose newest state the broker has not acknowledged yet."""

    __tablename__ = "outbox"

    topic: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    mark: Mapped[str] = mapped_column(String(32))


class InstallationRow(Base):
    """A fact about this installation by its name (`vault`: the id that its vault bears)."""

    __tablename__ = "installation"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(128))
