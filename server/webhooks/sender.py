"""Sends what clients want to be told of."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping

import httpx

from server import __version__
from server.source_errors import ForbiddenAddress
from server.sources.addresses import GuardedTransport
from server.webhooks.webhook import Webhook

#: Seconds that a receiver may take to acknowledge.
PATIENCE = 30.0


class NotDelivered(Exception):
    """The receiver did not acknowledge; the text says why. Another try may succeed."""


class NeverDelivered(NotDelivered):
    """No try can succeed."""


def signature(secret: str, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256 of what is sent, in hex."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


class WebhookSender:
    """Sends to public addresses over https, to the very address that was checked."""

    def __init__(self, *, allow_private: bool) -> None:
        """`allow_private` also allows plain http and addresses that are not public."""
        self._http = httpx.AsyncClient(
            transport=GuardedTransport(allow_private=allow_private),
            timeout=None,  # `send` limits the whole of it
            follow_redirects=False,  # nobody is told what was not meant for them
            headers={"User-Agent": f"darkroom/{__version__}", "Accept-Encoding": "identity"},
        )

    async def send(self, webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> None:
        """POST a JSON document; any status of 200 to 299 acknowledges it.

        Raises:
            NotDelivered: the receiver could not be reached, was too slow, or said no.
            NeverDelivered: its address is not one that is allowed.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                status = await self._post(webhook, body, headers)
        except TimeoutError:
            raise NotDelivered(f"no answer within {PATIENCE:g} seconds") from None
        except ForbiddenAddress:
            raise NeverDelivered("the address is not https on the public internet") from None
        except (httpx.InvalidURL, UnicodeError):
            raise NeverDelivered("the address cannot be used") from None
        except httpx.HTTPError as error:
            # Its own text may quote the address, and with it what is secret there.
            raise NotDelivered(f"the exchange failed ({type(error).__name__})") from error
        if not 200 <= status < 300:
            raise NotDelivered(f"the answer was {status}")

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _post(self, webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> int:
        every = {"Content-Type": "application/json", **headers}
        # The answer's body is not read: nobody knows how long it is.
        async with self._http.stream("POST", webhook.url, content=body, headers=every) as response:
            return response.status_code
