"""What was deleted or forgotten, so that a backup from before does not bring it back."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_ids", sa.JSON(), nullable=True),
        sa.Column("author_id", sa.BigInteger(), nullable=True),
        sa.Column("channel_ids", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )


def downgrade() -> None:
    """Take this version back. Backups from before then bring back what was deleted since."""
    op.drop_table("erasures")
