"""CyberImage's API: jobs that are polled, their progress, a gallery, statistics of the queue."""

from __future__ import annotations

from server.callers import Tier
from server.plugins.spec import hookimpl
from server.plugins.types import Dialect

NAME = "cyberimage"

#: Its documentation knows 10 requests an hour for an address; keys are an addition of this server.
RATE_LIMITS = {Tier.ANONYMOUS: "10/hour", Tier.AUTHENTICATED: "100/hour"}


@hookimpl
def register_dialects() -> list[Dialect]:
    """Announce the dialect."""
    return [
        Dialect(
            name=NAME,
            title="CyberImage",
            build="server.dialects.cyberimage.routes:build",
            rate_limits=RATE_LIMITS,
        )
    ]
