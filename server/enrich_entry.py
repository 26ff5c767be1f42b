"""Who writes prompts out: the table `[enrich]` of the configuration."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError


class EnrichEntry(BaseModel):
    """An OpenAI-compatible server that enriches prompts. Without one the built-in templates do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Its address up to `/chat/completions`: `http://127.0.0.1:11434/v1`, say.",
    )
    model: str | None = Field(None, min_length=1, description="The language model to ask for.")
    api_key: SecretStr | None = Field(None, description="Its key, if it wants one.")
    timeout: float = Field(20, gt=0, le=600, description="Seconds until the templates take over.")

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        try:
            usable = url is None or (urlsplit(url).hostname and urlsplit(url).port != 0)
        except ValueError:  # brackets that do not match, or a port beyond 65535
            usable = False
        if not usable:
            raise PydanticCustomError("enrich", "is no address of a server")
        return url

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.base_url is None) != (self.model is None):
            raise PydanticCustomError("enrich", "`base_url` and `model` belong together")
        return self
