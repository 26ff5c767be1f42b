"""LoRA files, and what is known of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "lora_files",
        sa.Column("folder", sa.String(200), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.Integer, nullable=False),
        sa.Column("ctime_ns", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("autov1", sa.String(8)),
        sa.Column("autov3", sa.String(64), nullable=False),
        sa.Column("header", sa.JSON, nullable=False),
        sa.Column("sidecars", sa.JSON, nullable=False),
        sa.Column("gone_at", sa.DateTime),
    )
    op.create_table(
        "lora_facts",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("model_id", sa.Integer),
        sa.Column("version_id", sa.Integer),
        sa.Column("ids", sa.JSON, nullable=False),
        sa.Column("civitai", sa.JSON),
        sa.Column("not_on_civitai_at", sa.DateTime),
        sa.Column("edits", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lora_references",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
