"""The API's words: what is asked, and what is answered in either vocabulary.

Sources: the document of the local backend; docs.bfl.ai, the OpenAPI of its models and of
`/v1/get_result`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from server.generation import MAX_PROMPT, Integer, Number
from server.webhooks.webhook import MAX_SECRET, MAX_URL

#: The bodies that name a model.
EXAMPLES: dict[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))

#: Which images a request may bring, in their order.
IMAGE_WORDS = ("input_image", "input_image_2", "input_image_3", "input_image_4")

#: The value of `aspect_ratio`.
RATIO = r"^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$"

OutputFormat = Literal["jpeg", "png"]

_ID = "20260121_115610_abcd1234"
_BASE = "http://127.0.0.1:8000"
_SAMPLE = f"{_BASE}/outputs/flux_{_ID}.png"
_POLLING_URL = f"{_BASE}/v1/get_result?id={_ID}"


def _absent(description: str) -> Any:
    """A word of an answer that is left out where it is not known: popular clients take no null."""
    return Field(None, description=description, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


Base64Image = Annotated[
    str,
    Field(
        min_length=1,
        description="An image to work from: a PNG, JPEG or WebP file in base64, with or without "
        "`data:image/png;base64,` in front. Addresses are not fetched.",
    ),
]


#: The request that the local backend's document prints.
EXAMPLE = {
    "prompt": "A futuristic city at sunset, cinematic lighting",
    "aspect_ratio": "1:1",
    "steps": 4,
    "seed": 42,
}


class Order(BaseModel):
    """A request for an image. Other words are accepted and ignored."""

    model_config = ConfigDict(frozen=True)

    prompt: str = Field(
        min_length=1,
        max_length=MAX_PROMPT,
        description="What the image shows, or what changes in the given ones.",
    )
    aspect_ratio: str | None = Field(
        None,
        pattern=RATIO,
        description="Width and height as a ratio, `16:9` say: about a megapixel. `width` and "
        "`height` win.",
    )
    width: Integer | None = Field(
        None, ge=0, description="Width in pixels; bent to the nearest the model takes. 0: unset."
    )
    height: Integer | None = Field(
        None, ge=0, description="Height in pixels; bent to the nearest the model takes. 0: unset."
    )
    steps: Integer | None = Field(
        None, ge=1, description="Denoising steps; bent to the nearest the model takes."
    )
    guidance: Number | None = Field(
        None, ge=0, description="How strictly the image follows the prompt; bent likewise."
    )
    seed: Integer | None = Field(
        None, description="The same seed gives the same image; null or negative draws one."
    )
    output_format: OutputFormat | None = Field(
        None, description="What `sample` leads to; null: as usual at this address."
    )
    prompt_upsampling: bool | None = Field(
        None, strict=True, description="Whether to write the prompt out first."
    )
    safety_tolerance: Integer | None = Field(
        None, ge=0, le=6, description="Accepted and not used: nothing is moderated here."
    )
    input_image: Base64Image | None = None
    input_image_2: Base64Image | None = None
    input_image_3: Base64Image | None = None
    input_image_4: Base64Image | None = None
    webhook_url: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_URL,
        description="Where to POST the result when there is one: https, on the public internet.",
    )
    webhook_secret: str | None = Field(
        None,
        max_length=MAX_SECRET,
        description="Signs what is sent there: HMAC-SHA256 of the body, in `X-BFL-Signature`.",
    )

    @property
    def images(self) -> dict[str, str]:
        """The given images by their words."""
        given = {word: getattr(self, word) for word in IMAGE_WORDS}
        return {word: value for word, value in given.items() if value}


class Queued(BaseModel):
    """The request is accepted; poll for its result."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": _ID, "status": "Task_Queued", "polling_url": _POLLING_URL}]
        }
    )

    id: str = Field(description="The task's id.")
    status: Literal["Task_Queued"]
    polling_url: str = Field(description="Where its result will be.")


