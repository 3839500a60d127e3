"""How the bot is asked in each channel."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "channel_modes",
        sa.Column("channel_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("since_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channel_modes"),
    )
    op.add_column("seen_messages", sa.Column("question_id", sa.BigInteger(), nullable=True))
    op.create_index("ix_seen_messages_question_id", "seen_messages", ["question_id"])
