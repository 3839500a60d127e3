"""First tables: conversations and their turns, accepted questions, replies, seen messages and personas."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply this version."""
    _create_conversations()
    _create_turns()
    _create_accepted_questions()
    _create_replies()
    op.create_table(
        "seen_messages",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_seen_messages"),
    )
    op.create_table(
        "personas",
        sa.Column("place_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("place_id", name="pk_personas"),
    )


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("channel_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tip_id", sa.BigInteger(), nullable=True),
        sa.Column("resets", sa.BigInteger(), nullable=False),
        sa.Column("began_id", sa.BigInteger(), nullable=False),
        sa.Column("used_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "person_id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_used_id", "conversations", ["used_id"])


def _create_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("memory_person_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("depth", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=True),
        sa.Column("author_name", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("quote_message_id", sa.BigInteger(), nullable=True),
        sa.Column("quote_author_id", sa.BigInteger(), nullable=True),
        sa.Column("quote_author_name", sa.Text(), nullable=True),
        sa.Column("quote_text", sa.Text(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answer_ids", sa.LargeBinary(), nullable=True),
        sa.Column("tokenizer", sa.Text(), nullable=True),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
    )
    op.create_index("ix_turns_channel_id_memory_person_id", "turns", ["channel_id", "memory_person_id"])
    op.create_index("ix_turns_author_id", "turns", ["author_id"])
    op.create_index("ix_turns_quote_author_id", "turns", ["quote_author_id"])
    op.create_index("ix_turns_quote_message_id", "turns", ["quote_message_id"])


def _create_accepted_questions() -> None:
    op.create_table(
        "accepted_questions",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("message_id", name="pk_accepted_questions"),
    )
    op.create_index("ix_accepted_questions_author_id", "accepted_questions", ["author_id"])


def _create_replies() -> None:
    op.create_table(
        "replies",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_replies"),
    )
    op.create_index("ix_replies_question_id", "replies", ["question_id"])
