"""Summaries of the turns that no longer fit into the context."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("turns", sa.Column("summary_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "summarized_turns",
        sa.Column("summary_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("turn_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("summary_id", "turn_id", name="pk_summarized_turns"),
    )
    op.create_index("ix_summarized_turns_turn_id", "summarized_turns", ["turn_id"])
