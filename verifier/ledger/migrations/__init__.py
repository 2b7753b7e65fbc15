"""Alembic migrations of the ledger, run on every open."""
