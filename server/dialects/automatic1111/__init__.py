"""The API of AUTOMATIC1111's web UI (`/sdapi/v1/…`), for programs that speak it."""

from __future__ import annotations

from server.plugins.spec import hookimpl
from server.plugins.types import Dialect


@hookimpl
def register_dialects() -> list[Dialect]:
    """Announce the dialect. Its documentation knows no rate limits."""
    return [
        Dialect(
            name="automatic1111",
            title="AUTOMATIC1111",
            build="server.dialects.automatic1111.routes:build",
        )
    ]
