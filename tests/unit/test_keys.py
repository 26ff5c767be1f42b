"""Keys: their form, their table, and who is found by one."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from server.callers import ALL_SCOPES, Caller, Scope, Tier
from server.config import Settings
from server.database import Database
from server.datafolder import acquire
from server.key_errors import KeyNameUnusable, KeyNotFound
from server.keys.hashing import hashed, matches
from server.keys.on_disk import keys_configured
from server.keys.redaction import RedactingFormatter, redacted
from server.keys.store import KeyStore, Recalled
from server.keys.token import Token
from server.keys.verdicts import Verdicts


@pytest.fixture
def keys(database: Database) -> KeyStore:
    return KeyStore(database)


def altered(text: str) -> str:
    """Another key with the same id."""
    return text[:-1] + ("A" if text[-1] != "A" else "B")


# --- the table -----------------------------------------------------------------------------


def test_a_key_is_found_with_what_it_may_do(keys: KeyStore) -> None:
    text = keys.add(
        " studio ", tier=Tier.PRO, scopes=[Scope.READ, Scope.READ], max_queued=5, max_running=2
    )
    other = keys.add("laptop")
    found, second = keys.find(text), keys.find(other)
    assert found is not None and second is not None
    assert (found.name, second.name) == ("studio", "laptop")
    assert found.caller == Caller(f"key:{found.id}", Tier.PRO, frozenset({Scope.READ}), 5, 2)
    assert second.caller == Caller(f"key:{second.id}", Tier.AUTHENTICATED, ALL_SCOPES)
    assert keys.get(found.id) == found
    assert [key.name for key in keys.records()] == ["studio", "laptop"]


def test_the_database_has_no_secret(keys: KeyStore, database: Database) -> None:
    token = Token.read(keys.add("laptop"))
    assert token is not None
    files = [path.read_bytes() for path in database.path.parent.iterdir()]
    assert any(token.id.encode() in each for each in files)
    assert not any(token.secret.encode() in each for each in files)


@pytest.mark.parametrize("text", ["", "dk", "dk_", "sk-abc", "dk_0123456789ab_short", "é" * 61])
def test_what_is_no_key_costs_no_hash(keys: KeyStore, text: str) -> None:
    keys.add("laptop")
    assert keys.recall(text) == Recalled(None, decided=True)
    assert keys.find(text) is None


def test_unknown_and_wrong_keys_are_not_found(keys: KeyStore) -> None:
    text = keys.add("laptop")
    assert keys.recall(Token.draw().text) == Recalled(None, decided=True)
    assert not keys.recall(altered(text)).decided
    assert keys.find(altered(text)) is None
    assert keys.find(text + "\n") is None and keys.find(text.upper()) is None


def test_the_slow_hash_runs_once_for_each_text(keys: KeyStore) -> None:
    text = keys.add("laptop")
    assert keys.recall(text) == Recalled(None, decided=False)
    found = keys.find(text)
    assert found is not None and keys.recall(text) == Recalled(found, decided=True)
    keys.find(altered(text))
    assert keys.recall(altered(text)) == Recalled(None, decided=True)


def test_many_threads_find_the_same_key(keys: KeyStore) -> None:
    text, found = keys.add("laptop"), []
    threads = [threading.Thread(target=lambda: found.append(keys.find(text))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and None not in found and len(set(found)) == 1


def test_a_revocation_holds_at_once_also_by_another_process(
    keys: KeyStore, database: Database
) -> None:
    first, second = keys.add("first"), keys.add("second")
    found = keys.find(first)
    assert found is not None and keys.find(second) is not None
    beside = Database(database.path)
    try:
        assert KeyStore(beside).revoke("first") == found
        KeyStore(beside).revoke(Token.read(second).id)  # type: ignore[union-attr]
    finally:
        beside.close()
    assert keys.find(first) is None and keys.find(second) is None and keys.get(found.id) is None
    assert [key.revoked_at is None for key in keys.records()] == [False, False]
    assert keys.configured()  # or everybody would get in


def test_only_keys_in_use_can_be_revoked(keys: KeyStore) -> None:
    keys.add("laptop")
    keys.revoke("laptop")
    for name in ("laptop", "phone", keys.records()[0].id):
        with pytest.raises(KeyNotFound):
            keys.revoke(name)


def test_a_name_is_free_again_after_a_revocation(keys: KeyStore) -> None:
    old = keys.add("laptop")
    with pytest.raises(KeyNameUnusable, match="laptop"):
        keys.add(" laptop ")
    keys.revoke("laptop")
    new = keys.add("laptop")
    assert keys.find(old) is None
    found = keys.find(new)
    assert found is not None and found.name == "laptop"


def test_a_reset_forgets_all(keys: KeyStore) -> None:
    text = keys.add("laptop")
    keys.add("phone")
    keys.revoke("phone")
    assert keys.find(text) is not None
    assert keys.reset() == 2 and keys.reset() == 0
    assert not keys.configured() and keys.find(text) is None and keys.records() == ()


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "two\nlines", "\x1b[31m"])
def test_names_can_be_read(keys: KeyStore, name: str) -> None:
    with pytest.raises(KeyNameUnusable):
        keys.add(name)
    assert not keys.configured()


@pytest.mark.parametrize(
    "wrong", [{"tier": Tier.ANONYMOUS}, {"scopes": []}, {"max_queued": 0}, {"max_running": -1}]
)
def test_a_key_is_good_for_something(keys: KeyStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key|quota"):
        keys.add("laptop", **wrong)
    assert not keys.configured()


# --- its parts -----------------------------------------------------------------------------


def test_each_secret_has_a_salt_of_its_own() -> None:
    first, second = hashed("secret"), hashed("secret")
    assert first.salt != second.salt and first.hash != second.hash
    assert matches("secret", first) and not matches("secrets", first)


def test_the_form_of_a_key_is_read_back() -> None:
    token = Token.draw()
    assert Token.read(token.text) == token
    assert len({Token.draw().secret for _ in range(100)}) == 100


def test_verdicts_are_bounded_and_a_flood_of_wrong_texts_drives_no_right_one_out() -> None:
    verdicts = Verdicts(most=3)
    verdicts.remember("right", True)
    for number in range(10):
        verdicts.remember(f"wrong {number}", False)
    assert verdicts.recall("right") is True
    assert [verdicts.recall(f"wrong {number}") for number in range(10)] == [None] * 7 + [False] * 3


# --- beside a server -----------------------------------------------------------------------


def test_whether_there_are_keys_is_told_before_a_server_runs(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    assert not keys_configured(settings) and list(tmp_path.iterdir()) == []
    lock = acquire(settings.folders)
    try:
        database = Database(settings.folders.database)
        assert not keys_configured(settings)
        KeyStore(database).add("laptop")
        assert keys_configured(settings)  # also from what is in the log alone
        KeyStore(database).revoke("laptop")
        assert keys_configured(settings)
        database.close()
    finally:
        lock.release()
    assert keys_configured(settings)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_what_is_no_database_has_no_keys(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "darkroom.db").write_bytes(content)
    assert not keys_configured(Settings(data=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["darkroom.db"]


# --- the log -------------------------------------------------------------------------------

KEY = "dk_0123456789ab_" + "s3cr3t-_" * 5 + "xyz"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GET /a?key=abc HTTP/1.1", "GET /a?key=… HTTP/1.1"),
        ("GET /a?b=1&key=abc&c=2", "GET /a?b=1&key=…&c=2"),
        ("GET /a?%6Bey=%64k_x", "GET /a?%6Bey=…"),
        ("/a?monkey=1&keys=2", "/a?monkey=1&keys=2"),
        ("< x-key: abc", "< x-key: …"),
        ("< X-API-Key: abc def", "< X-API-Key: …"),
        ("< Authorization: Basic dTpw", "< Authorization: …"),
        ("< cookie: darkroom_session=x.y.z; a=b", "< cookie: …"),
        (f"somewhere {KEY} else", "somewhere dk_0123456789ab_… else"),
        ("a key: none", "a key: none"),
    ],
)
def test_lines_are_kept_but_for_the_secrets(line: str, shown: str) -> None:
    assert redacted(line) == shown


def test_tracebacks_are_redacted_too() -> None:
    formatter = RedactingFormatter("%(message)s")
    try:
        raise ValueError(KEY)
    except ValueError as error:
        given = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "met %s", (KEY,), given)
    text = formatter.format(record)
    assert "ValueError: dk_0123456789ab_…" in text and "s3cr3t" not in text


def test_how_many_jobs_of_a_key_may_run(keys: KeyStore) -> None:
    keys.add("narrow", max_running=2)
    keys.add("wide")
    narrow, wide = keys.records()
    beside = [keys.may_run(f"key:{narrow.id}", number) for number in (0, 1, 2)]
    assert beside == [True, True, False]
    assert keys.may_run(f"key:{wide.id}", 99)
    assert keys.may_run("address:127.0.0.1", 99)
