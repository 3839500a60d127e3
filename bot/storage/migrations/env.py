"""Alembic's entry point: applies versions on the connection that `bot.storage.migrations.upgrade` passes in."""

from alembic import context

from bot.storage.tables import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata)
with context.begin_transaction():
    context.run_migrations()
