"""What the other parts must still be told, how far a person's enrolment is, and what this installation's id is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Whoever was enrolled before is kept; nothing waits: at its start the api compares the log with the streams."""
    op.create_table(
        "outbox",
        sa.Column("topic", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("mark", sa.String(32), nullable=False),
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(128), nullable=False),
    )
    op.add_column("people", sa.Column("state", sa.String(16), nullable=False, server_default="kept"))


def downgrade() -> None:
    """Forget what was not told; people who were not enrolled to the end, or not erased to the end, go."""
    op.execute("DELETE FROM people WHERE state <> 'kept'")
    with op.batch_alter_table("people") as people:
        people.drop_column("state")
    op.drop_table("installation")
    op.drop_table("outbox")
