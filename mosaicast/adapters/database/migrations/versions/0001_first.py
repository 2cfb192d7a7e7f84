"""Streams, people, photos, secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "streams",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("source_kind", sa.String(16), nullable=False),
        sa.Column("source_path", sa.String(1000)),
        sa.Column("policy", sa.JSON, nullable=False),
        sa.Column("panic", sa.Boolean, nullable=False),
        sa.Column("publication_id", sa.String(128)),
        sa.Column("publication_client", sa.String(64)),
        sa.Column("publication_ms", sa.BigInteger),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_streams_owner_id", "streams", ["owner_id"])
    op.create_table(
        "people",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_people_owner_id", "people", ["owner_id"])
    op.create_table(
        "photos",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person_id", sa.String(64), sa.ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
        sa.Column("file", sa.String(255), nullable=False),
        sa.Column("verdict", sa.String(32), nullable=False),
    )
    op.create_index("ix_photos_person_id", "photos", ["person_id"])
    op.create_table(
        "secrets",
        sa.Column("purpose", sa.String(64), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Forget everything."""
    for table in ("secrets", "photos", "people", "streams"):
        op.drop_table(table)
