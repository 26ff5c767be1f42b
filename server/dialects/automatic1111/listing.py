"""The words of AUTOMATIC1111's API for what there is: models, samplers, LoRAs, settings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.dialects.automatic1111.protocol import Request


class SdModel(BaseModel):
    """A model."""

    model_config = ConfigDict(protected_namespaces=())

    title: str = Field(
        description="Its name in `sd_model_checkpoint`.", examples=["Embedded model [tiny]"]
    )
    model_name: str = Field(description="Its id, which does as well.", examples=["tiny"])
    hash: str | None = None
    sha256: str | None = None
    filename: str = Field(
        description="Its id again; no place on the server's disk.", examples=["tiny"]
    )
    config: str | None = None


class SamplerItem(BaseModel):
    """A sampler that some model has."""

    name: str = Field(examples=["Euler a"])
    aliases: list[str] = Field(description="What our own API calls it.", examples=[["euler_a"]])
    options: dict[str, Any] = Field(examples=[{}])


class SchedulerItem(BaseModel):
    """Noise levels that some sampler can have."""

    name: str = Field(examples=["karras"])
    label: str = Field(examples=["Karras"])
    aliases: list[str] | None = None
    default_rho: float = -1
    need_inner_model: bool = False


class UpscalerItem(BaseModel):
    """An upscaler."""

    model_config = ConfigDict(protected_namespaces=())

    name: str = Field(description="Its name in `upscaler_1`.", examples=["Lanczos"])
    model_name: str | None = None
    model_path: str | None = None
    model_url: str | None = None
    scale: float | None = None


class LoraItem(BaseModel):
    """A LoRA that some model can use."""

    name: str = Field(description="What `<lora:NAME:WEIGHT>` takes.", examples=["inkwash"])
    alias: str = Field(description="What people call it.", examples=["Ink wash"])
    path: str = Field(
        description="Its file, relative to the folder of LoRAs.", examples=["inkwash.safetensors"]
    )
    metadata: dict[str, Any] = Field(
        description="What is known of it, under trainers' names.",
        examples=[{"ss_output_name": "inkwash", "ss_network_dim": 8}],
    )


class NamedItem(BaseModel):
    """Something with a name."""

    model_config = ConfigDict(extra="allow")

    name: str


class Scripts(BaseModel):
    """There are none."""

    txt2img: list[str]
    img2img: list[str]


class Embeddings(BaseModel):
    """There are none."""

    loaded: dict[str, Any]
    skipped: dict[str, Any]


class MemoryUse(BaseModel):
    """Bytes of memory."""

    ram: dict[str, Any] = Field(
        description="`free`, `used` and `total` of the machine.", examples=[{}]
    )
    cuda: dict[str, Any] = Field(
        description="`error`: this process does not hold the device.",
        examples=[{"error": "unavailable"}],
    )


class Flags(BaseModel):
    """How the server was started, as far as clients ask."""

    model_config = ConfigDict(extra="allow")

    api: bool = True


class Options(BaseModel):
    """The settings."""

    model_config = ConfigDict(extra="allow")

    sd_model_checkpoint: str = Field(
        description="The title of the model in use.", examples=["Embedded model [tiny]"]
    )
    sd_checkpoint_hash: str | None = None
    sd_vae: str = "Automatic"
    CLIP_stop_at_last_layers: int = 1
    samples_format: str = "png"
    enable_pnginfo: bool = True
    return_grid: bool = False
    live_previews_enable: bool = True
    live_previews_image_format: str = "jpeg"
    show_progress_every_n_steps: int = 1


class OptionChanges(Request):
    """Settings to change; all may be sent back."""

    sd_model_checkpoint: str = Field(
        "",
        description="The model of requests that name none: a title of `/sdapi/v1/sd-models`, or "
        "any name of a model. The only setting that has an effect.",
        examples=[""],
    )
