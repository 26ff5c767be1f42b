"""Small facts that the server remembers from run to run, such as the current model."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from server.database import Database, state


class Memory:
    """JSON values by key. Every method blocks; call it off the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recall(self, key: str) -> Any:
        """What was remembered under `key`, or None."""
        with self._database.reading() as connection:
            return connection.execute(select(state.c.value).where(state.c.key == key)).scalar()

    def remember(self, key: str, value: Any) -> None:
        """Remember a JSON value for the next start."""
        with self._database.writing() as connection:
            connection.execute(delete(state).where(state.c.key == key))
            connection.execute(insert(state).values(key=key, value=value))
