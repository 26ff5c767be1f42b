"""What is right and what is wrong with this installation, with a remedy for each finding.

Nothing is changed: no folder is made, no database migrated, and a running server is not disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import platform, python_version
from typing import Any, Literal

from server import __version__, database
from server.app import all_plugins, create_app, create_service
from server.catalog import ModelCatalog
from server.config import Settings, load_settings
from server.database import HEAD
from server.errors import AddressUnusable, ConfigurationError, ModelLoadFailed, ModelNotFound
from server.fit import fit
from server.folders import checkout
from server.keys.on_disk import keys_configured
from server.listeners import listen
from server.model_entry import Offload
from server.model_files import ModelFiles
from server.plugins.manager import PluginManager
from server.settings_faults import PREFIX
from server.settings_file import NAME
from server.wording import shown

#: What decides how the server behaves; the rest follows from constraints.txt.
LIBRARIES = (
    *("torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy", "Pillow"),
    *("fastapi", "starlette", "uvicorn", "sse-starlette", "pydantic", "SQLAlchemy", "pluggy"),
)

#: Free bytes below which pictures soon no longer fit, and below which even the database may not.
LITTLE_SPACE = 2 * 2**30
NO_SPACE = 100 * 2**20

#: Seconds that importing torch may take on a slow disk.
DEVICE_LIMIT = 180


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `remedy` is what to do, empty when nothing is."""

    topic: str
    level: Literal["ok", "warning", "fault"]
    message: str
    remedy: str = ""


def examine(
    config: Path | None = None, model: str | None = None, **overrides: Any
) -> Iterator[Finding]:
    """Look at everything, each finding as soon as it is known.

    Args:
        config: the configuration file, as for `load_settings`.
        model: tell also how this one would fit the device's memory.
        overrides: settings from the command line.
    """
    yield from environment()
    try:
        settings = load_settings(config, **overrides)
    except ConfigurationError as error:
        yield Finding("settings", "fault", error.message, "Correct it, then run this again.")
        return
    yield from sources(config)
    yield from folders(settings)
    yield from database_file(settings.folders.database)
    yield from address(settings)
    try:
        manager = all_plugins(settings)
    except ConfigurationError as error:
        yield Finding("models", "fault", error.message, "Correct it, then run this again.")
        return
    catalog = yield from models(manager, settings)
    if catalog is not None:
        yield from dialects(manager, settings)
    # After the dialects: which of them cannot be built is told of their plugins.
    yield from plugins(manager)
    report = yield from devices(settings)
    if model is not None and catalog is not None and report is not None:
        yield memory(catalog, model, report, settings.offload)


def environment() -> Iterator[Finding]:
    """Darkroom, Python and the libraries."""
    yield Finding(
        "environment", "ok", f"Darkroom {__version__}, Python {python_version()}, {platform()}"
    )
    missing, found = [], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("libraries", "ok", ", ".join(found))
    if missing:
        remedy = "Install Darkroom again: pip install -c constraints.txt ."
        yield Finding("libraries", "fault", f"not installed: {', '.join(missing)}", remedy)


def sources(config: Path | None) -> Iterator[Finding]:
    """Where the settings come from."""
    file = config or Path(NAME)
    read = str(file.absolute()) if file.is_file() else f"no {NAME} in this folder"
    variables = sorted(name for name in os.environ if name.startswith(PREFIX))
    yield Finding("settings", "ok", ", ".join([read, *variables]))
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = [name for name in variables if name.upper() not in known]
    if unknown:
        remedy = "Correct their names: docs/reference lists every setting."
        yield Finding("settings", "warning", f"no setting is named {', '.join(unknown)}", remedy)


def folders(settings: Settings) -> Iterator[Finding]:
    """Where files go, whether they can be written, and for how long they will fit."""
    yield Finding("folders", "ok", _why_there(settings))
    places = settings.folders
    named = {
        "data": places.database.parent,
        "images": places.images,
        "thumbs": places.thumbs,
        "loras": places.loras,
        "models": places.models,
    }
    for name, folder in named.items():
        yield _folder(name, folder)
    yield _space(_existing(places.images))


