"""From announced dialects to faces; what is wrong with a dialect is its own affair."""

from __future__ import annotations

import difflib
import importlib
import logging
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from server.callers import Tier
from server.config import Settings
from server.dialect_entry import DialectEntry
from server.errors import ConfigurationError, DarkroomError, ModelNotFound
from server.http.faces import Face, Faces
from server.http.guard import Guard
from server.http.host import DialectHost
from server.http.rate_limit import RateLimiter
from server.http.sse import Streams
from server.plugins.manager import PluginManager
from server.plugins.types import Dialect
from server.rate_limits import RateLimits
from server.records import NATIVE
from server.service import GenerationService
from server.wording import describe, summary

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A dialect that the server speaks. `own`: its face on a port of its own, where it has one."""

    dialect: Dialect
    faces: Faces
    own: Face | None = None


def rate_limits(settings: Settings, dialects: Iterable[Dialect]) -> dict[str, RateLimits]:
    """The limits of every API: the configuration's where it says any, else the dialect's own."""
    found: dict[str, RateLimits] = {NATIVE: settings.rate_limit}
    for dialect in dialects:
        configured = settings.dialects.get(dialect.name, DialectEntry()).rate_limit
        # A table that names some tiers leaves the others as they are.
        found[dialect.name] = {**dialect.rate_limits, **(configured or {})}
    return {api: {Tier(tier): text for tier, text in tiers.items()} for api, tiers in found.items()}


def check_names(settings: Settings, plugins: PluginManager) -> None:
    """
    Raises:
        ConfigurationError: the settings name a dialect that there is not, or that is off.
    """
    listed = [(f"[[listen]] {entry.dialect}", entry.dialect) for entry in settings.listen]
    tables = [(f"[dialects.{name}]", name) for name in settings.dialects]
    for place, name in (*tables, *listed):
        if name not in plugins.dialects:
            raise ConfigurationError(f"{place}: {_unknown(name, plugins.dialects)}")
    for place, name in listed:
        if not settings.dialects.get(name, DialectEntry()).enabled:
            raise ConfigurationError(f"{place}: `enabled` is false in [dialects.{name}].")


def load(
    settings: Settings,
    plugins: PluginManager,
    service: GenerationService,
    *,
    guard: Guard,
    limiter: RateLimiter,
    streams: Streams,
    listening: Set[str] = frozenset(),
) -> dict[str, Spoken]:
    """Build every enabled dialect. One that cannot be built is left out, and its plugin is told of.
    `listening` are the names of those that are given a port of their own.

    Raises:
        ConfigurationError: a table `[dialects.NAME]` holds what the dialect does not know, or names
            a model that cannot be meant, or one that is to have a port of its own cannot be built.
    """
    found = {}
    for name, dialect in plugins.dialects.items():
        entry = settings.dialects.get(name, DialectEntry())
        options = _options(dialect, entry)
        if not entry.enabled:
            continue
        host = DialectHost(
            dialect, entry, options, service, guard=guard, limiter=limiter, streams=streams
        )
        _check_model(host)
        try:
            faces = _built(dialect, host)
            found[name] = Spoken(dialect, faces, _own(faces) if name in listening else None)
        except ConfigurationError:
            raise
        except (Exception, SystemExit) as error:
            logger.info("Dialect %s cannot be built", name, exc_info=error)
            provider = plugins.dialect_provider(name)
            fault = f"Building the dialect {name} raised {describe(error)}."
            plugins.fault(provider, fault)
            if name in listening:
                raise ConfigurationError(f"[[listen]] {name}: {fault}") from error
    return found


def _check_model(host: DialectHost) -> None:
    """
    Raises:
        ConfigurationError: the model of requests that name none is unknown, or needs more than
            words.
    """
    if host.entry.model is None:
        return
    place = f"[dialects.{host.name}] model"
    try:
        family, card = host.model(None)
    except ModelNotFound as error:
        raise ConfigurationError(f"{place}: {error}") from error
    if not family.begins_with_words(card):
        raise ConfigurationError(f"{place}: {card.id} makes no images from words alone.")


def _built(dialect: Dialect, host: DialectHost) -> Faces:
    module, _, name = dialect.build.partition(":")
    build: Callable[[DialectHost], Any] = getattr(importlib.import_module(module), name)
    faces = build(host)
    if not isinstance(faces, Faces):
        raise DarkroomError(f"`{dialect.build}` returned {faces!r}: return `Faces`")
    for face in faces.main:
        _check_face(face)
    return faces


def _own(faces: Faces) -> Face:
    own = faces.own()
    _check_face(own)
    return own


def _check_face(face: object) -> None:
    if not isinstance(face, Face):
        raise DarkroomError(f"{face!r} is among its faces and is no `Face`")


def _options(dialect: Dialect, entry: DialectEntry) -> BaseModel | None:
    """What `[dialects.NAME]` holds besides what all have.

    Raises:
        ConfigurationError: the dialect does not know it.
    """
    extra = entry.model_extra or {}
    place = f"[dialects.{dialect.name}]"
    if dialect.options is None:
        if extra:
            word = next(iter(extra))
            raise ConfigurationError(f"{place} {word}: there is no such setting.")
        return None
    try:
        return dialect.options.model_validate(extra)
    except ValidationError as error:
        problems = [{"loc": item["loc"], "msg": item["msg"]} for item in error.errors()]
        raise ConfigurationError(f"{place} {summary(problems)}") from None


def _unknown(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    hint = f"did you mean `{near[0]}`? " if near else ""
    return f"there is no dialect of this name; {hint}there are {', '.join(known) or 'none'}."
