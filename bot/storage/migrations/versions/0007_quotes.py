"""Several quotes of one question, in a table of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "quotes",
        sa.Column("turn_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "position", name="pk_quotes"),
    )
    op.create_index("ix_quotes_message_id", "quotes", ["message_id"])
    op.create_index("ix_quotes_author_id", "quotes", ["author_id"])
    op.execute(
        "INSERT INTO quotes (turn_id, position, message_id, author_id, author_name, text, files, relation)"
        " SELECT id, 0, quote_message_id, quote_author_id, quote_author_name, quote_text, quote_files, 'replied_to'"
        " FROM turns WHERE quote_message_id IS NOT NULL"
    )
    op.drop_index("ix_turns_quote_message_id", "turns")
    op.drop_index("ix_turns_quote_author_id", "turns")
    with op.batch_alter_table("turns") as turns:
        for name in ("quote_message_id", "quote_author_id", "quote_author_name", "quote_text", "quote_files"):
            turns.drop_column(name)
