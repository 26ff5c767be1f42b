"""The addresses of this API on the main port and on a port of its own."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.websockets import WebSocket

from server import __version__
from server.callers import Scope
from server.dialects.desktop import Options, generation, history
from server.dialects.desktop.generation import Generations
from server.dialects.desktop.preferences import Preferences
from server.dialects.desktop.protocol import Health, SettingsAnswer, SettingsChange, SettingsUpdated
from server.dialects.desktop.refusals import refusals, render
from server.dialects.desktop.sockets import broadcast
from server.errors import ConfigurationError, ModelNotFound, TooManyStreams
from server.http.access import needs, open_to_all
from server.http.faces import Face, Faces, refuse
from server.http.host import DialectHost

#: The paths that are this API's on the main port.
PREFIXES = (
    "/api/generate/text-to-image",
    "/api/generate/image-to-image",
    "/api/generate/upscale",
    "/api/history",
    "/api/settings",
    "/generated",
    "/ws/generation",
)


def build(host: DialectHost) -> Faces:
    """The faces of this API. `/health` is its own on its own port only; the main port has ours.

    Raises:
        ConfigurationError: the upscaler that the configuration names is none.
    """
    options = host.options if isinstance(host.options, Options) else Options()
    _check_upscaler(host, options.upscaler)
    preferences = Preferences(host.service)
    generations = Generations(host, preferences, options.upscaler)
    main = _routes(host, preferences, generations)

    def own() -> Face:
        router = host.router(render)
        router.routes.extend(main.routes)
        _add_health(router)
        return Face(router, render)

    return Faces(main=(Face(main, render, PREFIXES),), own=own)


def _check_upscaler(host: DialectHost, name: str | None) -> None:
    place = f"[dialects.{host.name}] upscaler"
    if name is None:
        return
    try:
        _, card = host.model(name)
    except ModelNotFound as error:
        raise ConfigurationError(f"{place}: {error}") from error
    if card not in host.upscalers():
        raise ConfigurationError(f"{place}: {card.id} enlarges nothing. Name an upscaler.")


def _routes(host: DialectHost, preferences: Preferences, generations: Generations) -> APIRouter:
    router = host.router(render)
    generation.add(router, generations)
    history.add(router, host)
    _add_settings(router, preferences)
    _add_socket(router, host)
    return router


def _add_settings(router: APIRouter, preferences: Preferences) -> None:
    @router.get(
        "/api/settings",
        summary="Get application settings",
        response_model=SettingsAnswer,
        responses=refusals(),
    )
    @needs(Scope.READ)
    async def show() -> SettingsAnswer:
        """Shows the settings."""
        return SettingsAnswer(data=await preferences.read())

    @router.put(
        "/api/settings",
        summary="Update application settings",
        response_model=SettingsUpdated,
        responses=refusals(400, 413),
    )
    @needs(Scope.ADMIN)
    async def change(change: SettingsChange) -> SettingsUpdated:
        """Changes what is given. When something is refused, nothing changes."""
        return SettingsUpdated(data=await preferences.change(change))


def _add_health(router: APIRouter) -> None:
    @router.get("/health", summary="Check if API is running", response_model=Health)
    @open_to_all
    async def health() -> Health:
        """Says that the server runs."""
        return Health(version=__version__)


def _add_socket(router: APIRouter, host: DialectHost) -> None:
    @router.websocket("/ws/generation")
    async def generation_progress(websocket: WebSocket) -> None:
        """Sends the progress of every job."""
        try:
            with host.streams.place():
                if await host.accept(websocket, Scope.READ):
                    jobs = host.service.watch_jobs()
                    await broadcast(websocket, host.while_admitted(websocket, Scope.READ, jobs))
        except TooManyStreams as error:
            await refuse(error, websocket.scope, websocket.receive, websocket.send)
