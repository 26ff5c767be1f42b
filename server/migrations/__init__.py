"""Alembic migrations of the database; `run.upgrade` applies them."""
