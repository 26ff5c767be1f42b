"""The table of keys."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, insert, select, update

from server.callers import ALL_SCOPES, Scope, Tier
from server.database import Database, api_keys
from server.key_errors import KeyNameUnusable, KeyNotFound
from server.keys.hashing import Hashed, hashed, matches
from server.keys.record import Key
from server.keys.token import Token
from server.keys.verdicts import Verdicts

#: Characters of a name.
MAX_NAME = 64


class Recalled(NamedTuple):
    """What is known of a text without hashing it.

    Attributes:
        key: the key that it is the text of; None when it is none, or that is not known yet.
        decided: False when only the hash can tell.
    """

    key: Key | None
    decided: bool


class KeyStore:
    """Adds, finds and revokes keys. Every method blocks; call it off the event loop.

    Each looks at the database, so that what another process has changed (`darkroom keys revoke`
    beside a running server) holds at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._verdicts = Verdicts()
        self._hashing = threading.Lock()

    # --- keeping ---------------------------------------------------------------------------

    def add(
        self,
        name: str,
        *,
        tier: Tier = Tier.AUTHENTICATED,
        scopes: Collection[Scope] = ALL_SCOPES,
        max_queued: int | None = None,
        max_running: int | None = None,
    ) -> str:
        """Make a key and return its text, which cannot be had again.

        Args:
            name: 1–64 printable characters; spaces around them are left out.
            tier: `AUTHENTICATED` or `PRO`.
            scopes: at least one.
            max_queued, max_running: see `Key`; at least 1.

        Raises:
            KeyNameUnusable: it is empty, too long, not printable, or a key in use has it.
            ValueError: anything else is not as above.
        """
        _check(tier, scopes, max_queued, max_running)
        name = _usable(name)
        token = Token.draw()
        row = {
            "id": token.id,
            "name": name,
            **hashed(token.secret)._asdict(),
            "tier": tier.value,
            "scopes": sorted(scope.value for scope in set(scopes)),
            "max_queued": max_queued,
            "max_running": max_running,
            "created_at": datetime.now(UTC),
        }
        with self._database.writing() as connection:
            if connection.execute(select(api_keys.c.id).where(_in_use(name))).first():
                raise KeyNameUnusable(
                    f"A key is called {name!r} already. Choose another name, or revoke that one."
                )
            connection.execute(insert(api_keys).values(**row))
        return token.text

    def records(self) -> tuple[Key, ...]:
        """Every key in the order in which they were made, revoked ones too."""
        order = (api_keys.c.created_at, api_keys.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(select(api_keys).order_by(*order)).all()
        return tuple(map(_key, rows))

    def revoke(self, name_or_id: str) -> Key:
        """Refuse a key from now on, and return it as it was.

        Raises:
            KeyNotFound: no key in use has this name or id.
        """
        is_called = api_keys.c.name == name_or_id
        is_it = is_called | (api_keys.c.id == name_or_id)
        with self._database.writing() as connection:
            found = select(api_keys).where(is_it, api_keys.c.revoked_at.is_(None))
            row = connection.execute(found.order_by(is_called.desc())).first()
            if row is None:
                raise KeyNotFound(
                    f"No key in use is called {name_or_id!r}. `darkroom keys list` shows them all."
                )
            change = update(api_keys).where(api_keys.c.id == row.id)
            connection.execute(change.values(revoked_at=datetime.now(UTC)))
        return _key(row)

    def reset(self) -> int:
        """Forget every key, revoked ones too, and return how many there were. The server asks for
        none then."""
        with self._database.writing() as connection:
            return connection.execute(delete(api_keys)).rowcount

    # --- finding ---------------------------------------------------------------------------

    def configured(self) -> bool:
        """Whether requests need a key. They do until the keys are reset: a server whose last key
        was revoked lets nobody in rather than everybody."""
        with self._database.reading() as connection:
            return connection.execute(select(api_keys.c.id).limit(1)).first() is not None

    def get(self, key_id: str) -> Key | None:
        """The key in use with this id."""
        row = self._row(key_id)
        return None if row is None else _key(row)

    def may_run(self, client: str, running: int) -> bool:
        """Whether another job of a caller (`Caller.id`) may run beside so many."""
        key = self.get(client.removeprefix("key:"))
        return key is None or key.max_running is None or running < key.max_running

    def recall(self, presented: str) -> Recalled:
        """Whose text this is, as far as that can be told quickly: what has not the form of a key
        or an id that is in use costs no hash, and neither does what was hashed before."""
        token = Token.read(presented)
        row = token and self._row(token.id)
        if not row:
            return Recalled(None, decided=True)
        verdict = self._verdicts.recall(presented)
        return Recalled(_key(row) if verdict else None, decided=verdict is not None)

    def find(self, presented: str) -> Key | None:
        """The key in use that this is the text of. Hashes are made one at a time."""
        with self._hashing:  # whoever waits finds in the verdicts what the first has learnt
            recalled = self.recall(presented)
            if recalled.decided:
                return recalled.key
            token = Token.read(presented)
            row = token and self._row(token.id)
            if not token or not row:
                return None
            is_right = matches(token.secret, Hashed(row.salt, row.hash))
            self._verdicts.remember(presented, is_right)
        return self.get(token.id) if is_right else None  # it may have been revoked meanwhile

    def _row(self, key_id: str) -> Row[Any] | None:
        is_it = (api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        with self._database.reading() as connection:
            return connection.execute(select(api_keys).where(*is_it)).first()


def _in_use(name: str) -> Any:
    return (api_keys.c.name == name) & api_keys.c.revoked_at.is_(None)


def _key(row: Row[Any]) -> Key:
    values = {name: value for name, value in row._mapping.items() if name not in ("salt", "hash")}
    scopes = frozenset(map(Scope, row.scopes))
    return Key(**{**values, "tier": Tier(row.tier), "scopes": scopes})


def _usable(name: str) -> str:
    """
    Raises:
        KeyNameUnusable
    """
    bare = name.strip()
    if not 1 <= len(bare) <= MAX_NAME or not bare.isprintable():
        raise KeyNameUnusable(f"The name of a key has 1 to {MAX_NAME} printable characters.")
    return bare


def _check(tier: Tier, scopes: Collection[Scope], *quotas: int | None) -> None:
    """
    Raises:
        ValueError
    """
    if tier is Tier.ANONYMOUS:
        raise ValueError("whoever has a key is not anonymous")
    if not scopes:
        raise ValueError("a key without a scope is good for nothing")
    if any(quota is not None and quota < 1 for quota in quotas):
        raise ValueError("a quota is at least 1")
