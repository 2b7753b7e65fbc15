"""Runs inside Alembic: migrates the connection that the ledger hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
