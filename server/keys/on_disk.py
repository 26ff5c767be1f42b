"""Whether there are keys, told before a server runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from server.config import Settings
from server.database import read_only


def keys_configured(settings: Settings) -> bool:
    """Whether the database of these settings has keys. Makes and changes nothing, and takes no
    lock; a server may be using the file. What cannot be read has none."""
    try:
        with closing(read_only(settings.folders.database)) as connection:
            return connection.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone() is not None
    except sqlite3.DatabaseError:  # none there, or one from before there were keys
        return False
