"""Who sends a request, and what they may do."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from server.callers import ALL_SCOPES, Caller, Scope, Tier
from server.config import Settings
from server.database import Database
from server.errors import Unavailable
from server.http.auth import MOST_WAITING, Authenticator, address_of, need, presented
from server.http.failures import MOST, MOST_ADDRESSES, WINDOW, Failures
from server.http.session_cookie import SessionCookies
from server.key_errors import KeyMissing, KeyRefused, ScopeMissing, TooManyFailures
from server.keys.store import KeyStore
from server.keys.token import Token
from server.memory import Memory

KEY = Token.draw().text
ELSEWHERE = "203.0.113.5"


@pytest.fixture
def keys(database: Database) -> KeyStore:
    return KeyStore(database)


def authenticator(keys: KeyStore, database: Database, **settings: Any) -> Authenticator:
    return Authenticator(Settings(**settings), keys, Memory(database))


def request(
    *headers: tuple[str, str],
    query: str = "",
    method: str = "GET",
    kind: str = "http",
    client: str | None = ELSEWHERE,
) -> HTTPConnection:
    own = {"method": method} if kind == "http" else {}
    return HTTPConnection(
        {
            "type": kind,
            "path": "/",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "client": client and (client, 1234),
            **own,
        }
    )


def bearing(key: str, client: str = ELSEWHERE) -> HTTPConnection:
    return request(("Authorization", f"Bearer {key}"), client=client)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


# --- where a key stands --------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        ("x-key", KEY), ("X-API-Key", f" {KEY} "), ("Authorization", f"Bearer {KEY}"),
        ("Authorization", f"bearer  {KEY}"), ("Authorization", basic(f"user:{KEY}")),
        ("Authorization", basic(f":{KEY}")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_headers_hold_a_key(header: tuple[str, str], method: str) -> None:
    assert presented(request(header, method=method)) == KEY
    assert presented(request(header, kind="websocket")) == KEY


@pytest.mark.parametrize(
    "header",
    [
        ("x-key", ""), ("x-api-key", " "), ("Authorization", ""), ("Authorization", "Bearer"),
        ("Authorization", "Bearer "), ("Authorization", basic("user:")),
        ("Authorization", basic("user")), ("Authorization", "Digest username=x"), ("key", KEY),
    ],
)  # fmt: skip
def test_an_empty_or_another_header_counts_as_absent(header: tuple[str, str]) -> None:
    assert presented(request(header)) is None
    assert presented(request(header, ("x-key", KEY))) == KEY


def test_only_requests_that_change_nothing_have_it_in_their_url() -> None:
    query = f"a=b&key={KEY}"
    assert presented(request(query=query)) == KEY
    assert presented(request(query=query, method="HEAD")) == KEY
    assert presented(request(query=query, kind="websocket")) == KEY
    for method in ("POST", "PUT", "DELETE"):
        assert presented(request(query=query, method=method)) is None


def test_of_several_the_one_that_has_the_form_of_a_key_counts() -> None:
    dummy, proxy = ("Authorization", "Bearer none"), ("Authorization", basic("u:proxy"))
    assert presented(request(dummy, query=f"key={KEY}")) == KEY
    assert presented(request(proxy, ("x-api-key", KEY))) == KEY
    assert presented(request(("x-key", "first"), dummy)) == "first"


@pytest.mark.parametrize("credentials", ["###", "é", "/w==", "a"])
def test_credentials_that_cannot_be_read_are_no_key(credentials: str) -> None:
    found = presented(request(("Authorization", f"Basic {credentials}")))
    assert found is not None and Token.read(found) is None


@pytest.mark.parametrize(
    ("client", "address"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), (None, "unknown")],
)
def test_addresses_have_one_spelling(client: str | None, address: str) -> None:
    assert address_of(request(client=client)) == address


# --- who is let in -------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"host": "0.0.0.0", "insecure": True}])
async def test_without_keys_everybody_may_do_everything(
    keys: KeyStore, database: Database, settings: dict[str, Any]
) -> None:
    door = authenticator(keys, database, **settings)
    everybody = Caller(f"address:{ELSEWHERE}", Tier.ANONYMOUS, ALL_SCOPES)
    assert await door.caller(request()) == everybody
    assert await door.caller(bearing("whatever")) == everybody  # ignored


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"listen": ({"dialect": "x", "port": 1, "host": "192.0.2.1"},)}],
)
async def test_keys_that_were_reset_open_the_server_to_nobody_else(
    keys: KeyStore, database: Database, settings: dict[str, Any]
) -> None:
    door = authenticator(keys, database, **settings)
    keys.add("laptop")
    keys.reset()
    with pytest.raises(KeyMissing):
        await door.caller(request())
    local = await door.caller(request(client="127.0.0.1"))
    assert local == Caller("address:127.0.0.1")


async def test_with_keys_only_those_who_have_one_get_in(keys: KeyStore, database: Database) -> None:
    door = authenticator(keys, database)
    text = keys.add("laptop", scopes=[Scope.READ], max_queued=3)
    caller = await door.caller(bearing(text))
    assert (caller.tier, caller.scopes, caller.max_queued) == (
        Tier.AUTHENTICATED, frozenset({Scope.READ}), 3,
    )  # fmt: skip
    assert caller.id == f"key:{keys.records()[0].id}"
    for connection in (request(), request(client="127.0.0.1"), request(("authorization", ""))):
        with pytest.raises(KeyMissing) as missing:
            await door.caller(connection)
        assert missing.value.headers == {"WWW-Authenticate": "Bearer"}
    for wrong in ("none", KEY, text[:-4] + "AAAA"):
        with pytest.raises(KeyRefused) as refused:
            await door.caller(bearing(wrong))
        assert (refused.value.status, text in refused.value.message) == (401, False)


async def test_a_revoked_key_is_refused_at_once(keys: KeyStore, database: Database) -> None:
    door = authenticator(keys, database)
    text = keys.add("laptop")
    assert (await door.caller(bearing(text))).id.startswith("key:")
    keys.revoke("laptop")
    with pytest.raises(KeyRefused):
        await door.caller(bearing(text))
    with pytest.raises(KeyMissing):
        await door.caller(request())


def test_a_scope_that_is_missing_is_named() -> None:
    caller = Caller("key:x", Tier.PRO, frozenset({Scope.READ, Scope.GENERATE}))
    need(caller, Scope.READ)
    with pytest.raises(ScopeMissing, match=r"scope `admin`.*keys add NAME --scope admin"):
        need(caller, Scope.ADMIN)


# --- sessions ------------------------------------------------------------------------------


async def test_a_session_stands_for_its_key(keys: KeyStore, database: Database) -> None:
    door = authenticator(keys, database)
    keys.add("page", scopes=[Scope.READ])
    key = keys.records()[0]
    cookie = ("cookie", f"darkroom_session={door.sessions.issue(key.id)}")
    assert await door.key(request(cookie)) == key
    # What a program or a proxy sends besides, and is no key, does not hide it.
    assert await door.key(request(cookie, ("authorization", basic("user:pass")))) == key
    with pytest.raises(KeyRefused):
        await door.key(request(cookie, ("x-key", KEY)))
    restarted = authenticator(keys, database)
    assert await restarted.key(request(cookie)) == key
    keys.revoke("page")
    with pytest.raises(KeyMissing):
        await door.key(request(cookie))


async def test_foreign_altered_and_old_sessions_are_none(
    keys: KeyStore, database: Database
) -> None:
    door = authenticator(keys, database)
    keys.add("page")
    value = door.sessions.issue(keys.records()[0].id)
    assert SessionCookies(Memory(database), lifetime=-1).key_id(value) is None
    for wrong in ("", "x", value[:-1], f"x{value}", "é"):
        with pytest.raises(KeyMissing):
            await door.key(request(("cookie", f"darkroom_session={wrong}")))
    assert (await door.caller(request(("cookie", f"darkroom_session={value}")))).scopes


# --- many wrong keys -----------------------------------------------------------------------


async def test_whoever_sends_many_wrong_keys_has_to_wait(
    keys: KeyStore, database: Database
) -> None:
    door = authenticator(keys, database)
    known, fresh = keys.add("known"), keys.add("fresh")
    assert (await door.caller(bearing(known))).id.startswith("key:")
    for _ in range(MOST):
        with pytest.raises(KeyRefused):
            await door.caller(bearing("guess"))
    for guess in ("guess", KEY, fresh):
        with pytest.raises(TooManyFailures) as refused:
            await door.caller(bearing(guess))
        assert 0 < int(refused.value.headers["Retry-After"]) <= WINDOW
    # Others are not disturbed, nor is a key that is known to be good.
    assert (await door.caller(bearing(known))).id.startswith("key:")
    assert (await door.caller(bearing(fresh, client="192.0.2.9"))).id.startswith("key:")
    assert (await door.caller(bearing(fresh))).id.startswith("key:")


async def test_a_flood_of_guesses_is_hashed_one_at_a_time_and_most_not_at_all(
    keys: KeyStore, database: Database
) -> None:
    door = authenticator(keys, database)
    right = keys.add("laptop")
    guesses = [f"{right[:-3]}{number:03}" for number in range(MOST_WAITING + 20)]
    answers = await asyncio.gather(
        *(door.caller(bearing(guess)) for guess in guesses), return_exceptions=True
    )
    assert len([each for each in answers if isinstance(each, KeyRefused)]) == MOST
    assert len([each for each in answers if isinstance(each, Unavailable)]) == 20
    hashed = [guess for guess in guesses if keys.recall(guess).decided]
    assert len(hashed) == MOST
    assert (await door.caller(bearing(right, client="192.0.2.9"))).id.startswith("key:")


def test_failures_are_forgotten_after_a_while_and_their_number_is_bounded() -> None:
    now = 0.0
    failures = Failures(clock=lambda: now)
    for _ in range(MOST):
        failures.check("2001:db8::1")
        failures.add("2001:db8::1")
    for address in ("2001:db8::1", "2001:db8::ffff"):  # one machine may have both
        with pytest.raises(TooManyFailures):
            failures.check(address)
    failures.check("2001:db8:0:1::1")
    now = WINDOW
    failures.check("2001:db8::1")
    for number in range(MOST_ADDRESSES + 5):
        failures.add(f"somebody {number}")
    assert len(failures._counts) == MOST_ADDRESSES
