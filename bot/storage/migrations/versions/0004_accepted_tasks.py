"""What is to be done about an accepted question, and what an interaction asked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("accepted_questions", sa.Column("task", sa.Text(), nullable=False, server_default="answer"))
    op.add_column("accepted_questions", sa.Column("interaction", sa.JSON(), nullable=True))
