"""The composition root: the one module that knows all others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from server import __version__, api, web
from server.api import openapi, problems
from server.api.metrics import Metrics, RequestCounter
from server.catalog import ModelCatalog
from server.config import Settings
from server.executors.process import ProcessExecutor
from server.http.body_limit import BodyLimit
from server.http.headers import SecurityHeaders
from server.http.hosts import HostGuard
from server.http.sse import Streams
from server.model_files import ModelFiles
from server.plugins.manager import PluginManager, discover
from server.plugins.types import Executor
from server.service import GenerationService
from server.snapshots import Weights


def create_service(settings: Settings) -> GenerationService:
    """Plugins, executor and service, wired; nothing is opened or started yet.

    Raises:
        ConfigurationError: the default model is unknown, or no family could be used.
    """
    plugins = discover(settings.plugin_folder, settings.models)
    catalog = ModelCatalog(plugins, ModelFiles(settings), settings.default_model)
    executor = _executor(settings, plugins, catalog)
    return GenerationService(settings, plugins, catalog, executor)


def create_app(settings: Settings, service: GenerationService | None = None) -> FastAPI:
    """The web application; its lifespan starts and stops the service.

    Args:
        settings: how the server behaves.
        service: a service made from the same settings, when the caller has opened one already.
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
    app.state.service = service
    app.state.streams = Streams(settings.max_streams)
    app.state.metrics = Metrics()
    problems.install(app)
    for router in (*api.routers(), web.pages()):
        app.include_router(router)
    openapi.install(app)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    if settings.allowed_origins:  # the cross-origin headers of the default come with the listeners
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[origin.rstrip("/") for origin in settings.allowed_origins],
            allow_methods=["*"],
            allow_headers=["*"],
        )
    app.add_middleware(HostGuard, settings=settings)
    app.add_middleware(RequestCounter, metrics=app.state.metrics)
    app.add_middleware(SecurityHeaders)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: GenerationService = app.state.service
    await service.start()
    try:
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
