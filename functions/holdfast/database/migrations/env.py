"""What Alembic runs: the migrations on the connection that ``holdfast.database.migrate`` hands over, in that one's transaction."""

from __future__ import annotations

from alembic import context

from holdfast.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
