"""The words of this API: requests, answers, errors, progress."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from server.generation import MAX_PROMPT, MAX_SEED, Integer, Number

#: How this API calls the folder of all images, as it calls its files `/generated/…`.
GENERATED = "./generated"

#: What `storagePath` may have at most.
MAX_PATH = 1000

#: Bounds of an edge in pixels and of the steps.
MIN_EDGE, MAX_EDGE, MAX_STEPS = 64, 4096, 150

SUNSET = "A beautiful sunset over mountains"
WHEN = "2026-01-02T10:00:00.000Z"
FILE_PATH = "/generated/image_1.png"
URL = "http://127.0.0.1:8000/generated/20260102_095957_abcd1234_0.png"

#: An image of one pixel, to try requests with.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGM4EaUBAAM4AU"
    "u6yANpAAAAAElFTkSuQmCC"
)

#: The parameters of an image, in requests and in the history.
PARAMETERS = {"width": 512, "height": 512, "steps": 25, "cfgScale": 7.5, "seed": 42}

#: An image and the settings, as answers show them.
GENERATION: dict[str, Any] = {
    "id": 1,
    "type": "image",
    "prompt": SUNSET,
    "negativePrompt": "blurry, low quality",
    "parameters": PARAMETERS,
    "filePath": FILE_PATH,
    "url": URL,
    "seed": 42,
    "taskId": "20260102_095957_abcd1234",
    "createdAt": WHEN,
    "created_at": WHEN,
}
SETTINGS: dict[str, Any] = {
    "storagePath": GENERATED,
    "defaultWidth": 512,
    "defaultHeight": 512,
    "defaultSteps": 25,
    "defaultCfgScale": 7.5,
}

#: A change of the settings.
CHANGE: dict[str, Any] = {"storagePath": "./custom/path", "defaultWidth": 768, "defaultHeight": 768}


class Code(StrEnum):
    """What went wrong, for programs. The first seven are the document's."""

    INVALID_PROMPT = "INVALID_PROMPT"
    INVALID_PARAMETERS = "INVALID_PARAMETERS"
    API_TIMEOUT = "API_TIMEOUT"
    API_ERROR = "API_ERROR"
    STORAGE_ERROR = "STORAGE_ERROR"
    DATABASE_ERROR = "DATABASE_ERROR"
    NOT_FOUND = "NOT_FOUND"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    RATE_LIMITED = "RATE_LIMITED"


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Words(BaseModel):
    """An object whose words are written in camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True
    )


# --- requests --------------------------------------------------------------------------------


class Request(Words):
    """A request; words that nobody knows are ignored, and null stands for a word left out."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {word: value for word, value in given.items() if value is not None}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler.resolve_ref_schema(handler(core_schema))
        for word, value in described["properties"].items():
            if word not in described.get("required", ()):
                value["type"] = [value["type"], "null"]
        return described


class Generate(Request):
    """What requests for an image from words, with or without another image, have in common."""

    prompt: str = Field(
        min_length=1, max_length=MAX_PROMPT, pattern=r"\S", description="Text description of image."
    )
    negative_prompt: str = Field("", max_length=MAX_PROMPT, description="What to avoid.")
    steps: Integer = Field(
        25, ge=1, le=MAX_STEPS, description="Inference steps; unset: as the settings say."
    )
    cfg_scale: Number = Field(
        7.5, ge=0, le=30, description="Guidance scale; unset: as the settings say."
    )
    seed: Integer = Field(
        -1, ge=-1, le=MAX_SEED, description="Random seed for reproducibility; -1 draws one."
    )


class TextToImage(Generate):
    """A request for an image from words."""

    model_config = _example(
        {"prompt": SUNSET, "negativePrompt": "blurry, low quality", **PARAMETERS},
        {"prompt": "A beautiful sunset", "width": 512, "height": 512},
    )

    width: Integer = Field(
        512, ge=MIN_EDGE, le=MAX_EDGE, description="Image width; unset: as the settings say."
    )
    height: Integer = Field(
        512, ge=MIN_EDGE, le=MAX_EDGE, description="Image height; unset: as the settings say."
    )


class ImageToImage(Generate):
    """A request for an image from another one and words. It has the size of the given one."""

    model_config = _example(
        {
            "seedImage": FILE_PATH,
            "prompt": "A futuristic cyberpunk version",
            "strength": 0.7,
            "steps": 25,
            "cfgScale": 7.5,
        }
    )

    seed_image: str = Field(
        min_length=1,
        examples=[FILE_PATH, PIXEL],
        description="The input image: a `filePath` or `url` of this API, a data URI (PNG, JPEG or "
        "WebP), or a path inside one of the folders of `allowed_folders`.",
    )
    strength: Number = Field(
        0.7, ge=0, le=1, description="0: as little change as the model can, 1: full change."
    )


