"""The desktop backend: synchronous generation, a history with numbers, settings of its own."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from darkroom import hookimpl
from server.plugins.types import Dialect


class Options(BaseModel):
    """What `[dialects.desktop]` may hold besides what all dialects have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    upscaler: str | None = Field(
        None, description="The model that enlarges; unset: the first upscaler that is bundled."
    )


@hookimpl
def register_dialects() -> list[Dialect]:
    """Announce the dialect."""
    return [
        Dialect(
            name="desktop",
            title="Desktop backend",
            build="server.dialects.desktop.routes:build",
            options=Options,
        )
    ]
