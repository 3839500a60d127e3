"""What Alembic runs to apply versions: here, on the connection that `bot.storage.migrations.upgrade` hands over."""

from alembic import context

from bot.storage.tables import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata)
with context.begin_transaction():
    context.run_migrations()
