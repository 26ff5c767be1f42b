"""`darkroom serve`."""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from server.cli.console import out
from server.cli.listen_option import FORM, entry_of
from server.cli.options import (
    ConfigOption,
    DataOption,
    DeviceOption,
    PluginFolderOption,
    examples,
    setting,
)
from server.config import load_settings
from server.folders import Folders
from server.plugins.importing import uncollected

if TYPE_CHECKING:
    from server.listeners import Listeners
    from server.residency import ModelStatus
    from server.service import GenerationService

EXAMPLES = examples(
    "darkroom serve",
    "darkroom serve --port 9000 --data ~/pictures",
    "darkroom serve --listen krea=7860 --listen cyberimage=5050",
    "darkroom serve --host 0.0.0.0 --insecure",
    "darkroom serve --on-start pause",
)
PROMPT = "the sea at sunset"


def serve(
    *,
    config: ConfigOption = None,
    host: Annotated[str | None, setting("host")] = None,
    port: Annotated[int | None, setting("port")] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen",
            metavar=FORM,
            help="Another server's API on a port of its own; `darkroom plugins` lists the names. "
            "Repeat it for more; those of the configuration file are left out then.",
            show_default=False,
        ),
    ] = None,
    insecure: Annotated[bool | None, setting("insecure", "--insecure")] = None,
    base_url: Annotated[str | None, setting("base_url")] = None,
    data: DataOption = None,
    on_start: Annotated[Literal["run", "pause"] | None, setting("on_start")] = None,
    default_model: Annotated[str | None, setting("default_model")] = None,
    preload: Annotated[bool | None, setting("preload", "--preload/--no-preload")] = None,
    device: DeviceOption = None,
    keep_alive: Annotated[float | None, setting("keep_alive")] = None,
    preview_interval: Annotated[float | None, setting("preview_interval")] = None,
    max_queued: Annotated[int | None, setting("max_queued")] = None,
    plugin_folder: PluginFolderOption = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, setting("log_level")
    ] = None,
) -> None:
    """Start the server.

    Ctrl-C stops it: what runs ends or is taken up at the next start. Options win over DARKROOM_*
    variables, those over the configuration file.
    """
    with uncollected():
        from server import listeners as sockets
        from server import serve as server
        from server.keys.on_disk import keys_configured

    settings = load_settings(
        config,
        host=host,
        port=port,
        listen=[entry_of(text) for text in listen] if listen else None,
        insecure=insecure,
        base_url=base_url,
        data=data,
        on_start=on_start,
        default_model=default_model,
        preload=preload,
        device=device,
        keep_alive=keep_alive,
        preview_interval=preview_interval,
        max_queued=max_queued,
        plugin_folder=plugin_folder,
        log_level=log_level,
    )
    server.configure_logging(settings.log_level)
    with sockets.listen(settings, protected=keys_configured(settings)) as listeners:
        server.serve(settings, listeners, lambda service: announce(service, listeners))


async def announce(service: GenerationService, listeners: Listeners) -> None:
    """Say where everything is, and when the current model is there, how to use it."""
    url = listeners.url(service.settings)
    _greet(url, service, listeners)
    model = await _settled(service)
    _tell(model, await asyncio.to_thread(service.catalog.must_fetch, model.id))
    if model.state in ("loaded", "in_ram", "on_disk"):
        body = shlex.quote(json.dumps({"prompt": PROMPT}))
        out.print(
            "Try it:\n"
            f"  curl {url}/api/generate -H 'Content-Type: application/json' -d {body}\n"
            f"  curl -N {url}/api/sse/JOB_ID     (the job_id of the answer: watch it develop)"
        )


def _greet(url: str, service: GenerationService, listeners: Listeners) -> None:
    folders: Folders = service.settings.folders
    out.print(f"Darkroom serves on {url}", style="bold")
    for name, place in (
        ("Documentation", f"{url}/docs"),
        ("Images", folders.images),
        ("Thumbnails", folders.thumbs),
        ("LoRAs", folders.loras),
        ("Models", folders.models),
        ("Database", folders.database),
    ):
        out.print(f"  {name + ':':<14} {place}")
    titles = {name: dialect.title for name, dialect in service.plugins.dialects.items()}
    for listener in listeners.dialects:
        name = listener.dialect
        out.print(f"  {titles.get(name, name)} ({name}): {listener.url}")
    if service.settings.on_start == "pause":
        out.print(f"The queue is paused. Resume it: curl -X POST {url}/api/queue/resume")


async def _settled(service: GenerationService) -> ModelStatus:
    """The current model, once it is loaded or will not be."""
    coming = {"loading", "on_disk"} if service.settings.preload else {"loading"}
    while True:
        models = await asyncio.to_thread(service.models.all)
        model = next(model for model in models if model.current)
        if model.state not in coming:
            return model
        if model.state == "loading":
            coming = {"loading"}  # on the disk again means that its worker is gone
        await asyncio.sleep(0.1)


def _tell(model: ModelStatus, can_fetch: bool) -> None:
    match model.state:
        case "loaded" | "in_ram":
            out.print(f"Model {model.title} is ready.", style="green")
        case "on_disk":
            out.print(f"Model {model.title} is loaded with the first job.")
        case "downloading":
            out.print(f"Model {model.title} is being downloaded.", style="yellow")
        case "missing" if can_fetch:
            size = f" ({model.size_bytes / 1e9:.1f} GB)" if model.size_bytes else ""
            out.print(
                f"Model {model.title}{size} is not downloaded yet: the first job fetches it. "
                "`darkroom models` shows the others; choose one with --default-model ID.",
                style="yellow",
            )
        case _:
            out.print(
                f"Model {model.title} cannot be used: its state is {model.state}. "
                "The log and `darkroom doctor` say why.",
                style="red",
            )
