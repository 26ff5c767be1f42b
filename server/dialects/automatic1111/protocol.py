"""The words of AUTOMATIC1111's API for making images: requests and answers.

Names, types and defaults are those of the web UI's own API (`modules/api/models.py` of version
1.10). As there, numbers may come as texts, null stands for the default, and words that nobody knows
are accepted; they are echoed and have no effect.
"""

from __future__ import annotations

import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from server.generation import MAX_SEED

#: The most pixels of an edge, images at once, and steps that a request may name; models take fewer.
MAX_EDGE, MAX_BATCH, MAX_STEPS = 16_384, 100, 10_000


#: A picture of one red pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGM4IScHAAK2AQU0pnWqAAAAAElFTkSuQmCC"
)


class Request(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {word: value for word, value in body.items() if value is not None}

    @model_validator(mode="after")
    def _is_plain_json(self) -> Self:
        """What is echoed must be able to be written."""
        loose = [self.model_extra, *(getattr(self, word) for word in self.loose_words())]
        try:
            json.dumps(loose, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            raise ValueError("is no JSON that could be written again") from None
        return self

    @classmethod
    def loose_words(cls) -> tuple[str, ...]:
        """The words whose values are any JSON."""
        return ()


class Generation(Request):
    """What requests for images have in common."""

    prompt: str = Field(
        "",
        description="What the image shows. `<lora:NAME:WEIGHT>` applies a LoRA.",
        examples=["a red circle on a blue background"],
    )
    negative_prompt: str = Field("", description="What the image must not show.")
    styles: list[str] = Field([], description="Echoed; there are no prompt styles.")
    seed: int = Field(
        -1,
        ge=-1,
        le=MAX_SEED,
        description="Start of the random numbers; -1 draws one. Image i uses seed + i.",
    )
    sampler_name: str = Field(
        "", description="One of `/sdapi/v1/samplers`; bent to one that the model has."
    )
    sampler_index: str = Field("Euler", description="The same, where `sampler_name` is not given.")
    scheduler: str = Field(
        "Automatic", description="`Automatic` or `Karras`; bent to what the model has."
    )
    batch_size: int = Field(1, ge=1, le=MAX_BATCH, description="How many images at once.")
    n_iter: int = Field(
        1,
        ge=1,
        le=MAX_BATCH,
        description="How many times; `batch_size` × `n_iter` images are made.",
    )
    steps: int = Field(
        50, ge=1, le=MAX_STEPS, description="Denoising steps; bent to what the model takes."
    )
    cfg_scale: float = Field(
        7.0,
        ge=0,
        le=1000,
        description="How strictly the image follows the prompt; bent to what the model takes.",
    )
    width: int = Field(
        512, ge=1, le=MAX_EDGE, description="Width in pixels; bent to what the model takes."
    )
    height: int = Field(
        512, ge=1, le=MAX_EDGE, description="Height in pixels; bent to what the model takes."
    )
    override_settings: dict[str, Any] = Field(
        {},
        description="`sd_model_checkpoint`: the model of this request alone. Others are ignored.",
        examples=[{}],
    )
    script_name: str = Field("", description="There are no scripts: a name is an error.")
    script_args: list[Any] = Field([], description="Echoed.")
    alwayson_scripts: dict[str, Any] = Field(
        {}, description="There are no scripts: one with arguments is an error.", examples=[{}]
    )
    send_images: bool = Field(True, description="Whether the answer holds the images.")
    save_images: bool = Field(False, description="Echoed; every image is kept in the gallery.")

    @classmethod
    def loose_words(cls) -> tuple[str, ...]:
        """See `Request`."""
        return "override_settings", "script_args", "alwayson_scripts"


class Txt2Img(Generation):
    """The body of `POST /sdapi/v1/txt2img`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prompt": "a red circle on a blue background",
                    "negative_prompt": "blurry",
                    "sampler_name": "Euler a",
                    "steps": 20,
                    "cfg_scale": 7,
                    "width": 512,
                    "height": 512,
                    "seed": -1,
                }
            ]
        }
    )


class Img2Img(Generation):
    """The body of `POST /sdapi/v1/img2img`."""

    init_images: list[str] = Field(
        min_length=1,
        max_length=1,
        examples=[[PIXEL]],
        description="The image to begin with: PNG, JPEG or WebP in base64, with or without "
        "`data:image/png;base64,` in front. It is cut to `width` × `height`.",
    )
    mask: str = Field(
        "",
        description="Where to paint anew: an image in base64, white where it may change. Only for "
        "models that take masks.",
    )
    inpainting_mask_invert: int = Field(
        0, ge=0, le=1, description="1 would redraw what is black; with a mask it is an error."
    )
    denoising_strength: float = Field(
        0.75, ge=0, le=1, description="How much of the image is redrawn."
    )
    include_init_images: bool = Field(
        False, description="Whether `parameters` of the answer holds the given images."
    )


class Generated(BaseModel):
    """The answer to `txt2img` and `img2img`."""

    images: list[str] = Field(
        description="PNG files in base64; each holds its infotext.", examples=[["iVBORw0KGgo…"]]
    )
    parameters: dict[str, Any] = Field(
        description="The request, with what it left to default.",
        examples=[{"prompt": "a red circle on a blue background", "steps": 20, "seed": -1}],
    )
    info: str = Field(
        description="A JSON object as a text: `prompt`, `all_prompts`, `seed`, `all_seeds`, "
        "`infotexts`, `width`, `height`, `sampler_name`, `cfg_scale`, `steps`, `sd_model_name`, …, "
        "and `warnings`: what was changed or left out, in sentences.",
        examples=['{"prompt": "a red circle on a blue background", "seed": 7, "all_seeds": [7]}'],
    )


class State(BaseModel):
    """What your request is at. `job_count` is 0 when you have none."""

    skipped: bool = False
    interrupted: bool = Field(False, description="Whether it was told to stop.")
    stopping_generation: bool = False
    job: str = Field("", description="What it is for: `txt2img`, `img2img` or `extras`.")
    job_count: int = Field(0, description="How many images it makes.")
    job_timestamp: str = Field("0", description="When it was sent: `20260121115610`, UTC.")
    job_no: int = Field(0, description="Which image it is at, from 0.")
    sampling_step: int = Field(0, description="The last step of that image that is done.")
    sampling_steps: int = Field(0, description="How many steps that image takes.")


class Progress(BaseModel):
    """The answer to `GET /sdapi/v1/progress`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "progress": 0.4,
                    "eta_relative": 2.5,
                    "state": {
                        "skipped": False,
                        "interrupted": False,
                        "stopping_generation": False,
                        "job": "txt2img",
                        "job_count": 1,
                        "job_timestamp": "20260121115610",
                        "job_no": 0,
                        "sampling_step": 8,
                        "sampling_steps": 20,
                    },
                    "current_image": "/9j/4AAQSkZJRg…",
                    "textinfo": "generating",
                }
            ]
        }
    )

    progress: float = Field(0.0, description="0 to 1, over all images of the request.")
    eta_relative: float = Field(0.0, description="Seconds until it is ready, as far as known.")
    state: State = State()
    current_image: str | None = Field(
        None, description="A small JPEG of the image as it develops, in base64."
    )
    textinfo: str | None = Field(None, description="What it waits for: `loading`, say.")


