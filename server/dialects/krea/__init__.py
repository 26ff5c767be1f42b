"""The API of the Krea generator: one request, one image, and a socket that shows how far it is."""

from __future__ import annotations

from server.callers import Tier
from server.plugins.spec import hookimpl
from server.plugins.types import Dialect

#: What the API's documentation promises.
RATE_LIMITS = {
    Tier.ANONYMOUS: "10/minute; 100/hour",
    Tier.AUTHENTICATED: "30/minute; 500/hour",
    Tier.PRO: "60/minute; 2000/hour",
}


@hookimpl
def register_dialects() -> list[Dialect]:
    """Announce the dialect."""
    return [
        Dialect(
            name="krea",
            title="Krea generator",
            build="server.dialects.krea.routes:build",
            rate_limits=RATE_LIMITS,
        )
    ]
