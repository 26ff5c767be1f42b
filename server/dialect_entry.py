"""What the configuration says of other servers' APIs: `[dialects.NAME]` and `[[listen]]`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from server.rate_limits import RateLimitSetting


class DialectEntry(BaseModel):
    """A table `[dialects.NAME]`. What else it holds is for the dialect to read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    enabled: bool = Field(True, description="Whether this API is served at all.")
    model: str | None = Field(
        None, description="The model of requests that name none; unset: the current one."
    )
    aliases: dict[str, str] = Field(
        {}, description="Further names that its requests may call models by, and their ids."
    )
    rate_limit: RateLimitSetting | None = Field(
        None,
        description='How many jobs a caller may submit: `"10/minute; 100/hour"`, a table of these '
        "by tier (`anonymous`, `authenticated`, `pro`), or `false` for any number.",
    )


class ListenEntry(BaseModel):
    """A table `[[listen]]`: a dialect at the root of a port of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dialect: str = Field(min_length=1, max_length=64, description="Which one, by its name.")
    port: int = Field(ge=0, le=65535, description="The port; 0 takes a free one.")
    host: str | None = Field(None, description="The address; unset: the server's `host`.")


def faults_of(entries: Sequence[ListenEntry], port: int) -> Iterator[str]:
    """What is wrong with the listeners among each other and beside the main one, in sentences. The
    port tells which API a request is meant for, so that another address does not help."""
    used = Counter([port, *(entry.port for entry in entries)])
    for entry in entries:
        if entry.port and used[entry.port] > 1:
            yield (
                f"[[listen]] {entry.dialect}: port {entry.port} is used twice; choose another. "
                "Listeners on different addresses need different ports too."
            )
