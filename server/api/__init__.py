"""Darkroom's own HTTP API."""

from __future__ import annotations

from fastapi import APIRouter

from server.api import (
    enrich,
    generate,
    images,
    info,
    jobs,
    lora_downloads,
    loras,
    metrics,
    models,
    queue,
    session,
    streams,
    system,
)


def routers() -> list[APIRouter]:
    """Every route of the native API, in the order in which the documentation shows them."""
    first = (info, generate, enrich, jobs, queue, streams, images, models)
    modules = (*first, loras, lora_downloads, session, system, metrics)
    return [module.router for module in modules]
