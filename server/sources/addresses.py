"""Where the server may connect to: the public internet over https, unless the operator says more.

References come from other people. Without this check one could make the server read what only it
can reach: a router, a cloud's metadata service, a database in the same network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import httpx

from server.source_errors import ForbiddenAddress
from server.wording import shown

#: Translates IPv4 addresses into IPv6 ones (RFC 6052): the last 32 bits are the real address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

#: What `ipaddress` calls global, and yet leads into one's own network: translation of IPv4 by local
#: rules (RFC 8215), the two forms with an IPv4 address that went out of use, site-local addresses.
_LOCAL = tuple(
    map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "fec0::/10"))
)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects only to allowed addresses, and to the very address that was checked.

    A name is resolved once and *all* its addresses must be allowed; the connection goes to one of
    them. Resolving it again would let a hostile name server answer differently (DNS rebinding).
    The host's name still decides the certificate and the Host header.
    """

    def __init__(self, *, allow_private: bool = False) -> None:
        """`allow_private` also allows plain http and addresses that are not public."""
        self._allow_private = allow_private
        # Connections are pooled by address: kept ones could serve another host of the same
        # address, whose certificate nobody checked.
        self._inner: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            ForbiddenAddress: its address is not allowed.
            httpx.InvalidURL: its host's name cannot be one.
            httpx.TransportError: it cannot be reached.
        """
        self._check_scheme(request.url)
        failure: httpx.TransportError | None = None
        for address in await self._addresses(request.url):
            try:
                return await self._inner.handle_async_request(_to(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or httpx.ConnectError("the name has no address")

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _check_scheme(self, url: httpx.URL) -> None:
        if url.scheme not in ("https", "http"):
            raise ForbiddenAddress(f"{_origin(url)} is neither https nor http.")
        if url.scheme == "http" and not self._allow_private:
            raise ForbiddenAddress(
                f"{_origin(url)} is not https: anybody on the way could change the file. Use its "
                "https address; for a mirror of your own set `allow_private_sources = true`."
            )

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        addresses = await resolve(url)
        private = [address for address in addresses if not is_public(address)]
        if private and not self._allow_private:
            raise ForbiddenAddress(
                f"{_origin(url)} leads to {private[0]}, which is not on the public internet. For a "
                "mirror in your own network set `allow_private_sources = true`."
            )
        return addresses


async def resolve(url: httpx.URL) -> list[str]:
    """Every IP address of a URL's host, the preferred first.

    Raises:
        httpx.ConnectError: the name is not known.
        httpx.InvalidURL: it cannot be a name.
    """
    host = url.raw_host.decode("ascii")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, url.port, type=socket.SOCK_STREAM
        )
    except UnicodeError as error:
        raise httpx.InvalidURL(f"{host!r} is not a host's name") from error
    except OSError as error:
        raise httpx.ConnectError(f"{host}: {error.strerror or error}") from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def is_public(address: str) -> bool:
    """Whether an IP address is public; of an IPv4 address wrapped in IPv6, the inner counts."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if any(parsed in network for network in _LOCAL):
            return False
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        parsed = inner or parsed
    return parsed.is_global and not parsed.is_multicast


def _to(address: str, request: httpx.Request) -> httpx.Request:
    """The same request, its connection made to `address`."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={
            **request.extensions,
            "sni_hostname": request.url.raw_host.decode("ascii"),
        },
    )


def _origin(url: httpx.URL) -> str:
    return shown(str(url.copy_with(raw_path=b"/", fragment=None)))
