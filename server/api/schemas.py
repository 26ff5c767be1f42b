"""The shapes of answers, for the documentation. Answers are not made from these classes; a test
compares the two."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.records import JobKind, JobStatus

JOB_ID_EXAMPLE = "20260121_115610_abcd1234"
FILENAME_EXAMPLE = f"{JOB_ID_EXAMPLE}_0.png"

ModelState = Literal["loaded", "in_ram", "loading", "downloading", "on_disk", "missing", "failed"]
Phase = Literal["downloading", "preparing", "loading", "generating", "saving"]


class Shape(BaseModel):
    """A JSON object with exactly these fields, each always there."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class FieldError(Shape):
    """One thing wrong with a request."""

    loc: list[str | int] = Field(description="The path to the field.", examples=[["width"]])
    msg: str = Field(description="What is wrong, for people.")
    type: str = Field(description="What is wrong, for programs.")


class Problem(BaseModel):
    """An error, as RFC 9457 has it. An unknown path also has `message` and `error`."""

    type: str = Field(description="A page that explains `code`.")
    title: str = Field(description="The kind of error, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened and what to do about it.")
    code: str = Field(description="The kind of error, for programs; never changes.")
    errors: list[FieldError] | None = Field(
        None, description="With code `invalid_parameters`: one entry per problem."
    )


class Image(BaseModel):
    """A finished image with its whole recipe: beside these fields, every parameter of its model."""

    model_config = ConfigDict(extra="allow")

    id: int = Field(description="Grows with every image.", examples=[42])
    filename: str = Field(description="`{job_id}_{index}.png`.", examples=[FILENAME_EXAMPLE])
    url: str = Field(description="The PNG.", examples=[f"/api/images/{FILENAME_EXAMPLE}"])
    thumb_url: str = Field(description="WebP.", examples=[f"/api/thumbs/{FILENAME_EXAMPLE}"])
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    created_at: str = Field(description="UTC.", examples=["2026-01-21T11:56:12.345Z"])
    job_id: str = Field(examples=[JOB_ID_EXAMPLE])
    index: int = Field(description="Which image of its job, from 0.")
    model: str = Field(description="The model's id.")
    seconds: float = Field(description="How long it took.")
    size: int = Field(description="Bytes of the PNG.")
    prompt: str = Field(description="What the image shows, in words.")
    seed: int = Field(description="The image's own seed.")


class JobError(Shape):
    """Why a job failed."""

    code: str = Field(examples=["out_of_memory"])
    message: str


class Download(Shape):
    """How far a model's files, or a LoRA's, are on their way here."""

    bytes: int = Field(description="What is here.")
    total_bytes: int | None = Field(description="Of all files; null until it is known.")
    bytes_per_second: float | None = Field(description="Over the last seconds.")


class AppliedLora(BaseModel):
    """A LoRA of a job. The counts are null until it is applied."""

    model_config = ConfigDict(extra="allow")

    id: str
    weight: float | None
    trigger_weight: float | None
    matched: int | None = Field(description="How many of its modules were applied.")
    total: int | None = Field(description="How many modules it has.")
    text_encoder: bool | None = Field(description="Whether it changed a text encoder too.")


class Snapshot(Shape):
    """A whole job at one moment. What is absent is null."""

    job_id: str = Field(examples=[JOB_ID_EXAMPLE])
    attempt: int = Field(description="Grows each time the job is started.")
    seq: int = Field(description="Grows with every change within an attempt.")
    status: JobStatus
    phase: Phase | None = Field(description="What is being done for the job.")
    download: Download | None = Field(
        description="While `phase` is `downloading`: how far the model's files, or the LoRA, are."
    )
    model: str | None = Field(description="The model's id; null for a download.")
    kind: JobKind = Field(description="What the job does.", examples=["generate"])
    queue_position: int | None = Field(description="1 for the next to run; null once it runs.")
    image_index: int | None = Field(description="Which image is being made, from 0.")
    num_images: int
    step: int | None = Field(description="The current image's, from 1.")
    total_steps: int | None = Field(description="The current image's.")
    progress: float = Field(
        ge=0, le=1, description="Of the whole job; never falls within an attempt."
    )
    preview: str | None = Field(description="`data:image/jpeg;base64,…`: the image so far.")
    images: list[Image] = Field(description="The finished ones.")
    loras: list[AppliedLora] = Field(description="The job's LoRAs, and what became of each.")
    lora: str | None = Field(description="The LoRA that a download has brought, by its id.")
    error: JobError | None
    eta_seconds: float | None = Field(description="Seconds left, as far as one can tell.")
    created_at: str = Field(examples=["2026-01-21T11:56:10.123Z"])
    started_at: str | None
    finished_at: str | None
    warnings: list[str] = Field(description="Words of the request that the model does not use.")


