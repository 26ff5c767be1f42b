"""Jobs, images with their search index, idempotency keys, remembered state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    _create_jobs()
    _create_images()
    _create_search()
    op.create_table("trash", sa.Column("filename", sa.String(64), primary_key=True))
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(24), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_index("idempotency_by_age", "idempotency", ["created_at"])
    op.create_table(
        "state",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(24), nullable=False, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("family", sa.String(200), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("restarts", sa.Integer, nullable=False),
        sa.Column("images_done", sa.JSON, nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("started_at", sa.DateTime),
        sa.Column("finished_at", sa.DateTime),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_status", "jobs", ["status", "number"])


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("filename", sa.String(64), nullable=False, unique=True),
        sa.Column("job_id", sa.String(24), nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("family", sa.String(200), nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("recipe", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.UniqueConstraint("job_id", "index"),
        sqlite_autoincrement=True,
    )
    op.create_index("images_by_model", "images", ["model", "id"])


def _create_search() -> None:
    """SQLite's own full-text index over prompts and models, kept by triggers."""
    op.execute(
        "CREATE VIRTUAL TABLE images_search USING fts5"
        "(prompt, model, content='images', content_rowid='id')"
    )
    op.execute(
        "CREATE TRIGGER images_search_insert AFTER INSERT ON images BEGIN"
        " INSERT INTO images_search(rowid, prompt, model) VALUES (new.id, new.prompt, new.model);"
        " END"
    )
    op.execute(
        "CREATE TRIGGER images_search_delete AFTER DELETE ON images BEGIN"
        " INSERT INTO images_search(images_search, rowid, prompt, model)"
        " VALUES ('delete', old.id, old.prompt, old.model);"
        " END"
    )
