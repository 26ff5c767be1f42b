"""The vocabulary of a request for images: parameters and tasks.

The words are the community's; diffusers' own names are accepted as `ALIASES`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from server.image_sources import ImageLimits, ImageSource

#: The largest seed: what a JavaScript number holds exactly, so that browsers round-trip it.
MAX_SEED = 2**53 - 1

#: How many LoRAs a request may have unless the settings say otherwise.
MAX_LORAS = 8

#: Characters of a prompt.
MAX_PROMPT = 10_000

#: Characters of a prompt with the trigger words of its LoRAs.
MAX_ENCODED_PROMPT = 100_000

#: Other names that requests may use for our words.
ALIASES: Mapping[str, str] = {"num_inference_steps": "steps", "guidance_scale": "cfg_scale"}

#: Words that text-to-image requests carry in general. A model that does not use one of them
#: ignores it with a warning instead of refusing the request.
COMMON_WORDS: Mapping[str, str] = {
    "prompt": "what the image shows",
    "negative_prompt": "what the image must not show",
    "width": "width of the image in pixels",
    "height": "height of the image in pixels",
    "steps": "denoising steps",
    "cfg_scale": "how strictly the image follows the prompt (classifier-free guidance)",
    "sampler": "the method that takes the denoising steps",
    "seed": "start of the random numbers; the same seed gives the same image",
    "num_images": "how many images, with seeds `seed`, `seed + 1`, …",
    "strength": "image to image: how much of the initial image is redrawn",
    "init_image": "image to image: the initial image",
    "mask_image": "inpainting: what of the initial image is redrawn",
    "clip_skip": "how many of the text encoder's last layers are skipped",
    "loras": "LoRA adapters with their weights",
}


def _json_integer(value: Any) -> Any:
    """JSON Schema's integer: `512` and `512.0`, but neither `"512"` nor `true`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _json_number(value: Any) -> Any:
    """JSON Schema's number: integers too, but neither strings nor booleans."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= MAX_SEED else value
    return value


#: An integer with exactly JSON Schema's meaning. pydantic's lax mode takes `"512"` and `true`,
#: its strict mode refuses `512.0`; the published schema says the opposite on both.
Integer = Annotated[int, BeforeValidator(_json_integer), Field(strict=True)]

#: A seed. Its bounds stand before the validator: after it, pydantic leaves them out of the schema
#: of `Seed | None`.
Seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED), BeforeValidator(_json_integer)]

#: How strongly a LoRA acts. Its bounds stand before the validator, like a seed's.
LoraWeight = Annotated[
    float, Field(strict=True, ge=-2, le=2, allow_inf_nan=False), BeforeValidator(_json_number)
]

#: How strongly a LoRA's trigger words act.
TriggerWeight = Annotated[
    float, Field(strict=True, ge=0, le=2, allow_inf_nan=False), BeforeValidator(_json_number)
]

#: A finite number with exactly JSON Schema's meaning.
Number = Annotated[float, BeforeValidator(_json_number), Field(strict=True, allow_inf_nan=False)]


class ImageParams(BaseModel):
    """What the request of every model family has, whatever it makes images of.

    A subclass *is* the published JSON Schema, the validation and the documentation of its
    family: give each field a default, bounds and a description. Use `Integer` and `Number` for
    numbers so that the schema and the validation agree. Most families begin with words and derive
    from `GenerationParams`; those whose images get their size from a given one derive from this.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prompt: str = Field(
        min_length=1, max_length=MAX_PROMPT, description="What the image shows, in words."
    )
    seed: Seed | None = Field(
        None, description="Start of the random numbers; null draws one. Image i uses seed + i."
    )
    num_images: Integer = Field(1, ge=1, le=10, description="How many images to make.")

    #: The words whose values name images: one `ImageSource`, None, or a list of them.
    image_words: ClassVar[tuple[str, ...]] = ()

    #: The last of them, where it names a mask of the first: what is white is redrawn.
    mask_word: ClassVar[str | None] = None

    #: Which images these may be; say so in the fields' descriptions too.
    image_limits: ClassVar[ImageLimits] = ImageLimits()

    @property
    def text(self) -> str:
        """The prompt as the model's text encoders are to read it."""
        return self.prompt

    @property
    def image_sources(self) -> tuple[str, ...]:
        """The images that the request names, in the order of `image_words`."""
        values = [getattr(self, word) for word in self.image_words]
        return tuple(name for value in values for name in _names(value))

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height in pixels of the images to make; None: the given image decides."""
        return None

    @property
    def work(self) -> int | None:
        """Steps times pixels of all images, None where the given image decides."""
        return None

    @property
    def enlargement(self) -> int:
        """How many times as wide and as high as the given image the result is; 1 where the given
        image does not decide."""
        return 1


class GenerationParams(ImageParams):
    """Requests of families that make images of a chosen size from words; they subclass it and add
    their own words."""

    width: Integer = Field(1024, ge=64, le=2048, multiple_of=16, description="Width in pixels.")
    height: Integer = Field(1024, ge=64, le=2048, multiple_of=16, description="Height in pixels.")
    steps: Integer = Field(20, ge=1, le=150, description="Denoising steps.")

    @property
    def image_size(self) -> tuple[int, int]:
        """See `ImageParams`."""
        return self.width, self.height

    @property
    def work(self) -> int:
        """See `ImageParams`."""
        return self.steps * self.width * self.height * self.num_images


class ImageToImageParams(GenerationParams):
    """Requests of families that can also begin with an image.

    The image is turned upright as its EXIF says, transparency becomes white, and it is scaled to
    cover `width` × `height` and cut to them around its centre (Lanczos).
    """

    image_words: ClassVar[tuple[str, ...]] = ("init_image",)

    init_image: ImageSource | None = Field(
        None,
        description="Image to image: the initial image, as a data URI (PNG, JPEG or WebP) or the "
        "file name of an image of the gallery. It is cut to `width` × `height`.",
    )
    strength: Number = Field(
        0.6,
        ge=0.01,
        le=1,
        description="Image to image: how much of the initial image is redrawn; about this share of "
        "the steps is run. With `init_image`, `steps` times `strength` must be at least 1. "
        "1 keeps nothing of the image.",
    )

    @model_validator(mode="after")
    def _runs_a_step(self) -> Self:
        # Some pipelines of diffusers round down, and fail where no step is left.
        if self.init_image is not None and int(self.steps * self.strength) < 1:
            error = PydanticCustomError(
                "too_few_steps",
                "with `init_image`, `steps` times `strength` must be at least 1: raise one of them",
            )
            problem = InitErrorDetails(type=error, loc=("strength",), input=self.strength)
            raise ValidationError.from_exception_data(type(self).__name__, [problem])
        return self


class LoraRef(BaseModel):
    """One LoRA of a request, and in recipes and snapshots what became of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(
        min_length=1, max_length=200, description="Which LoRA: its id, as `/api/info` lists it."
    )
    weight: LoraWeight | None = Field(
        None,
        description="How strongly it acts, from −2 to 2; null: as recommended for this LoRA, else "
        "1. Negative weights push away from what it was trained on.",
    )
    trigger_weight: TriggerWeight | None = Field(
        None,
        description="How strongly its trigger words act where the prompt lacks them, from 0 (they "
        "are not added) to 2; 1: like plain words; null: as recommended for this LoRA, else 0.5.",
    )
    matched: Integer | None = Field(
        None,
        description="In answers: how many of its modules were applied. Ignored in requests.",
        json_schema_extra={"readOnly": True},
    )
    total: Integer | None = Field(
        None,
        description="In answers: how many modules it has. Ignored in requests.",
        json_schema_extra={"readOnly": True},
    )
    text_encoder: bool | None = Field(
        None,
        description="In answers: whether it changed a text encoder too. Ignored in requests.",
        json_schema_extra={"readOnly": True},
    )
    name: str | None = Field(
        None,
        description="In answers: its file's name without the end, which `<lora:…>` of other tools "
        "takes. Ignored in requests.",
        json_schema_extra={"readOnly": True},
    )
    autov3: str | None = Field(
        None,
        description="In answers: the hash of its tensors, SHA256 of all behind the file's header. "
        "Ignored in requests.",
        json_schema_extra={"readOnly": True},
    )


