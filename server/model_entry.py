"""A model as the configuration names it: one `[[models]]` table of `darkroom.toml`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.quantization import Quantization

#: `server.worker.offload` says what the modes are.
Offload = Literal["auto", "none", "model", "group", "sequential"]


class ModelEntry(BaseModel):
    """A new model, or with the id of one that there is, other words for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$",
        description="The model's name in requests; that of a model that there is changes that one.",
    )
    like: str | None = Field(
        None, description="A model whose parameters and defaults a new one takes over."
    )
    family: str | None = Field(
        None, description="The family of a new model; unset: that of the model `like` names."
    )
    source: str | None = Field(
        None,
        description="Where the weights are: a folder or file (relative to this file), a repository "
        "`org/name[@revision]`, a civitai URN, id or URL, or an https URL.",
    )
    title: str | None = Field(None, description="The model's name for people.")
    description: str | None = Field(None, description="A sentence for people choosing a model.")
    license: str | None = Field(None, description="Its licence.")
    aliases: tuple[str, ...] = Field((), description="More names that requests may use.")
    defaults: dict[str, Any] = Field(
        default_factory=dict, description="Parameters that differ from the family's defaults."
    )
    components: dict[str, str] = Field(
        default_factory=dict,
        description="Parts that come from elsewhere, as `vae`, `text_encoder`: sources like "
        "`source`.",
    )
    config: str | None = Field(
        None,
        description="Where `source` is a single file: a folder or repository in diffusers' layout "
        "with the rest; unset: the source of the model it is like, or of its family's first.",
    )
    dtype: Literal["bfloat16", "float16", "float32"] | None = Field(
        None, description="Floating-point type of the weights; unset: what suits the device."
    )
    variant: str | None = Field(
        None, description="Which files of a folder or repository to take: `fp16`, say."
    )
    quantization: Quantization | None = Field(
        None, description="Hold the large parts in fewer bits; unset: as `dtype` says."
    )
    offload: Offload | None = Field(
        None, description="Where the weights stay while images are made; unset: as the setting."
    )

    def given(self) -> dict[str, Any]:
        """What was set besides `id`, `like` and `family`."""
        words = self.model_fields_set - {"id", "like", "family"}
        return {word: getattr(self, word) for word in sorted(words)}
