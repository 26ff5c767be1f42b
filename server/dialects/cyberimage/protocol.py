"""The API's words: what is asked and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from server.enrichment.styles import CYBERPUNK
from server.enrichment.wish import MAX_LENGTH, StyleName
from server.generation import MAX_SEED, Integer, Number
from server.wording import VISIBLE

#: Characters of a prompt and of a negative prompt.
MAX_PROMPT = 500

#: Images of one job.
MAX_IMAGES = 8

#: Images of one page of the gallery.
MAX_PAGE = 50

#: Words of `settings` that are echoed, and characters of a value's JSON that is.
MAX_SETTINGS, MAX_ECHO = 32, 200

#: A seed, where other programs write -1 for none.
Seed = Annotated[
    Integer | None,
    Field(ge=-1, le=MAX_SEED),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": -1, "maximum": MAX_SEED}, {"type": "null"}]}
    ),
]

JobWord = Literal["pending", "processing", "completed", "failed"]


def _absent(description: str) -> Any:
    """A word of an answer that is only there when it says something."""
    return Field(None, description=description, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class Settings(BaseModel):
    """How the images are made. Values that the model does not take are changed to the nearest that
    it does. Other words mean nothing here and are echoed, unless they are long."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": True})

    num_images: Integer = Field(1, ge=1, le=MAX_IMAGES, description="How many images to make.")
    num_inference_steps: Integer = Field(
        30, ge=1, le=1000, description="Denoising steps of each image."
    )
    guidance_scale: Number = Field(
        7.5, ge=0, le=100, description="How closely the images follow the prompt."
    )
    height: Integer = Field(1024, ge=1, le=16_384, description="Height in pixels.")
    width: Integer = Field(1024, ge=1, le=16_384, description="Width in pixels.")
    seed: Seed = Field(
        None, description="Start of the random numbers: image i uses seed + i. Null or -1: drawn."
    )
    max_sequence_length: Integer = Field(
        512, ge=1, le=100_000, description="Accepted; every model reads as much as it can."
    )


class GenerateRequest(BaseModel):
    """A request for images."""

    model_id: str = Field(description="One of `GET /models`.")
    prompt: str = Field(
        min_length=1, max_length=MAX_PROMPT, pattern=VISIBLE, description="What the images show."
    )
    negative_prompt: str | None = Field(
        None,
        max_length=MAX_PROMPT,
        description="What they must not show; models that take none ignore it.",
    )
    settings: Settings | None = Field(
        None, description="How they are made.", json_schema_extra=_without_default
    )


class EnrichRequest(BaseModel):
    """A prompt to write out."""

    prompt: str = Field(
        min_length=1, max_length=MAX_LENGTH, pattern=VISIBLE, description="The prompt."
    )
    style: StyleName = Field(CYBERPUNK.name, description="What to add to it.")


class Error(BaseModel):
    """What went wrong."""

    status: Literal["error"]
    message: str
    wait_time: int = _absent("Seconds until the same request can succeed, with 429.")


class ModelEntry(BaseModel):
    """A model."""

    id: str = Field(description="Where its weights come from.")
    description: str


class ModelList(BaseModel):
    """The models that requests may name."""

    models: dict[str, ModelEntry] = Field(description="By `model_id`.")
    default: str = Field(description="One of them.")


class Accepted(BaseModel):
    """A request that became a job."""

    job_id: str
    status: JobWord
    num_images: int
    message: str
    warnings: list[str] = _absent("What was changed to fit the model.")


class Progress(BaseModel):
    """What a job does now; one flag is true, or none while it waits."""

    preparing: bool
    loading_model: bool
    generating: bool
    saving: bool
    completed: bool
    failed: bool
    step: int | None = Field(description="The step of the current image.")
    total_steps: int | None


class ImageMetadata(BaseModel):
    """How an image was made."""

    model_id: str
    prompt: str
    negative_prompt: str | None = Field(description="Null where the model took none.")
    settings: dict[str, JsonValue]
    image_number: int = Field(description="Its number within its job, from 1.")
    total_images: int


class Metadata(ImageMetadata):
    """How an image was made, and how long that took."""

    generation_time: float = Field(description="Seconds.")


class JobImage(BaseModel):
    """An image of a job."""

    id: str
    file_path: str
    created_at: str
    metadata: ImageMetadata


class JobState(BaseModel):
    """A job as it is now."""

    id: str
    status: JobWord
    model_id: str
    prompt: str
    negative_prompt: str | None
    settings: dict[str, JsonValue] = Field(description="As they were asked for.")
    created_at: str
    started_at: str | None
    completed_at: str | None
    message: str
    progress: Progress
    images: list[JobImage]
    error_message: str = _absent("Why it failed.")


class Done(BaseModel):
    """What was asked is done."""

    status: Literal["success"]
    message: str


class Reset(Done):
    """Stalled jobs wait again."""

    reset_count: int


class Counts(BaseModel):
    """Numbers of jobs; cancelled ones count as failed."""

    pending: int
    processing: int
    completed: int
    failed: int
    total: int


class Queue(Counts):
    """The queue, and with `detailed` the last 24 hours."""

    queue_size: int = Field(description="How many jobs wait.")
    recent_24h: Counts = _absent("Jobs submitted in the last 24 hours.")
    avg_processing_time_seconds: float = _absent("Of the completed ones among them; 0 without.")
    models: dict[str, Counts] = _absent("The same jobs by model.")
    failure_rate: float = _absent("Per cent of those among them that have ended.")


class GalleryImage(BaseModel):
    """An image in the gallery."""

    id: str
    model_id: str
    prompt: str
    created_at: str
    settings: dict[str, JsonValue]


class GalleryPage(BaseModel):
    """A page of the gallery, newest first."""

    images: list[GalleryImage]
    page: int
    limit: int
    has_more: bool
    total: int


class Enriched(BaseModel):
    """A prompt that was written out."""

    original_prompt: str
    enriched_prompt: str
    style: str
    warning: str = _absent("Why the built-in templates wrote it and not the language model.")