class LoraParams(GenerationParams):
    """Requests of families whose models take LoRAs."""

    loras: list[LoraRef] = Field(
        default=[],
        description="LoRAs to apply, each at most once. Ids: `/api/info` or `/api/loras`.",
    )
    encoded_prompt: str | None = Field(
        None,
        max_length=MAX_ENCODED_PROMPT,
        description="In answers: the prompt as it was encoded, with the LoRAs' trigger words. "
        "Ignored in requests.",
        json_schema_extra={"readOnly": True},
    )

    @property
    def text(self) -> str:
        """See `GenerationParams`."""
        return self.prompt if self.encoded_prompt is None else self.encoded_prompt


#: The parameters' class of one family (covariant: tasks are read, never changed).
Params_co = TypeVar("Params_co", bound=ImageParams, covariant=True)
AnyParams = TypeVar("AnyParams", bound=ImageParams)


def _names(value: str | list[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def draw_seed() -> int:
    """A random seed of 32 bits, the size that other tools show and accept."""
    return secrets.randbelow(2**32)


@dataclass(frozen=True, slots=True)
class Task(Generic[Params_co]):
    """A complete order for images, with nothing left to default.

    `indices` are the images still to make: after a lost worker only the missing ones are. `inputs`
    are the files of the images that the parameters name, in the order of their `image_sources`;
    `lora_files` those of its LoRAs, in the order of `params.loras`.
    """

    job_id: str
    model: str
    family: str
    params: Params_co
    indices: tuple[int, ...]
    inputs: tuple[Path, ...] = ()
    lora_files: tuple[Path, ...] = ()

    @property
    def loras(self) -> tuple[LoraRef, ...]:
        """Its LoRAs, weights filled in."""
        return lora_refs(self.params)

    def seed(self, index: int) -> int:
        """The seed of image `index`. The largest seed is followed by 0, so that the recipe of every
        image is a valid request."""
        if self.params.seed is None:
            raise ValueError("a task's seed is drawn when its job is submitted")
        return (self.params.seed + index) % (MAX_SEED + 1)

    def with_lora_reports(self, reports: Iterable[Mapping[str, Any]]) -> Task[Params_co]:
        """The task with what became of each of its LoRAs: `matched`, `total`, `text_encoder`."""
        pairs = zip(self.loras, reports, strict=True)
        loras = [ref.model_copy(update=dict(report)) for ref, report in pairs]
        return replace(self, params=self.params.model_copy(update={"loras": loras}))

    def to_wire(self) -> dict[str, Any]:
        """The task as JSON-compatible data."""
        return {
            "job_id": self.job_id,
            "model": self.model,
            "family": self.family,
            "params": self.params.model_dump(mode="json"),
            "indices": list(self.indices),
            "inputs": [str(path) for path in self.inputs],
            "lora_files": [str(path) for path in self.lora_files],
        }

    @staticmethod
    def from_wire(data: Mapping[str, Any], params: type[AnyParams]) -> Task[AnyParams]:
        """Read a task, its parameters validated by the family's own class.

        Raises:
            pydantic.ValidationError: the parameters are not the family's.
        """
        return Task(
            job_id=data["job_id"],
            model=data["model"],
            family=data["family"],
            params=params.model_validate(data["params"]),
            indices=tuple(data["indices"]),
            inputs=tuple(Path(path) for path in data.get("inputs", ())),
            lora_files=tuple(Path(path) for path in data.get("lora_files", ())),
        )


def lora_refs(params: ImageParams) -> tuple[LoraRef, ...]:
    """The LoRAs of any family's parameters."""
    return tuple(params.loras) if isinstance(params, LoraParams) else ()


def recipe(task: Task[ImageParams], index: int) -> dict[str, Any]:
    """What makes image `index` of a task again, alone: every parameter, its own seed, the model."""
    return {
        **task.params.model_dump(mode="json"),
        "model": task.model,
        "seed": task.seed(index),
        "num_images": 1,
    }
