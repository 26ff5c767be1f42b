"""The sockets that the server listens on: the main one, and one per dialect on a port of its own.

All belong to one server. The application tells requests apart by the port that they came in on, so
that no two listeners have the same, not even on different addresses.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from server.config import Settings
from server.errors import AddressUnusable
from server.http.origins import is_loopback


class Place(NamedTuple):
    """Where to listen. `dialect` is the API at the root of that port; "" is the main port."""

    dialect: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, and the place that it was opened for."""

    place: Place
    socket: socket.socket

    @property
    def dialect(self) -> str:
        """The API at its root; "" for the main port."""
        return self.place.dialect

    @property
    def port(self) -> int:
        """The port it has, also where any free one was asked for."""
        return int(self.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address for people on this machine."""
        host = self.place.host
        bound = ipaddress.ip_address(self.socket.getsockname()[0])
        if host != "localhost" and bound.is_unspecified:
            host = "127.0.0.1"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Every socket of one server; a context that closes them."""

    main: Listener
    dialects: tuple[Listener, ...] = ()

    def __enter__(self) -> Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Listener]:
        return iter((self.main, *self.dialects))

    @property
    def ports(self) -> dict[int, str]:
        """The dialect that is served at the root of a port, by the port."""
        return {each.port: each.dialect for each in self.dialects}

    def url(self, settings: Settings) -> str:
        """The server's address for people: the configured one, else the main socket's."""
        if settings.base_url is not None:
            return settings.base_url.rstrip("/")
        return self.main.url

    def close(self) -> None:
        """Stop listening."""
        for each in self:
            each.socket.close()


def listen(settings: Settings, *, protected: bool = False) -> Listeners:
    """Listening sockets on all configured addresses.

    Whoever connects before the application runs waits in a queue instead of being refused.

    Args:
        settings: the addresses.
        protected: whether keys say who may use the server.

    Raises:
        AddressUnusable: an address is open to others although nothing protects it, is taken, or
            is not this machine's.
    """
    places = [
        Place("", settings.host, settings.port),
        *(Place(each.dialect, each.host or settings.host, each.port) for each in settings.listen),
    ]
    if not (protected or settings.insecure):
        _refuse_open(places)
    opened: dict[int, Listener] = {}
    with contextlib.ExitStack() as stack:
        # Fixed ports first: a free one that the system picks must not be one of them.
        for number in sorted(range(len(places)), key=lambda number: places[number].port == 0):
            used = {each.port for each in opened.values()}
            opened[number] = Listener(places[number], _open(places[number], used))
            stack.callback(opened[number].socket.close)
        stack.pop_all()
    main, *dialects = (opened[number] for number in range(len(places)))
    return Listeners(main, tuple(dialects))


def _refuse_open(places: Iterable[Place]) -> None:
    """
    Raises:
        AddressUnusable: one of them can be reached from other machines.
    """
    for place in places:
        if not is_loopback(place.host):
            raise AddressUnusable(
                f"Everyone who reaches {place.host} could use and delete everything, for no key "
                "protects it. Serve on 127.0.0.1, make a key with `darkroom keys add NAME`, or say "
                "--insecure if that is meant."
            )


def _open(place: Place, used: Collection[int]) -> socket.socket:
    """A socket on a port that is not among those used.

    Raises:
        AddressUnusable: the place is taken, or is not this machine's.
    """
    with contextlib.ExitStack() as passed_over:
        while (found := _bind(place)).getsockname()[1] in used:
            passed_over.callback(found.close)  # open until then: it would be offered again
        return found


def _bind(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        bound = socket.create_server((place.host, place.port), family=family, backlog=2048)
    except (OSError, ValueError) as error:  # ValueError: what cannot be a host name
        reason = getattr(error, "strerror", None) or error
        subject = f"{place.host} port {place.port} "
        option = "--port"
        if place.dialect:
            subject += f"for {place.dialect} "
            option = f"--listen {place.dialect}=PORT"
        raise AddressUnusable(
            f"{subject}cannot be served on: {reason}. Stop what uses it, or choose another with "
            f"{option} (0 takes a free one)."
        ) from error
    # asyncio sends at once over sockets that say they are TCP, as those they accept then do too.
    # Others wait for the acknowledgement of what came before: 40 ms for most answers.
    return socket.socket(bound.family, bound.type, socket.IPPROTO_TCP, fileno=bound.detach())
