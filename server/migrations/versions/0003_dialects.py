"""Keys, where jobs come from, folders of images, and messages to clients."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables and columns; the jobs so far came through our own API."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(128), nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("max_queued", sa.Integer),
        sa.Column("max_running", sa.Integer),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.create_table(
        "webhooks",
        sa.Column("job_id", sa.String(24), primary_key=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime),
        sa.Column("outcome", sa.Text),
    )
    op.create_index("webhooks_by_time", "webhooks", ["due_at"])
    native = sa.Column("dialect", sa.String(64), nullable=False, server_default="native")
    op.add_column("jobs", native)
    nobody = sa.Column("client", sa.String(200), nullable=False, server_default="")
    op.add_column("jobs", nobody)
    op.add_column("jobs", sa.Column("client_model", sa.String(200)))
    op.add_column("jobs", sa.Column("request", sa.JSON, nullable=False, server_default="{}"))
    op.create_index("jobs_by_dialect", "jobs", ["dialect", "number"])
    op.create_index("jobs_by_age", "jobs", ["created_at"])
    op.add_column("jobs", sa.Column("folder", sa.Text))
    op.add_column("images", sa.Column("folder", sa.Text))
    op.add_column("trash", sa.Column("folder", sa.Text))
