"""Keys in every form, what they are for, and how often images may be asked for."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from server.callers import Scope, Tier
from tests.dialects.krea.asking import (
    SMALL,
    Address,
    failure,
    generated,
    heard,
    on_main_port,
    until_answered,
    wish,
)
from tests.dialects.krea.document import PER_MINUTE
from tests.serving import LiveServer, live_server

REMAINING = "x-ratelimit-remaining"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the documented limits."""
    with live_server(tmp_path_factory.mktemp("locked")) as running:
        yield running


@pytest.fixture
def key(locked: LiveServer) -> Iterator[str]:
    """A key, because of which everybody needs one."""
    yield locked.service.keys.add("somebody")
    locked.service.keys.reset()


@pytest.fixture
def address(locked: LiveServer) -> Address:
    return on_main_port(locked)


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"Authorization": ""}])
def test_without_a_valid_key(address: Address, key: str, headers: dict[str, str]) -> None:
    # The body is not looked at before the key is.
    assert "key" in failure(address.generate([], **headers), 401)
    for path in ("/models", "/status"):
        failure(address.get(path, **headers), 401)
    assert address.get("/health", **headers).status_code == 200


@pytest.mark.parametrize("form", ["X-API-Key", "x-key", "bearer", "basic"])
def test_every_form_of_a_key(address: Address, key: str, form: str) -> None:
    basic = base64.b64encode(f"x:{key}".encode()).decode()
    authorization = {"bearer": f"Bearer {key}", "basic": f"Basic {basic}"}.get(form)
    headers = {"Authorization": authorization} if authorization else {form: key}
    assert generated(address.generate(SMALL, **headers)).size == (SMALL["width"], SMALL["height"])


def test_a_key_that_is_not_for_this(locked: LiveServer, key: str, address: Address) -> None:
    headers = {"x-api-key": locked.service.keys.add("reader", scopes=[Scope.READ])}
    assert "generate" in failure(address.generate(SMALL, **headers), 403)
    assert address.get("/models", **headers).status_code == 200
    with pytest.raises(InvalidStatus) as caught:
        address.socket(**headers)
    assert caught.value.response.status_code == 403


def test_a_socket_asks_for_a_key_at_once_and_with_every_image(
    locked: LiveServer, key: str, address: Address
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        address.socket()
    assert caught.value.response.status_code == 401
    assert b'"success":false' in (caught.value.response.body or b"")
    brief = locked.service.keys.add("brief")
    with address.socket(f"?key={brief}") as socket:
        wish(socket, "red")
        assert until_answered(socket)[-1]["type"] == "complete"
        locked.service.keys.revoke("brief")
        wish(socket, "red")
        message = heard(socket)
    assert message["type"] == "error"
    assert "revoked" in message["data"]["error"]


@pytest.mark.parametrize("tier", ["authenticated", "pro"])
def test_the_limits_of_those_with_a_key(
    locked: LiveServer, key: str, address: Address, tier: str
) -> None:
    headers = {"x-api-key": locked.service.keys.add(tier, tier=Tier(tier))}
    answer = address.generate(SMALL, **headers)
    assert int(answer.headers["x-ratelimit-limit"]) == PER_MINUTE[tier]
    assert int(answer.headers[REMAINING]) == PER_MINUTE[tier] - 1
    assert int(answer.headers["x-ratelimit-reset"]) > time.time() - 60


def test_the_limit_of_those_without(address: Address) -> None:
    refused = address.generate({})
    assert int(refused.headers["x-ratelimit-limit"]) == PER_MINUTE["anonymous"]
    assert int(refused.headers[REMAINING]) == PER_MINUTE["anonymous"]


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose settings say everything that can be said about the dialect."""
    settings = {
        "model": "quick",
        "aliases": {"quick": "colours-four-step"},
        "rate_limit": {"anonymous": "2/hour", "authenticated": "1/second", "pro": False},
    }
    data = tmp_path_factory.mktemp("configured")
    with live_server(data, dialects={"krea": settings}) as running:
        yield running


def test_a_limit_that_is_reached(configured: LiveServer) -> None:
    address = on_main_port(configured)
    for left in (1, 0):
        failure(address.generate({**SMALL, "steps": 9}), 400)
        answer = address.generate(SMALL)
        generated(answer)
        assert answer.headers[REMAINING] == str(left), "only what is accepted counts"
    refused = address.generate(SMALL)
    assert "limit" in failure(refused, 429)
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert (refused.headers["x-ratelimit-limit"], refused.headers[REMAINING]) == ("2", "0")
    with address.socket() as socket:
        wish(socket, "red")
        message = heard(socket)
    assert message["type"] == "error"
    assert "limit" in message["data"]["error"]
    assert address.get("/models").status_code == 200
    assert configured.submit("red"), "other APIs have limits of their own"


def test_a_short_limit_is_over_when_it_says(configured: LiveServer) -> None:
    address = on_main_port(configured)
    headers = {"x-api-key": configured.service.keys.add("hasty")}
    answers: list[httpx.Response] = []
    while 429 not in [answer.status_code for answer in answers]:
        answers.append(address.generate(SMALL, **headers))
    assert {answer.status_code for answer in answers[:-1]} == {200}
    # What the limit counts is a second old by then, however slow this machine is.
    time.sleep(int(answers[-1].headers["retry-after"]))
    generated(address.generate(SMALL, **headers))
    configured.service.keys.reset()


def test_without_a_limit_no_header_speaks_of_one_and_the_model_is_as_configured(
    configured: LiveServer,
) -> None:
    address = on_main_port(configured)
    headers = {"x-api-key": configured.service.keys.add("pro", tier=Tier.PRO)}
    answer = address.generate({**SMALL, "steps": 50}, **headers)
    generated(answer)
    assert not [name for name in answer.headers if "ratelimit" in name]
    [made] = configured.client.get("/api/images?limit=1", headers=headers).json()["images"]
    assert (made["model"], made["steps"]) == ("colours-four-step", 4), "bent to what it takes"
    assert address.get("/health").json()["model"] == "colours-four-step"
    configured.service.keys.reset()