def database_file(path: Path) -> Iterator[Finding]:
    """Whether the database opens, is whole, and has a schema that this version knows."""
    if not path.exists():
        yield Finding("database", "ok", f"{path} is made at the first start")
        return
    remedy = "Move it away to start with an empty one, or restore a backup of it."
    try:
        revision, verdict = database.examine(path)
    except sqlite3.Error as error:
        yield Finding("database", "fault", f"{path} cannot be read: {error}", remedy)
        return
    if verdict != "ok":
        yield Finding("database", "fault", f"{path} is damaged: {verdict}", remedy)
    elif revision is not None and revision > HEAD:
        message = f"{path} was written by a newer Darkroom (revision {revision})"
        yield Finding("database", "fault", message, "Update Darkroom, or choose another --data.")
    elif revision != HEAD:
        message = f"{path} has revision {revision}; the next start brings it to {HEAD}"
        yield Finding("database", "ok", message)
    else:
        yield Finding("database", "ok", f"{path} is whole, revision {revision}")


def address(settings: Settings) -> Iterator[Finding]:
    """Whether a server could listen where the settings say."""
    where = f"{settings.host} port {settings.port}"
    others = "".join(f", port {each.port} for {each.dialect}" for each in settings.listen)
    try:
        listen(settings, protected=keys_configured(settings)).close()
    except AddressUnusable as error:
        if _answers(settings):
            yield Finding("address", "ok", f"a Darkroom serves on {where} already")
        else:
            yield Finding("address", "warning", error.message)
    else:
        yield Finding("address", "ok", f"free: {where}{others}")


def plugins(manager: PluginManager) -> Iterator[Finding]:
    """Each plugin, and what is wrong with it."""
    remedy = "`darkroom plugins check NAME` tells more; without the plugin the rest works."
    for record in manager.records():
        topic = f"plugin {record.name}"
        if record.ok:
            yield Finding(topic, "ok", f"version {record.version}, {record.origin}")
        for fault in record.faults:
            yield Finding(topic, "fault", fault, remedy)
        for warning in record.warnings:
            yield Finding(topic, "warning", warning)


def dialects(manager: PluginManager, settings: Settings) -> Iterator[Finding]:
    """Which other servers' APIs are spoken. One that cannot be built is a fault of its plugin."""
    try:
        app = create_app(settings, create_service(settings, manager))
    except ConfigurationError as error:
        yield Finding("dialects", "fault", error.message, "Correct it, then run this again.")
    else:
        spoken = ", ".join(app.state.spoken) or "none"
        off = [name for name, entry in settings.dialects.items() if not entry.enabled]
        rest = f"; off: {', '.join(off)}" if off else ""
        yield Finding("dialects", "ok", f"{spoken}{rest}")


def models(
    manager: PluginManager, settings: Settings
) -> Generator[Finding, None, ModelCatalog | None]:
    """Which models there are, and whether their weights are. Returns their catalog, if there is
    one."""
    try:
        catalog = ModelCatalog(manager, ModelFiles(settings), settings.default_model)
    except ConfigurationError as error:
        yield Finding("models", "fault", error.message, "Correct `default_model` or the plugins.")
        return None
    absent = []
    for _, card in catalog.cards():
        topic = f"model {card.id}"
        try:
            weights = catalog.weights(card)
        except ModelLoadFailed as error:
            if catalog.must_fetch(card.id):
                source = f" (from {shown(card.source)})" if card.id in manager.configured else ""
                absent.append(card.id + source)
                continue
            level: Literal["warning", "fault"] = "fault" if card.bundled else "warning"
            yield Finding(topic, level, error.message, "Put its weights there, or use another.")
        else:
            default = ", the default" if card.id == catalog.default else ""
            yield Finding(topic, "ok", f"weights in {weights['path']}{default}")
    if absent:
        message = f"not downloaded: {', '.join(absent)}"
        remedy = "`darkroom models pull ID` fetches one, and so does its first job."
        yield Finding("models", "ok", message, remedy)
    return catalog


