"""The words of the Krea generator's API. Its ranges are its own, whatever the model takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from server.generation import Integer, Number

#: The bodies that the API's documentation prints.
EXAMPLES: dict[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))

#: The version of the API, as its documentation counts.
VERSION = "1.0.0"

#: Characters of a prompt.
MAX_PROMPT = 1000

#: Instead of a seed: draw one.
RANDOM = -1

Device = Literal["cuda", "cpu"]


def _example(name: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [EXAMPLES[name]]}, frozen=True)


class GenerateRequest(BaseModel):
    """A request for an image. Further fields are accepted and ignored."""

    model_config = _example("request")

    prompt: str = Field(
        min_length=1, max_length=MAX_PROMPT, description="Text description of the image."
    )
    steps: Integer = Field(30, ge=20, le=50, description="Number of denoising steps.")
    cfg_scale: Number = Field(
        4.0,
        ge=1,
        le=10,
        validation_alias=AliasChoices("cfg_scale", "cfg_guidance"),
        description="Classifier-free guidance scale. `cfg_guidance` is another name of it.",
    )
    seed: Integer = Field(RANDOM, ge=RANDOM, description="Random seed (−1 for random).")
    width: Integer = Field(
        1024, ge=512, le=2048, multiple_of=8, description="Image width in pixels."
    )
    height: Integer = Field(
        1024, ge=512, le=2048, multiple_of=8, description="Image height in pixels."
    )


class Generated(BaseModel):
    """An image."""

    model_config = _example("generated")

    success: Literal[True] = Field(description="Always true for an image.")
    image: str = Field(description="The image as PNG, as a data URI in Base64.")
    duration: float = Field(description="Generation time in seconds.")


class Failure(BaseModel):
    """An error."""

    model_config = _example("failure")

    success: Literal[False] = Field(description="Always false for errors.")
    error: str = Field(description="What went wrong, for people.")
    duration: float = Field(description="Seconds until the error occurred.")


class Health(BaseModel):
    """Whether the server would take a request."""

    model_config = _example("health")

    status: Literal["healthy", "unhealthy"] = Field(
        description="`healthy` when a request would be accepted, the model loaded or not."
    )
    model: str = Field(description="The model that makes the images: one of `/models`.")
    device: Device = Field(description="What computes: `cuda` for any accelerator.")
    version: str = Field(description="Version of the API.")


class Models(BaseModel):
    """The models that there are."""

    model_config = _example("models")

    models: list[str] = Field(description="The ids of all models that make images from words.")


class Status(BaseModel):
    """How far the model is."""

    model_config = _example("status")

    status: Literal["ok", "loading", "pending", "error"] = Field(
        description="`ok`: loaded. `loading`: being loaded or downloaded. `pending`: the next "
        "request loads it. `error`: it could not be loaded."
    )
    model_loaded: bool = Field(description="Whether the model is in memory.")
    models_loaded: bool = Field(description="The same.")
    models_loading: bool = Field(description="Whether it is being loaded or downloaded.")
    device: Device = Field(description="What computes: `cuda` for any accelerator.")
    model: str = Field(description="The model that makes the images.")
    message: str = Field(description="The state in a sentence.")
