"""The API's words: what is asked, and what is answered.

Source: OpenAI's API reference (platform.openai.com/docs/api-reference/images) and the types of its
Python SDK 3.54. Where it says that a word may be left out, null says the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StrictBool

from server.generation import MAX_PROMPT, Integer, LoraRef, Number

ResponseFormat = Literal["b64_json", "url"]
OutputFormat = Literal["png", "jpeg", "webp"]

#: How many images an edit may begin with.
MAX_IMAGES = 16

#: How many partial images of an image may be asked for.
MAX_PARTIALS = 3

#: The value of `size`.
SIZE = r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$"

_PROMPT = "A cute baby sea otter"
_CUT = "iVBORw0KGgo…"
_URL = "http://127.0.0.1:8000/v1/images/files/20260121_115610_abcd1234_0.png"

#: A small grey image, so that the examples of edits can be sent as they are.
_GREY = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mNs"
    "YIAAJgaKGAAmCACQtTEKkQAAAABJRU5ErkJggg=="
)

_USAGE: dict[str, Any] = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "total_tokens": 0,
}


class ImageRequest(BaseModel):
    """What requests for new images and for edits have in common. Words that are not listed are
    accepted and ignored."""

    model_config = ConfigDict(frozen=True)

    prompt: str = Field(
        min_length=1, max_length=MAX_PROMPT, description="What the image is to show, in words."
    )
    model: str | None = Field(
        None, description="The model, by a name that `/v1/models` lists; null: the server's choice."
    )
    n: Integer | None = Field(None, ge=1, le=10, description="How many images; null: one.")
    size: str | None = Field(
        None,
        pattern=SIZE,
        description="`1024x1024`, say: width and height in pixels, bent to the nearest that the "
        "model takes. `auto` or null: the model's own size, and for edits the shape of the image.",
    )
    response_format: ResponseFormat | None = Field(
        None, description="Whether images come inside the answer or as addresses."
    )
    output_format: OutputFormat | None = Field(
        None, description="The format of the images; null: PNG."
    )
    output_compression: Integer | None = Field(
        None, ge=0, le=100, description="The quality of JPEG and WebP, in percent; null: 100."
    )
    stream: StrictBool | None = Field(
        None, description="Answer with events: images while they develop, then the finished ones."
    )
    partial_images: Integer | None = Field(
        None,
        ge=0,
        le=MAX_PARTIALS,
        description="With `stream`: how many unfinished images to show of each; null: none.",
    )
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = (
        Field(None, description="Accepted and not used: `steps` says how much work is done.")
    )
    background: Literal["transparent", "opaque", "auto"] | None = Field(
        None, description="Accepted and not used: images have no transparency."
    )
    moderation: Literal["low", "auto"] | None = Field(
        None, description="Accepted and not used: nothing is moderated."
    )
    user: str | None = Field(None, description="Accepted and not used.")
    seed: Integer | None = Field(
        None,
        description="Ours: the same seed gives the same image; null or negative draws one.",
    )
    steps: Integer | None = Field(
        None,
        ge=1,
        validation_alias=AliasChoices("steps", "num_inference_steps"),
        description="Ours: denoising steps, bent to the nearest that the model takes.",
    )
    cfg_scale: Number | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("cfg_scale", "guidance_scale"),
        description="Ours: how strictly the image follows the prompt; bent likewise.",
    )
    negative_prompt: str | None = Field(
        None, max_length=MAX_PROMPT, description="Ours: what the image must not show."
    )
    sampler: str | None = Field(
        None, description="Ours: the method that takes the steps; an unknown one: the model's own."
    )
    loras: list[LoraRef] | None = Field(
        None, description="Ours: LoRAs to apply, where the model takes any."
    )


class Generation(ImageRequest):
    """A request for new images."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "model": "gpt-image-1",
                "prompt": _PROMPT,
                "n": 1,
                "size": "1024x1024",
            }
        },
    )

    style: Literal["vivid", "natural"] | None = Field(
        None, description="Accepted and not used: say it in the prompt."
    )


class Edit(ImageRequest):
    """A request for changed images, without the images."""

    input_fidelity: Literal["high", "low"] | None = Field(
        None, description="Accepted and not used: `strength` says how much is kept."
    )
    strength: Number | None = Field(
        None,
        ge=0,
        le=1,
        description="Ours: how much of the image is redrawn; bent likewise. Unset: the model's "
        "default, with a mask 1.",
    )


