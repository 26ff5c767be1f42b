"""What a dialect is given: the server, as far as another server's API may use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from server.callers import Scope
from server.dialect_entry import DialectEntry
from server.errors import DarkroomError, ModelNotFound
from server.http import routes, waiting
from server.http.access import Access
from server.http.faces import Render, refuse, visit
from server.http.guard import Guard, Item, caller_of, was_admitted
from server.http.rate_limit import RateLimiter
from server.http.sse import Streams
from server.jobs.submission import Unrunnable
from server.plugins.types import Dialect, ModelCard, ModelFamily
from server.records import Job, Origin
from server.service import GenerationService
from server.snapshots import JobSnapshot
from server.wording import shortened

#: What families of upscalers can do.
UPSCALE = "upscale"


class DialectHost:
    """The server, for one dialect.

    Attributes:
        name: the dialect's.
        entry: its table `[dialects.NAME]`.
        options: what that table holds besides, as the dialect's own class has it; None without one.
        service: jobs, and with `service.pictures`, `service.models`, `service.catalog` and
            `service.loras` the gallery, the models, what they take, and the LoRAs.
        streams: room for event streams.
    """

    def __init__(
        self,
        dialect: Dialect,
        entry: DialectEntry,
        options: BaseModel | None,
        service: GenerationService,
        *,
        guard: Guard,
        limiter: RateLimiter,
        streams: Streams,
    ) -> None:
        self.name = dialect.name
        self.title = dialect.title
        self.entry = entry
        self.options = options
        self.service = service
        self.streams = streams
        self._guard = guard
        self._limiter = limiter

    # --- routes ----------------------------------------------------------------------------

    def router(self, render: Render, **options: Any) -> APIRouter:
        """A router whose routes let in whom they are for (every one is marked by `needs`,
        `open_to_all` or `serves_image`) and whose errors have `render`'s shape.

        Args:
            render: turns an error into an answer.
            options: of FastAPI's APIRouter: `prefix`, `tags`.
        """
        return routes.router(render, **options)

    async def accept(self, websocket: WebSocket, scope: Scope) -> bool:
        """Open a socket to a caller with this scope; others are refused, and False is returned."""
        try:
            await self.admit(websocket, scope)
        except DarkroomError as error:
            await refuse(error, websocket.scope, websocket.receive, websocket.send)
            return False
        await websocket.accept()
        return True

    async def admit(self, connection: HTTPConnection, scope: Scope) -> None:
        """Ask who sends a request, and whether they may. For a socket that is open: a key may have
        been revoked since.

        Raises:
            KeyMissing, KeyRefused, TooManyFailures, ScopeMissing
        """
        await self._guard.admit(connection, Access(scope))

    def while_admitted(
        self, connection: HTTPConnection, scope: Scope, items: AsyncIterator[Item]
    ) -> AsyncIterator[Item]:
        """What a stream or a socket is sent, until its caller's key is revoked; see
        `Guard.while_admitted`."""
        return self._guard.while_admitted(connection, scope, items)

    # --- jobs ------------------------------------------------------------------------------

    async def submit(
        self,
        connection: HTTPConnection,
        body: Mapping[str, Any],
        *,
        named: str | None = None,
        request: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        folder: str | None = None,
    ) -> JobSnapshot:
        """Submit a job for the caller of a request. Counts towards their rate limit if accepted; a
        repeat that returns the first job does not.

        Args:
            connection: the request, admitted by its route or by `accept`.
            body: one model's parameters in our words, and `model`, its id.
            named: what the client called the model; None where it named none.
            request: what the dialect needs of the request to answer about the job later.
            idempotency_key, folder: see `GenerationService.submit`.

        Raises:
            InvalidParameters, IdempotencyConflict, QueueFull, QuotaExceeded, RateLimited,
            ShuttingDown
        """
        caller = caller_of(connection)
        origin = Origin(self.name, caller.id, named, request or {})
        return await self.service.submit(
            body,
            idempotency_key=idempotency_key,
            caller=caller,
            origin=origin,
            folder=folder,
            room=self._limiter.place(self.name, caller),
        )

    async def submit_failed(
        self,
        connection: HTTPConnection,
        unrunnable: Unrunnable,
        *,
        named: str | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> JobSnapshot:
        """Keep a request that cannot run as a job that has failed, which tells what is missing.
        It counts towards the caller's rate limit like any other.

        Raises:
            QueueFull, RateLimited, ShuttingDown
        """
        caller = caller_of(connection)
        origin = Origin(self.name, caller.id, named, request or {})
        with self._limiter.place(self.name, caller):
            return await self.service.submit_failed(unrunnable, caller=caller, origin=origin)

    async def finished(self, request: Request, job_id: str) -> JobSnapshot:
        """Wait for a job's end; see `server.http.waiting.finished`."""
        return await waiting.finished(request, self.service, job_id)

    def in_time(self, job_id: str) -> AbstractAsyncContextManager[None]:
        """Time to wait for a job in; see `server.http.waiting.in_time`."""
        return waiting.in_time(self.service, job_id)

    async def leave(self, job_id: str) -> None:
        """Say that nobody waits for a job any more: it is dropped if it has not begun."""
        await self.service.leave(job_id)

    def is_mine(self, job: Job) -> bool:
        """Whether the job came through this dialect."""
        return job.origin.dialect == self.name

    # --- words -----------------------------------------------------------------------------

    def model(self, named: str | None) -> tuple[ModelFamily, ModelCard]:
        """The model that a client means: by an alias of this dialect's configuration, an id or an
        alias of a card; None means the dialect's own choice, else the current model.

        Raises:
            ModelNotFound: the message names those that there are, and where names are added.
        """
        wanted = named or self.entry.model or self.service.current_model
        try:
            return self.service.catalog.find(self.entry.aliases.get(wanted, wanted))
        except ModelNotFound:
            raise ModelNotFound(
                f"There is no model {shortened(wanted)!r}. There are {', '.join(self._listed())}; "
                f"`[dialects.{self.name}] aliases` in darkroom.toml adds names."
            ) from None

    def _listed(self) -> list[str]:
        """The names of models that make images from words."""
        found = self.service.catalog.cards()
        begin = {card.id for family, card in found if family.begins_with_words(card)}
        return sorted(name for name, card in self.model_names().items() if card in begin)

    def model_names(self) -> dict[str, str]:
        """Every name that `model` understands, and the id that it means: the configuration's
        aliases, the cards' ids, and the cards' aliases."""
        cards = [card for _, card in self.service.catalog.cards()]
        own = {card.id: card.id for card in cards}
        others = {alias: card.id for card in cards for alias in card.aliases}
        return {**others, **own, **self.entry.aliases}

    def upscalers(self) -> list[ModelCard]:
        """The models that make a given image larger."""
        cards = self.service.catalog.cards()
        return [card for family, card in cards if UPSCALE in family.capabilities]

    def model_name(self, job: Job) -> str:
        """What this dialect calls a job's model: for its own jobs as the client did."""
        return (self.is_mine(job) and job.origin.model) or job.model

    def base_url(self, connection: HTTPConnection) -> str:
        """The address that clients reach this server at, without a slash at the end: `base_url` of
        the settings, else as the request says. On a port of the dialect's own always the latter."""
        configured = self.service.settings.base_url
        if configured is not None and visit(connection).dialect is None:
            return configured.rstrip("/")
        url = connection.base_url
        return str(url.replace(scheme=url.scheme.replace("ws", "http"))).rstrip("/")

    def rate_limit_headers(self, connection: HTTPConnection) -> dict[str, str]:
        """`X-RateLimit-*` for the caller of a request; none without a limit, and none where nobody
        was admitted."""
        if not was_admitted(connection):
            return {}
        return self._limiter.headers(self.name, caller_of(connection))
