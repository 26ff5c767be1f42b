"""The composition root: the one module that knows all others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from fastapi import FastAPI

from server import __version__, api, web
from server.api import openapi, problems
from server.api.metrics import Metrics, RequestCounter
from server.catalog import ModelCatalog
from server.config import Settings
from server.executors.process import ProcessExecutor
from server.http import cors
from server.http.auth import Authenticator
from server.http.body_limit import BodyLimit
from server.http.body_timeout import BodyTimeout
from server.http.faces import Reception
from server.http.guard import Guard
from server.http.headers import SecurityHeaders
from server.http.hosts import HostGuard
from server.http.rate_limit import RateLimiter
from server.http.sse import Streams
from server.model_files import ModelFiles
from server.plugins.manager import PluginManager, discover
from server.plugins.types import Executor
from server.service import GenerationService
from server.snapshots import Weights
from server.speaking import loading
from server.speaking.application import PortSwitch, own_application
from server.speaking.loading import Spoken
from server.speaking.openapi import documents


def all_plugins(settings: Settings) -> PluginManager:
    """The plugins that the server uses: families, dialects and observers.

    Raises:
        ConfigurationError: some of the configured models do not fit the families.
    """
    return discover(settings.plugin_folder, settings.models, dialects="server.dialects")


def create_service(settings: Settings, plugins: PluginManager | None = None) -> GenerationService:
    """Plugins, executor and service, wired; nothing is opened or started yet.

    Args:
        settings: how the server behaves.
        plugins: `all_plugins`, when the caller has them already.

    Raises:
        ConfigurationError: the default model is unknown, or no family could be used.
    """
    plugins = plugins or all_plugins(settings)
    loading.check_names(settings, plugins)
    catalog = ModelCatalog(plugins, ModelFiles(settings), settings.default_model)
    executor = _executor(settings, plugins, catalog)
    return GenerationService(settings, plugins, catalog, executor)


def create_app(
    settings: Settings,
    service: GenerationService | None = None,
    ports: Mapping[int, str] = MappingProxyType({}),
) -> FastAPI:
    """The web application; its lifespan starts and stops the service.

    Args:
        settings: how the server behaves.
        service: a service made from the same settings, when the caller has opened one already.
        ports: the dialects that are spoken at the root of a port of their own, by port.

    Raises:
        ConfigurationError: the settings of a dialect cannot be used.
    """
    service = service or create_service(settings)
    app = FastAPI(
        title="Darkroom",
        version=__version__,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=openapi.operation_id,
    )
    state = app.state
    state.service = service
    state.streams = Streams(settings.max_streams)
    state.metrics = Metrics()
    state.guard = Guard(settings)
    limits = loading.rate_limits(settings, service.plugins.dialects.values())
    state.limiter = RateLimiter(limits)
    state.spoken = loading.load(
        settings,
        service.plugins,
        service,
        guard=state.guard,
        limiter=state.limiter,
        streams=state.streams,
        listening={*ports.values(), *(entry.dialect for entry in settings.listen)},
    )
    _add_routes(app, state.spoken)
    _add_middleware(app, settings, ports)
    return app


def _add_routes(app: FastAPI, spoken: Mapping[str, Spoken]) -> None:
    problems.install(app)
    for router in api.routers():
        app.include_router(router)
    # Before any dialect's route is there: this is the document of our own API.
    openapi.install(app, [*app.routes])
    for each in spoken.values():
        for face in each.faces.main:
            app.include_router(face.router)
    app.include_router(documents(spoken))
    app.include_router(web.pages({name: each.dialect.title for name, each in spoken.items()}))


def _add_middleware(app: FastAPI, settings: Settings, ports: Mapping[int, str]) -> None:
    """What every request passes, the last of these first."""
    spoken: Mapping[str, Spoken] = app.state.spoken
    there = {port: spoken[name] for port, name in ports.items()}
    own = {port: (each.dialect, each.own) for port, each in there.items() if each.own}
    by_port = {port: own_application(*each, app.state) for port, each in own.items()}
    app.add_middleware(PortSwitch, by_port=by_port)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(BodyTimeout, seconds=settings.body_timeout)
    cors.add(app, settings)
    app.add_middleware(HostGuard, settings=settings, asks_for_key=app.state.guard.asks_for_key)
    main = [face for each in spoken.values() for face in each.faces.main]
    owners = {port: (dialect.name, face.render) for port, (dialect, face) in own.items()}
    app.add_middleware(Reception, native=problems.render, main=main, own=owners)
    app.add_middleware(RequestCounter, metrics=app.state.metrics)
    app.add_middleware(SecurityHeaders)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: GenerationService = app.state.service
    spoken: Mapping[str, Spoken] = app.state.spoken
    await service.start()
    try:
        app.state.authenticator = Authenticator(service.settings, service.keys, service.memory)
        app.state.guard.begin(app.state.authenticator)
        async with contextlib.AsyncExitStack() as stack:
            for each in spoken.values():
                if each.faces.lifespan is not None:
                    await stack.enter_async_context(each.faces.lifespan())
            yield
    finally:
        await service.stop()


def _executor(settings: Settings, plugins: PluginManager, catalog: ModelCatalog) -> Executor:
    def weights(model: str) -> Weights:
        return catalog.weights(catalog.find(model)[1])

    options = {
        "device": settings.device,
        "offload": settings.offload,
        "model_memory": settings.model_memory,
        "preview_interval": settings.preview_interval,
        "lora_memory": settings.lora_memory,
        "keep_alive": settings.keep_alive,
        "plugin_folder": str(settings.plugin_folder) if settings.plugin_folder else None,
        "models": [entry.model_dump(exclude_unset=True) for entry in settings.models],
        "log_level": settings.log_level,
    }
    if settings.executor == "inline":
        # It brings the worker's numpy and Pillow along, which the web process does without.
        from server.executors.inline import InlineExecutor

        return InlineExecutor(options, weights, plugins)
    return ProcessExecutor(options, weights)
