"""Runs the application on a socket until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from server.config import Settings
from server.errors import AddressUnusable
from server.http.hosts import is_loopback
from server.service import GenerationService

#: Seconds that open requests get once a signal came. Together with the jobs' own drain it stays
#: below the ten seconds after which service managers kill.
GRACE = 2

#: Files to be allowed to open: streams, connections, images.
FILES = 16384

Announce = Callable[[GenerationService], Awaitable[None]]


def listen(settings: Settings) -> socket.socket:
    """A listening socket on the configured address.

    Whoever connects before the application runs waits in its queue instead of being refused.

    Raises:
        AddressUnusable: the address is open to others although nothing protects it, is taken, or
            is not this machine's.
    """
    host, port = settings.host, settings.port
    if not (is_loopback(host) or settings.insecure):
        raise AddressUnusable(
            f"Everyone who reaches {host} could use and delete everything, for no key protects "
            "it. Serve on 127.0.0.1, or say --insecure if that is meant."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise AddressUnusable(
            f"{host} port {port} cannot be served on: {error.strerror or error}. "
            "Stop what uses it, or choose another with --port (0 takes a free one)."
        ) from error


def url_of(settings: Settings, listener: socket.socket) -> str:
    """The server's address for people: the configured one, else the socket's."""
    if settings.base_url is not None:
        return settings.base_url.rstrip("/")
    host, port = settings.host, listener.getsockname()[1]
    if host != "localhost" and ipaddress.ip_address(listener.getsockname()[0]).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(settings: Settings, listener: socket.socket, announce: Announce) -> None:
    """Serve until SIGINT or SIGTERM; then running jobs end or go back to the queue.

    Args:
        settings: how the server behaves.
        listener: from `listen`.
        announce: awaited beside the server as soon as it answers.

    Raises:
        StartupError: the settings, a folder or the database cannot be used.
    """
    # The web framework is imported late: the socket answers for it meanwhile.
    from server.app import create_app, create_service

    raise_file_limit()
    service = create_service(settings)
    service.open()
    config = uvicorn.Config(
        create_app(settings, service),
        log_config=None,
        access_log=settings.log_level == "debug",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config, lambda: announce(service))
    asyncio.run(server.serve(sockets=[listener]))


def raise_file_limit() -> None:
    """Open as many files as the system lets us: each event stream is one, and usual limits (1024,
    256 on macOS) are below `max_streams`. Windows has no such limit."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def configure_logging(level: str) -> None:
    """Log to standard error; of what libraries say, only warnings unless debugging."""
    libraries = "WARNING" if level == "info" else level.upper()
    logging.basicConfig(level=libraries, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("server").setLevel(level.upper())
    for name in ("httpx", "httpcore"):  # the addresses and headers they tell may hold keys
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._announce = announce
        self._announcement: asyncio.Future[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announcement = asyncio.ensure_future(self._announce())

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end: a clean one would look like a kill.
        previous = {sig: signal.signal(sig, self.handle_exit) for sig in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for sig, handler in previous.items():
                signal.signal(sig, handler)