def devices(settings: Settings) -> Generator[Finding, None, dict[str, Any] | None]:
    """What the worker would compute on; asked in a process of its own, for torch is heavy.

    Returns what that process said, or None if there is no device to use.
    """
    remedy = "Install torch for this machine again; the README says how."
    try:
        report = _describe_devices(settings.device)
    except subprocess.TimeoutExpired:
        yield Finding("device", "fault", f"no answer from torch in {DEVICE_LIMIT} s", remedy)
        return None
    except (subprocess.CalledProcessError, ValueError) as error:
        detail = str(getattr(error, "stderr", "")).strip().splitlines()[-1:] or [str(error)]
        yield Finding("device", "fault", f"the worker does not start: {detail[0]}", remedy)
        return None
    for entry in report["devices"]:
        free, total = entry["free_bytes"] / 2**30, entry["memory_bytes"] / 2**30
        size = f"{total:.0f} GiB, {free:.1f} GiB free"
        yield Finding("device", "ok", f"{entry['device']}: {entry['name']}, {size}")
    if report["error"]:
        yield Finding("device", "fault", report["error"], "Set `device`, or leave it at `auto`.")
        return None
    yield Finding("device", "ok", f"{report['device']} is used, in {report['dtype']}")
    return report


def memory(
    catalog: ModelCatalog, model: str, report: Mapping[str, Any], offload: Offload
) -> Finding:
    """How a model would fit into the device's memory, and why.

    Args:
        catalog: knows the models.
        model: one's id or alias.
        report: what `devices` returned.
        offload: the setting.
    """
    topic = f"memory for {model}"
    try:
        found = fit(catalog, model, report, offload)
    except (ModelNotFound, ModelLoadFailed) as error:
        return Finding(topic, "fault", error.message, "`darkroom models` shows the models.")
    decision = found.decision
    tiles = ", decoding in tiles" if decision.vae_tiling else ""
    message = f"offload {decision.mode}{tiles}. {decision.reason} That is {found.basis}."
    if decision.fits:
        return Finding(topic, "ok", message)
    remedy = "Close other programs, or use a smaller or quantized model."
    return Finding(topic, "warning", message, remedy)


def _why_there(settings: Settings) -> str:
    if settings.data is not None:
        return f"below {settings.data.expanduser().absolute()}, as the setting `data` says"
    root = checkout()
    if root is not None:
        return f"in the checkout {root}; --data chooses another place"
    return f"in the user's data folder {settings.folders.images.parent}; --data chooses another"


def _existing(folder: Path) -> Path:
    """The folder, or what of its path exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _folder(name: str, folder: Path) -> Finding:
    topic, place = f"folder {name}", _existing(folder)
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        remedy = "Make it writable, or choose another with --data."
        return Finding(topic, "fault", f"{folder} cannot be written: {place} forbids it", remedy)
    return Finding(topic, "ok", f"{folder}" if place == folder else f"{folder} (made at start)")


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    message = f"{free / 2**30:.1f} GiB free for images"
    if free >= LITTLE_SPACE:
        return Finding("disk space", "ok", message)
    remedy = "Free space, set `keep_images`, or choose another disk with --data."
    return Finding("disk space", "fault" if free < NO_SPACE else "warning", message, remedy)


def _answers(settings: Settings) -> bool:
    """Whether a Darkroom answers at the address."""
    import httpx

    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        answer = httpx.get(f"http://{host}:{settings.port}/health", timeout=2)
        return answer.json().get("status") == "ok" and "version" in answer.json()
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def _describe_devices(device: str) -> dict[str, Any]:
    options = json.dumps({"device": device})
    done = subprocess.run(
        [sys.executable, "-m", "server.worker", "--describe", "--options", options],
        cwd=Path(__file__).resolve().parent.parent,  # finds this very package
        capture_output=True,
        text=True,
        timeout=DEVICE_LIMIT,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report
