"""Which addresses webhooks may lead to."""

from __future__ import annotations

import pytest

from server.webhooks.webhook import Webhook, WebhookRefused

PUBLIC = ("https://example.org/hook?token=1", "https://example.org:8443", "https://93.184.215.14/")

PRIVATE = (
    "http://example.org/hook",
    "https://127.0.0.1/hook",
    "https://10.1.2.3",
    "https://169.254.169.254/latest",
    "https://[::1]:8000/hook",
    "https://[::ffff:192.168.0.1]/",
    "https://localhost/hook",
    "https://a.localhost./",
)

NONE = (
    "",
    "hook",
    "https://",
    "https:///hook",
    "https://exa mple.org/",
    "https://[::1",
    "https://x:y",
)


@pytest.mark.parametrize("url", PUBLIC)
def test_public_addresses_are_allowed(url: str) -> None:
    Webhook(url).check(allow_private=False)


@pytest.mark.parametrize("url", PRIVATE)
def test_private_ones_only_where_that_is_meant(url: str) -> None:
    with pytest.raises(WebhookRefused):
        Webhook(url).check(allow_private=False)
    Webhook(url).check(allow_private=True)


@pytest.mark.parametrize("url", [*NONE, "file:///etc/passwd", "ftp://example.org/", "https://ex\n"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(WebhookRefused):
        Webhook(url).check(allow_private=True)


def test_it_is_kept_with_its_secret_and_shown_without() -> None:
    webhook = Webhook("https://example.org/", "hush")
    assert Webhook.of({"other": 1, **webhook.to_request()}) == webhook
    assert Webhook.of({"other": 1}) is None
    assert "hush" not in repr(webhook)