class Accepted(BaseModel):
    """The request is accepted; poll for its result. Nothing costs anything here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "polling_url": f"{_BASE}/bfl/v1/get_result?id={_ID}",
                    "cost": None,
                    "input_mp": None,
                    "output_mp": None,
                }
            ]
        }
    )

    id: str = Field(description="The task's id.")
    polling_url: str = Field(description="Where its result will be.")
    cost: None = Field(description="Always null.")
    input_mp: None = Field(description="Always null.")
    output_mp: None = Field(description="Always null.")


class Sample(BaseModel):
    """The image."""

    sample: str = Field(description="Where it is.")


class Polled(BaseModel):
    """How far a task is. What is not known is left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": _ID, "status": "Processing"},
                {"id": _ID, "status": "Ready", "result": {"sample": _SAMPLE}},
            ]
        }
    )

    id: str = Field(description="The task's id.")
    status: Literal["Processing", "Ready", "Error"]
    result: Sample = _absent("With `Ready`.")
    error: str = _absent("With `Error`: a word for what went wrong.")
    message: str = _absent("With `Error`: what went wrong, in a sentence.")


class Result(Sample):
    """The image, and how it was made. What is not known is left out, never null."""

    prompt: str = Field(description="The prompt that the image was made from.")
    seed: int = _absent("Its seed.")
    start_time: float = _absent("When work on it began, in seconds since 1970.")
    end_time: float = _absent("When it was ready, likewise.")
    duration: float = _absent("Seconds between the two.")


class Details(BaseModel):
    """What there is to say about a task besides. What is not known is left out."""

    model_config = ConfigDict(extra="allow")

    phase: str = _absent("What is being done.")
    queue_position: int = _absent("1 for the next task to run.")
    step: int = _absent("The last denoising step that was taken.")
    total_steps: int = _absent("How many there are.")
    notes: list[str] = _absent("What was changed about the request, in sentences.")
    error: str = _absent("A word for what went wrong.")
    message: str = _absent("What went wrong, in a sentence.")


class State(BaseModel):
    """How far a task is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "status": "Pending",
                    "result": None,
                    "progress": 0.5,
                    "details": {"phase": "generating", "step": 2, "total_steps": 4},
                    "preview": None,
                },
                {
                    "id": _ID,
                    "status": "Ready",
                    "result": {
                        "sample": f"{_BASE}/outputs/flux_{_ID}.jpeg",
                        "prompt": "A futuristic city at sunset, cinematic lighting",
                        "seed": 42,
                        "start_time": 1768996571.25,
                        "end_time": 1768996573.75,
                        "duration": 2.5,
                    },
                    "progress": 1.0,
                    "details": None,
                    "preview": None,
                },
            ]
        }
    )

    id: str = Field(description="The task's id.")
    status: Literal["Pending", "Ready", "Error", "Task not found"]
    result: Result | None = Field(description="With `Ready`.")
    progress: float | None = Field(description="From 0 to 1.")
    details: Details | None = Field(description="What there is to say besides.")
    preview: None = Field(description="Always null.")


class Missing(State):
    """There is no such task, or its image was deleted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "status": "Task not found",
                    "result": None,
                    "progress": None,
                    "details": None,
                    "preview": None,
                    "detail": f"There is no task {_ID!r}.",
                    "message": f"There is no task {_ID!r}.",
                }
            ]
        }
    )

    detail: str = Field(description="What went wrong, in a sentence.")
    message: str = Field(description="The same.")


class HistoryEntry(BaseModel):
    """A finished image."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLES["history_entry"]]})

    id: str = Field(description="The task's id.")
    prompt: str = Field(description="What the image shows.")
    model: str = Field(description="The model's name.")
    status: Literal["Ready"]
    result_url: str = Field(description="Where the image is.")
    url: str = Field(description="The same.")
    metadata: str = Field(description="What it was made with: a JSON object, as text.")
    created_at: str = Field(description="When it was asked for: UTC, without a zone.")


class Trouble(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"detail": "There is no such task.", "message": "There is no such task."},
                {
                    "detail": [
                        {"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}
                    ],
                    "message": "prompt: Field required",
                },
            ]
        }
    )

    detail: Annotated[
        Any,
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}
        ),
    ] = Field(description="What went wrong: a sentence, or a list with each thing that is wrong.")
    message: str = Field(description="What went wrong, in a sentence.")
