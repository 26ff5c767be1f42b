"""Runs the application on its sockets until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import HANDLED_SIGNALS

from server.config import Settings
from server.keys.redaction import RedactingFormatter
from server.listeners import Listeners
from server.plugins.importing import uncollected
from server.service import GenerationService

#: Seconds that open requests get once a signal came. Together with the jobs' own drain it stays
#: below the ten seconds after which service managers kill.
GRACE = 2

#: Bytes that a message over a WebSocket may have; larger ones end the connection.
MAX_MESSAGE = 16 * 1024 * 1024

#: Files to be allowed to open: streams, connections, images.
FILES = 16384

Announce = Callable[[GenerationService], Awaitable[None]]


def serve(settings: Settings, listeners: Listeners, announce: Announce) -> None:
    """Serve until SIGINT or SIGTERM; then running jobs end or go back to the queue.

    Args:
        settings: how the server behaves.
        listeners: from `listen`.
        announce: awaited beside the server as soon as it answers.

    Raises:
        StartupError: the settings, a folder or the database cannot be used.
    """
    raise_file_limit()
    with uncollected():
        # The web framework is imported late: the sockets answer for it meanwhile.
        from server.app import create_app, create_service

        service = create_service(settings)
        service.open()
        config = configuration(create_app(settings, service, listeners.ports), settings)
    # All of it stays until the process ends: requests need not wait while it is looked through.
    gc.freeze()
    server = _Server(config, lambda: announce(service))
    asyncio.run(server.serve(sockets=[each.socket for each in listeners]))


def configuration(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves `app`."""
    from server.http.connection import connection

    return uvicorn.Config(
        app,
        http=connection(settings.header_timeout),
        ws="websockets-sansio",
        ws_max_size=min(settings.max_body_bytes, MAX_MESSAGE),
        # Without proxies of ours nobody is believed; uvicorn would believe 127.0.0.1.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        log_config=None,
        access_log=settings.log_level == "debug",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )


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
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=libraries, handlers=[handler])
    logging.getLogger("server").setLevel(level.upper())
    logging.getLogger("uvicorn.error").addFilter(_is_no_false_alarm)
    for name in ("httpx", "httpcore"):  # the addresses and headers they tell may hold keys
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    # uvicorn takes every WebSocket that is refused with an answer (no key, say) for a mistake of
    # the application: anybody could fill the log with errors.
    return record.msg != "ASGI callable returned without completing handshake."


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
