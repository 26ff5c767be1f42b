"""Where a client wants to be told of a job's end, and whether that may be."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from server.sources.addresses import is_public

#: The word of `Origin.request` that a job's webhook stands under, whatever the dialect.
WORD = "webhook"

#: Characters of an address.
MAX_URL = 2083

#: Characters of a secret.
MAX_SECRET = 1000


class WebhookRefused(ValueError):
    """Nothing is sent to that address; the text says why, for the client."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to send. `secret` signs what is sent; it is never shown, logged or answered."""

    url: str
    secret: str | None = field(default=None, repr=False)

    def to_request(self) -> dict[str, Any]:
        """As `Origin.request` keeps it."""
        return {WORD: {"url": self.url, "secret": self.secret}}

    @staticmethod
    def of(request: Mapping[str, Any]) -> Webhook | None:
        """The webhook in an `Origin.request`; None without one."""
        kept = request.get(WORD)
        return Webhook(kept["url"], kept["secret"]) if isinstance(kept, Mapping) else None

    def check(self, *, allow_private: bool) -> None:
        """Refuse an address that nothing will be sent to. What a host's name leads to shows when
        something is sent.

        Args:
            allow_private: whether plain http and addresses that are not public are meant.

        Raises:
            WebhookRefused
        """
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise WebhookRefused("is no address") from None
        if not self.url.isascii() or not self.url.isprintable() or " " in self.url or not host:
            raise WebhookRefused("is no address")
        if parts.scheme not in (("https", "http") if allow_private else ("https",)):
            raise WebhookRefused("must begin with https://")
        if not allow_private and _is_private(host):
            raise WebhookRefused("must lead to the public internet")


def _is_private(host: str) -> bool:
    """Whether a host's name alone tells that it is not on the public internet."""
    if host.removesuffix(".").rpartition(".")[2] == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_public(host)
