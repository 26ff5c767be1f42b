"""The newest revision as one script: a new database is made without Alembic, which costs 10 MiB and
a tenth of a second."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, create_engine

SCRIPT = Path(__file__).with_name("newest.sql")

#: What a search index keeps for itself is made with it.
_OWN = """
SELECT sql FROM sqlite_master
WHERE sql IS NOT NULL AND name NOT IN (
    SELECT name FROM pragma_table_list WHERE type = 'shadow' OR name LIKE 'sqlite%'
)
ORDER BY rowid
"""


def create(connection: Connection) -> None:
    """Make everything that the migrations make, in an empty database."""
    for statement in _statements(SCRIPT.read_text(encoding="utf-8")):
        connection.exec_driver_sql(statement)


def script() -> str:
    """What `newest.sql` has to hold: what the migrations make, one after the other."""
    from server.migrations.run import upgrade

    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        upgrade(connection)
        found = connection.exec_driver_sql(_OWN).scalars().all()
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    engine.dispose()
    return "\n".join(
        [
            "-- Written by `make docs` from the migrations.",
            *(f"{statement};" for statement in found),
            f"INSERT INTO alembic_version VALUES ('{revision}');\n",
        ]
    )


def _statements(text: str) -> Iterator[str]:
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