class JobDetail(Snapshot):
    """A snapshot with the job's parameters."""

    params: dict[str, Any] = Field(description="Complete parameters, the seed drawn.")


class Accepted(Shape):
    """A job that was stored."""

    job_id: str = Field(examples=[JOB_ID_EXAMPLE])
    status: JobStatus
    queue_position: int | None = Field(description="1 for the next to run.")
    sse_url: str = Field(description="Its events.", examples=[f"/api/sse/{JOB_ID_EXAMPLE}"])
    job_url: str = Field(description="Its snapshot.", examples=[f"/api/jobs/{JOB_ID_EXAMPLE}"])
    warnings: list[str]


class Plan(Shape):
    """What a request would run."""

    model: str
    family: str
    params: dict[str, Any] = Field(description="Complete parameters; a null seed is drawn later.")
    warnings: list[str]
    needs_load: bool = Field(description="Whether the model must be loaded first.")
    expected_seconds: float | None = Field(description="From earlier images; null without any.")


class JobPage(Shape):
    """Jobs, newest first."""

    jobs: list[Snapshot]
    next_cursor: str | None = Field(description="Null on the last page.")


class ImagePage(Shape):
    """Images, newest first."""

    images: list[Image]
    total: int = Field(description="All that match, on every page.")
    limit: int
    offset: int
    next_cursor: str | None = Field(description="Null on the last page.")


class ModelFacet(Shape):
    """A model that images were made with."""

    id: str = Field(description="As `/api/models` lists it, while it is here.")
    count: int = Field(description="How many images of the gallery it made.")


class LoraFacet(Shape):
    """A LoRA that images were made with."""

    id: str = Field(examples=["civitai_1963644"])
    name: str | None = Field(description="What people call it; null: it is not here any more.")
    count: int = Field(description="How many images of the gallery were made with it.")


class ImageFacets(Shape):
    """What the gallery can be filtered by, most used first."""

    models: list[ModelFacet]
    loras: list[LoraFacet]


class Queue(Shape):
    """The queue in numbers."""

    paused: bool
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int


class Model(Shape):
    """A model."""

    id: str
    aliases: list[str] = Field(description="Other names for it.")
    family: str
    title: str
    description: str
    license: str
    size_bytes: int = Field(description="What its card says of its weights; 0 when unknown.")
    disk_bytes: int = Field(description="Its weights on this machine; 0 while they are missing.")
    resident_bytes: int = Field(description="Its weights in memory; 0 while they are not there.")
    state: ModelState = Field(
        description="`loaded` is ready to run, `in_ram` has left the device's memory for RAM, "
        "`missing` is not (all) on the disk, `failed` could not be loaded or downloaded."
    )
    error: str | None = Field(description="Why it is missing or failed, and what to do.")
    current: bool = Field(description="Whether requests without `model` go to it.")
    capabilities: list[str]


class ModelList(Shape):
    """All models."""

    models: list[Model]