class Upscale(Request):
    """A request for a larger image."""

    model_config = _example({"imagePath": FILE_PATH, "scale": 2})

    image_path: str = Field(
        min_length=1,
        examples=[FILE_PATH, PIXEL],
        description="The image, named like `seedImage`.",
    )
    scale: Integer = Field(2, ge=2, le=8, description="Scale factor.")


class SettingsChange(Words):
    """New settings; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CHANGE]})

    storage_path: str = Field(
        GENERATED,
        min_length=1,
        max_length=MAX_PATH,
        description="Where images of this API are stored from now on: a writable folder inside "
        "the data folder, relative to it, or inside one of `allowed_folders`. It is made if it is "
        "missing. `./generated` is the folder of all images.",
    )
    default_width: Integer = Field(512, ge=MIN_EDGE, le=MAX_EDGE, description="Pixels.")
    default_height: Integer = Field(512, ge=MIN_EDGE, le=MAX_EDGE, description="Pixels.")
    default_steps: Integer = Field(25, ge=1, le=MAX_STEPS, description="Inference steps.")
    default_cfg_scale: Number = Field(7.5, ge=0, le=30, description="Guidance scale.")


# --- answers ---------------------------------------------------------------------------------


class Parameters(Words):
    """What an image was made with."""

    width: int = Field(description="The image's, in pixels.")
    height: int = Field(description="The image's, in pixels.")
    steps: int = Field(description="Inference steps; 0 where there are none.")
    cfg_scale: float = Field(description="Guidance scale; 0 where there is none.")
    seed: int = Field(description="The seed that makes it again.")


class Generation(Words):
    """A finished image."""

    model_config = _example(GENERATION)

    id: int = Field(description="Its number.")
    type: Literal["image"] = Field("image", description="This server makes no videos.")
    prompt: str = Field(description="What it shows, in words.")
    negative_prompt: str | None = Field(None, description="Absent where there was none.")
    parameters: Parameters
    file_path: str = Field(description="Its path on this server, also for `seedImage`.")
    url: str = Field(description="Its address.")
    seed: int = Field(description="As in `parameters`.")
    task_id: str = Field(description="The job that made it, as `/ws/generation` names it.")
    created: str = Field(alias="createdAt", description="When it was finished, UTC.")
    created_at: str = Field(alias="created_at", description="As `createdAt`.")


class Settings(Words):
    """What this API's requests are completed with, and where its images are stored."""

    model_config = _example(SETTINGS)

    storage_path: str = Field(GENERATED, description="Where new images are stored.")
    default_width: int = Field(512, description="Pixels.")
    default_height: int = Field(512, description="Pixels.")
    default_steps: int = Field(25, description="Inference steps.")
    default_cfg_scale: float = Field(7.5, description="Guidance scale.")


class Success(Words):
    """What every answer has where all went well."""

    success: Literal[True] = True


Message = Annotated[str | None, Field(description="What the model took otherwise than asked for.")]


class GenerationAnswer(Success):
    """One image."""

    model_config = _example({"success": True, "data": GENERATION})

    data: Generation
    message: Message = None


class HistoryPage(Success):
    """Images, newest first."""

    model_config = _example({"success": True, "data": [GENERATION], "total": 1})

    data: list[Generation]
    total: int = Field(description="How many there are in all.", examples=[1])


class Deleted(Success):
    """The image is gone."""

    message: str = Field("Generation deleted", examples=["Generation deleted"])


class SettingsAnswer(Success):
    """The settings."""

    model_config = _example({"success": True, "data": SETTINGS})

    data: Settings


class SettingsUpdated(SettingsAnswer):
    """The settings as they are now."""

    model_config = _example(
        {"success": True, "message": "Settings updated", "data": {**SETTINGS, **CHANGE}}
    )

    message: str = Field("Settings updated", examples=["Settings updated"])


class Health(Words):
    """The server runs."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="Darkroom's.", examples=["0.1.0"])


class Failure(Words):
    """What went wrong."""

    model_config = _example(
        {"success": False, "error": "Prompt is required", "code": Code.INVALID_PROMPT}
    )

    success: Literal[False] = False
    error: str = Field(description="What went wrong, for people.")
    code: Code = Field(description="What went wrong, for programs.")
    details: dict[str, Any] | None = Field(
        None,
        description="`errors`: one `{field, message}` per refused field; else `reason`, the "
        "server's own word for the error, and `message`.",
    )
