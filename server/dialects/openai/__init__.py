"""OpenAI's images API (`/v1/images/…`, `/v1/models`), for programs that speak it."""

from __future__ import annotations

from server.dialects.openai.options import Options
from server.plugins.spec import hookimpl
from server.plugins.types import Dialect


@hookimpl
def register_dialects() -> list[Dialect]:
    """Announce the dialect. The limits of the original are those of its customers' contracts; here
    there are none unless the configuration says any."""
    return [
        Dialect(
            name="openai",
            title="OpenAI images",
            build="server.dialects.openai.routes:build",
            options=Options,
        )
    ]
