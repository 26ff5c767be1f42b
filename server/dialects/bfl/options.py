"""What `[dialects.bfl]` may hold besides what all dialects' tables may."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """The dialect's own settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    allow_private_webhooks: bool = Field(
        False,
        description="Send webhooks also over plain http and to addresses that are not public. "
        "Without it nobody can make the server reach what only it can reach.",
    )
