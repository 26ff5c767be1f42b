"""What is sent to receivers, and what counts as acknowledged."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest

from server.webhooks.sender import NeverDelivered, NotDelivered, WebhookSender, signature
from server.webhooks.webhook import Webhook
from tests.dialects.bfl.receiver import PATH, Receiver
from tests.fake_http import Exchange, answer, redirect


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    made = WebhookSender(allow_private=True)
    yield made
    await made.aclose()


def test_a_signature_is_what_receivers_compute() -> None:
    expected = hmac.new("gehëim".encode(), b"{}", hashlib.sha256).hexdigest()
    assert signature("gehëim", b"{}") == f"sha256={expected}"


async def test_any_success_acknowledges(sender: WebhookSender) -> None:
    with Receiver() as receiver:
        receiver.faults[PATH] = [answer(204)]
        await sender.send(Webhook(receiver.url), b'{"id": "x"}', {"X-More": "1"})
        [seen] = receiver.seen
        assert seen.body == b'{"id": "x"}'
        assert (seen.headers["Content-Type"], seen.headers["X-More"]) == ("application/json", "1")


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_other_answers_do_not(sender: WebhookSender, status: int) -> None:
    with Receiver() as receiver:
        fault = redirect(f"{receiver.url}/other") if status == 302 else answer(status)
        receiver.faults[PATH] = [fault]
        with pytest.raises(NotDelivered, match=f"the answer was {status}"):
            await sender.send(Webhook(receiver.url), b"{}", {})
        assert len(receiver.seen) == 1, "nobody is told that was not named"


async def test_a_receiver_that_breaks_off(sender: WebhookSender) -> None:
    with Receiver() as receiver:
        receiver.faults[PATH] = [Exchange.hang_up]
        with pytest.raises(NotDelivered, match="RemoteProtocolError") as caught:
            await sender.send(Webhook(f"{receiver.url}?token=hidden"), b"{}", {})
        assert "hidden" not in str(caught.value)


async def test_an_address_that_is_not_public_is_never_reached() -> None:
    sender = WebhookSender(allow_private=False)
    with Receiver() as receiver:
        for url in (receiver.url, receiver.url.replace("http:", "https:")):
            with pytest.raises(NeverDelivered, match="public internet"):
                await sender.send(Webhook(url), b"{}", {})
        assert receiver.seen == []
    await sender.aclose()
