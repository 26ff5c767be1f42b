"""What `[dialects.openai]` may hold besides what all dialects' tables may."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from server.dialects.openai.protocol import ResponseFormat


class Options(BaseModel):
    """The dialect's own settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    response_format: ResponseFormat = Field(
        "b64_json",
        description="How images are answered where a request does not say it: `b64_json` (inside "
        "the answer) or `url` (an address to fetch them from).",
    )
