"""Black Forest Labs' API, and beside it that of the local backend which is modelled on it.

Two vocabularies on one set of jobs: the words of the local backend at the root of the main port,
Black Forest Labs' own under `/bfl` and at the root of a port of its own.
"""

from __future__ import annotations

from server.dialects.bfl.options import Options
from server.plugins.spec import hookimpl
from server.plugins.types import Dialect


@hookimpl
def register_dialects() -> list[Dialect]:
    """Announce the dialect."""
    return [
        Dialect(
            name="bfl",
            title="Black Forest Labs",
            build="server.dialects.bfl.routes:build",
            options=Options,
        )
    ]