class ExtraSingleImage(Request):
    """The body of `POST /sdapi/v1/extra-single-image`."""

    image: str = Field(
        description="The image to enlarge: PNG, JPEG or WebP in base64.", examples=[PIXEL]
    )
    upscaler_1: str = Field(
        "None", description="One of `/sdapi/v1/upscalers`; `None` answers with the image as it is."
    )
    resize_mode: Literal[0, 1] = Field(
        0, description="0: `upscaling_resize` times as large; 1: to the size that is given."
    )
    upscaling_resize: float = Field(
        2.0, gt=0, le=1000, description="How many times as wide and high; at most 8."
    )
    upscaling_resize_w: int = Field(512, ge=1, le=MAX_EDGE, description="Width in pixels.")
    upscaling_resize_h: int = Field(512, ge=1, le=MAX_EDGE, description="Height in pixels.")
    upscaling_crop: bool = Field(
        True, description="With `resize_mode` 1: cut what is beyond the size that is given."
    )


class ExtraImage(BaseModel):
    """The answer to `extra-single-image`."""

    html_info: str = Field(
        description="What was done, as HTML.", examples=["<p>Upscaler: Lanczos</p>"]
    )
    image: str | None = Field(
        description="A PNG file in base64; null when it was stopped.", examples=[PIXEL]
    )


class PngInfoRequest(Request):
    """The body of `POST /sdapi/v1/png-info`."""

    image: str = Field(description="PNG, JPEG or WebP in base64.", examples=[PIXEL])


class PngInfo(BaseModel):
    """What an image says about itself."""

    info: str = Field(
        description="The infotext; an empty text without one.",
        examples=["a red circle\nSteps: 20, Sampler: Euler a, Seed: 7, Size: 512x512"],
    )
    items: dict[str, str] = Field(description="Its other texts by name.", examples=[{}])
    parameters: dict[str, str] = Field(
        description="The infotext's parts: `Prompt`, `Negative prompt`, `Steps`, `Size-1`, …",
        examples=[{"Prompt": "a red circle", "Negative prompt": "", "Steps": "20"}],
    )


class Nothing(BaseModel):
    """An empty object."""