class ImageReference(BaseModel):
    """An image inside JSON."""

    model_config = ConfigDict(frozen=True)

    image_url: str | None = Field(
        None,
        description="The image itself, as a data URI: `data:image/png;base64,…` (PNG, JPEG or "
        "WebP). Other addresses are not fetched.",
    )
    file_id: str | None = Field(None, description="Not supported: files are not kept here.")


class JsonEdit(Edit):
    """A request for changed images, as JSON."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "prompt": "Add a watercolor effect to this image",
                "images": [{"image_url": _GREY}],
            }
        },
    )

    images: list[ImageReference] = Field(
        min_length=1, max_length=MAX_IMAGES, description="The images to change."
    )
    mask: ImageReference | None = Field(
        None, description="A PNG as large as the first image: where it is transparent, is changed."
    )


_File = Annotated[str, Field(json_schema_extra={"format": "binary"})]


class FormEdit(Edit):
    """A request for changed images, as a form."""

    # Only for the documentation: the parts of a form are texts and files, see `editing`.
    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {"prompt": "Add a watercolor effect to this image", "image": _GREY}
        },
    )
    image: _File | list[_File] = Field(
        description="The image to change: PNG, JPEG or WebP. Several: a part each, named `image` "
        "or `image[]`."
    )
    mask: _File | None = Field(
        None, description="A PNG as large as the first image: where it is transparent, is changed."
    )
    loras: str | None = Field(  # type: ignore[assignment]
        None, description="Ours: LoRAs to apply, as JSON."
    )


class InputTokens(BaseModel):
    """Tokens of a request; nothing is counted here."""

    image_tokens: int = Field(description="Always 0.")
    text_tokens: int = Field(description="Always 0.")


class Usage(BaseModel):
    """Tokens; nothing is counted here."""

    input_tokens: int = Field(description="Always 0.")
    input_tokens_details: InputTokens
    output_tokens: int = Field(description="Always 0.")
    output_tokens_details: InputTokens
    total_tokens: int = Field(description="Always 0.")


class InlineImage(BaseModel):
    """An image inside the answer."""

    model_config = ConfigDict(extra="forbid")

    b64_json: str = Field(description="The image file, in base64.")


class LinkedImage(BaseModel):
    """An image that can be fetched."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="Where it is, as long as the gallery has it.")


class ImagesResponse(BaseModel):
    """The images."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "created": 1713833628,
                    "background": "opaque",
                    "data": [{"b64_json": _CUT}],
                    "output_format": "png",
                    "size": "1024x1024",
                    "usage": _USAGE,
                },
                {
                    "created": 1713833628,
                    "background": "opaque",
                    "data": [{"url": _URL}],
                    "output_format": "png",
                    "size": "1024x1024",
                    "usage": _USAGE,
                },
            ]
        }
    )

    created: int = Field(description="When the request came, in seconds since 1970.")
    background: Literal["opaque"]
    data: list[InlineImage | LinkedImage] = Field(description="The images.")
    output_format: OutputFormat = Field(description="Their format.")
    size: str = Field(description="The first one's width and height in pixels.")
    usage: Usage


class Model(BaseModel):
    """A model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "gpt-image-1",
                    "object": "model",
                    "created": 1713833628,
                    "owned_by": "darkroom",
                }
            ]
        }
    )

    id: str = Field(description="Its name in requests.")
    object: Literal["model"]
    created: int = Field(description="When the server started, in seconds since 1970.")
    owned_by: str = Field(description="Always `darkroom`.")


class ModelList(BaseModel):
    """The models that make images from words."""

    object: Literal["list"]
    data: list[Model]


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str = Field(description="What happened and what to do about it.")
    type: str = Field(description="The kind of error.")
    param: str | None = Field(description="The word of the request that is at fault.")
    code: str | None = Field(description="The machine's word for the error.")


class Error(BaseModel):
    """An error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "message": "n: Input should be less than or equal to 10",
                        "type": "invalid_request_error",
                        "param": "n",
                        "code": "invalid_value",
                    }
                }
            ]
        }
    )

    error: ErrorDetail


def usage() -> dict[str, Any]:
    """The `Usage` of every answer."""
    return _USAGE