class Lora(Shape):
    """A LoRA file, with the most trusted of what is known of it: what you changed stands above the
    files beside it, these above civitai, and that above its own metadata."""

    id: str = Field(description="What requests call it.", examples=["civitai_1963644"])
    name: str = Field(description="What people call it.")
    title: str = Field(description="What its source calls it.")
    filename: str = Field(description="Its path in the folder of LoRAs.")
    aliases: list[str] = Field(description="Other names that requests may use.")
    family: str | None = Field(description="Whose models can use it; null: none here.")
    unsupported: str | None = Field(description="Why no model can use it.")
    trigger_words: list[str] = Field(description="Phrases that its training tied to it.")
    weight: float = Field(description="Where a request gives none: as recommended, else 1.")
    trigger_weight: float = Field(description="The same for its trigger words; else 0.5.")
    base_model: str | None = Field(description="What its source says it was trained on.")
    network_type: str | None = Field(description="How it changes weights.", examples=["lora"])
    rank: int | None = Field(description="Of its matrices.")
    alpha: float | None = Field(description="Its matrices' product is scaled by alpha / rank.")
    sha256: str = Field(description="Of the whole file.")
    autov1: str | None = Field(description="8 digits; null for small files.")
    autov2: str = Field(description="10 digits.")
    autov3: str = Field(description="Of all behind its header.")
    size: int = Field(description="Bytes.")
    model_id: int | None = Field(description="Civitai's number of the model.")
    version_id: int | None = Field(description="Civitai's number of the version.")
    license: dict[str, Any] = Field(description="Civitai's licence flags.")
    nsfw_level: int | None = Field(description="Civitai's number.")
    preview_url: str | None = Field(description="A picture of it.")
    source: str | None = Field(description="Where it came from.")
    example_prompts: list[str] = Field(description="Of its source's pictures.")
    notes: str = Field(description="Your own.")
    bundled: bool = Field(description="Whether it came with a model family.")


class LoraPage(Shape):
    """LoRAs by name."""

    loras: list[Lora]
    total: int = Field(description="All that match, on every page.")
    limit: int
    offset: int
    next_cursor: str | None = Field(description="Null on the last page.")


class EnrichedPrompt(Shape):
    """A prompt that was written out."""

    original_prompt: str = Field(examples=["a castle on a hill"])
    enriched_prompt: str = Field(
        description="What to generate with.",
        examples=["a castle on a hill, epic fantasy scene, curling fog, golden light at dusk"],
    )
    style: str = Field(examples=["fantasy"])
    source: str = Field(
        description="Who wrote it: `template`, or the language model's name.",
        examples=["template"],
    )
    warning: str | None = Field(description="Why a configured language model did not.")


class Style(Shape):
    """A style that prompts can be written out in."""

    name: str = Field(examples=["fantasy"])
    title: str = Field(examples=["Fantasy"])
    example: str = Field(
        description="What the templates make of `a castle on a hill`.",
        examples=["a castle on a hill, epic fantasy scene, curling fog, golden light at dusk"],
    )


class StyleList(Shape):
    """All styles."""

    styles: list[Style]


class RescanSummary(Shape):
    """What looking at the folders of LoRAs has found, in files."""

    added: int
    removed: int
    changed: int
    unchanged: int
    incomplete: int = Field(
        description="On their way here, damaged, or not readable; not in `total`."
    )
    total: int
    incomplete_files: list[str] = Field(description="The first 100 of those, by their paths.")


class ModelSummary(Shape):
    """A model, in short."""

    id: str
    family: str
    title: str
    state: ModelState
    capabilities: list[str]
    parameter_schema_url: str


class Plugin(Shape):
    """A plugin and what is wrong with it."""

    name: str
    version: str
    ok: bool
    error: str | None
    warnings: list[str]


class Info(Shape):
    """The server and one model's parameters."""

    name: str
    version: str
    model: str = Field(description="The model's id.")
    model_name: str = Field(description="The model's title.")
    training_resolution: int = Field(description="Edge of the square it was trained on, pixels.")
    output_format: str
    parameter_schema: dict[str, Any] = Field(description="JSON Schema, draft 2020-12.")
    capabilities: list[str]
    loras: list[Lora] = Field(description="Those that this model can use.")
    available_loras: list[Lora] = Field(description="The same list.")
    models: list[ModelSummary]
    plugins: list[Plugin]
