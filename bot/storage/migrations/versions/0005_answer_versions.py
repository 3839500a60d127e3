"""Several answers to one question."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("turns", sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"))
    op.add_column("turns", sa.Column("outcome", sa.Text(), nullable=True))
    op.create_table(
        "answer_versions",
        sa.Column("turn_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answer_ids", sa.LargeBinary(), nullable=True),
        sa.Column("tokenizer", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("turn_id", "number", name="pk_answer_versions"),
    )
