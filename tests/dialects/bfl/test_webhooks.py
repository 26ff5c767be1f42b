"""Clients are told that their tasks have ended."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.database import read_only
from tests.dialects.bfl.asking import asked, poll, submit
from tests.dialects.bfl.receiver import PATH, Receiver, body
from tests.fake_http import answer
from tests.serving import LiveServer, live_server, until

SECRET = "between us alone"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that keeps no jobs, but those that somebody is still to be told of."""
    data = tmp_path_factory.mktemp("data")
    with live_server(
        data, keep_jobs=0, dialects={"bfl": {"allow_private_webhooks": True}}
    ) as running:
        yield running


def outcomes(server: LiveServer, task: str) -> list[Any]:
    """How often a task's receiver was tried, when the next try is due, and what came of it."""
    query = "SELECT tries, due_at, outcome FROM webhooks WHERE job_id = ?"
    with closing(read_only(server.service.settings.folders.database)) as connection:
        return connection.execute(query, [task]).fetchall()


@pytest.mark.parametrize("prefix", ["", "/bfl"])
def test_a_receiver_is_told_what_polling_tells(
    server: LiveServer, receiver: Receiver, prefix: str
) -> None:
    hook = {"webhook_url": f"{receiver.url}?token=1", "webhook_secret": SECRET}
    accepted = submit(server.client, f"{prefix}/v1/colours", prompt="grün", **hook)
    until(lambda: bool(receiver.told(accepted["id"])))
    [seen] = receiver.told(accepted["id"])
    assert seen.headers["Content-Type"] == "application/json"
    mac = hmac.new(SECRET.encode(), seen.body, hashlib.sha256).hexdigest()
    assert seen.headers["X-BFL-Signature"] == f"sha256={mac}"
    told = body(seen)
    assert told.pop("timestamp").endswith("Z")
    state = asked(server.client, accepted["polling_url"])
    assert told["status"] == state["status"] == "Ready"
    name = f"flux_{accepted['id']}.{'jpeg' if prefix else 'png'}"
    assert told["result"]["sample"] == f"http://127.0.0.1:{server.port}/outputs/{name}"
    assert ("prompt" in told["result"]) == bool(prefix), "each in its vocabulary"


def test_without_a_secret_nothing_is_signed(server: LiveServer, receiver: Receiver) -> None:
    accepted = submit(server.client, "/v1/colours", webhook_url=receiver.url)
    until(lambda: bool(receiver.told(accepted["id"])))
    assert "X-BFL-Signature" not in receiver.told(accepted["id"])[0].headers


def test_a_failure_is_told(server: LiveServer, receiver: Receiver) -> None:
    accepted = submit(server.client, "/bfl/v1/colours", prompt="raise", webhook_url=receiver.url)
    until(lambda: bool(receiver.told(accepted["id"])))
    told = body(receiver.told(accepted["id"])[0])
    assert (told["status"], told["result"]) == ("Error", None)
    assert (told["error"], told["message"]) == (
        "generation_failed",
        "RuntimeError: asked to raise",
    )


def test_a_receiver_that_fails_is_told_again(
    server: LiveServer, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.faults[PATH] = [answer(500)]
    hook = {"webhook_url": f"{receiver.url}?token=hidden", "webhook_secret": SECRET}
    with caplog.at_level(logging.INFO):
        task = submit(server.client, "/v1/colours", **hook)["id"]
        until(lambda: len(receiver.told(task)) == 2)
    own = "\n".join(each.getMessage() for each in caplog.records if each.name[:6] == "server")
    first, second = receiver.told(task)
    assert first.body == second.body
    assert first.headers["X-BFL-Signature"] == second.headers["X-BFL-Signature"]
    assert "the answer was 500; next try in 1 s" in own
    assert SECRET not in own
    assert "hidden" not in own
    until(lambda: outcomes(server, task) == [(2, None, "delivered")])


def test_the_secret_is_shown_nowhere(server: LiveServer, receiver: Receiver) -> None:
    receiver.faults[PATH] = [answer(500)]
    hook = {"webhook_url": receiver.url, "webhook_secret": SECRET}
    accepted = submit(server.client, "/bfl/v1/colours", **hook)
    poll(server.client, accepted["polling_url"])
    # The job is there until its receiver knows, although no job is kept.
    shown = [
        server.client.get(path)
        for path in (f"/api/jobs/{accepted['id']}", "/api/jobs", "/api/images", "/history")
    ]
    shown.append(server.client.get(accepted["polling_url"]))
    assert [each.status_code for each in shown] == [200] * 5
    assert not any(SECRET in each.text or receiver.url in each.text for each in shown)


def test_what_a_stop_interrupts_is_told_after_the_next_start(
    tmp_path: Path, receiver: Receiver
) -> None:
    data, private = tmp_path / "data", {"bfl": {"allow_private_webhooks": True}}
    tasks = []
    for number in range(2):
        receiver.faults[f"{PATH}/{number}"] = [answer(503)]
        with live_server(data, dialects=private) as running:
            hook = {"webhook_url": f"{receiver.url}/{number}", "webhook_secret": SECRET}
            tasks.append(submit(running.client, "/v1/colours", **hook)["id"])
            until(lambda: "the answer was 503" in str(outcomes(running, tasks[-1])))
            if number:
                until(lambda: len(receiver.told(tasks[0])) == 2)
    assert [body(seen)["status"] for seen in receiver.told(tasks[0])] == ["Ready", "Ready"]
    assert len(receiver.told(tasks[1])) == 1
    # Without the setting, what waits for a private address is given up.
    with live_server(data) as guarded:
        public = "the address is not https on the public internet"
        until(lambda: outcomes(guarded, tasks[1]) == [(2, None, public)])
    assert len(receiver.told(tasks[1])) == 1
