"""Consents that run out, photos that are kept, and of which networks the templates are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Whoever was enrolled before has no end, no kept photo, and templates of an unknown network."""
    op.add_column("people", sa.Column("expires_ms", sa.BigInteger))
    op.add_column("people", sa.Column("templates", sa.String(500), nullable=False, server_default=""))
    op.create_index("ix_people_expires_ms", "people", ["expires_ms"])
    op.add_column("photos", sa.Column("photo_id", sa.String(64)))
    op.create_table(
        "consents",
        sa.Column("person_id", sa.String(64), sa.ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("stream_id", sa.String(64), sa.ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("allowed", sa.Boolean, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
    )
    op.create_index("ix_consents_stream_id", "consents", ["stream_id"])
    op.create_index("ix_consents_expires_ms", "consents", ["expires_ms"])


def downgrade() -> None:
    """Forget consents: everybody is visible without end again."""
    op.drop_table("consents")
    op.drop_index("ix_people_expires_ms", "people")
    with op.batch_alter_table("photos") as photos:
        photos.drop_column("photo_id")
    with op.batch_alter_table("people") as people:
        people.drop_column("templates")
        people.drop_column("expires_ms")
