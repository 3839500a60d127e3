"""The files that came with a quoted message."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply this version."""
    op.add_column("turns", sa.Column("quote_files", sa.JSON(), nullable=False, server_default="[]"))
