"""A model as the configuration names it: one `[[models]]` table of `darkroom.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.quantization import Quantization, misfit

#: `server.worker.offload` says what the modes are.
Offload = Literal["auto", "none", "model", "group", "sequential"]

#: A file's name, alone or in one folder; in a repository of the hub it would have two before it.
_OWN_FILE = re.compile(r"([^/:]+/)?[^/:]+\.(safetensors|gguf|ckpt)", re.IGNORECASE)


def is_own_file(source: str) -> bool:
    """Whether a source without `./` can only be a file of this machine, there or not."""
    return _OWN_FILE.fullmatch(source) is not None


def is_local(source: str, base: Path) -> bool:
    """Whether a source means a folder or file of this machine, relative ones below `base`."""
    if source.startswith((".", "~", "/")) or is_own_file(source):
        return True
    try:
        return (base / source).exists()
    except OSError:  # it is longer than any file's name
        return False


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


def faults_of(entries: Sequence[ModelEntry], offload: Offload, device: str) -> Iterator[str]:
    """What is wrong with the entries among each other and for this machine, in sentences.

    Args:
        entries: those of the configuration, in its order.
        offload: the setting.
        device: the setting.
    """
    ids = {entry.id for entry in entries}
    before: set[str] = set()
    for entry in entries:
        where = f"[[models]] {entry.id}:"
        if entry.id in before:
            yield f"{where} another entry has this id; change one, or make one of the two."
        before.add(entry.id)
        if entry.like in ids - before:
            yield f"{where} `like`: the entry `{entry.like}` must come before this one."
        reason = misfit(
            entry.source or "",
            entry.quantization,
            offload=entry.offload or offload,
            device=device,
        )
        if reason is not None:
            yield f"{where} {reason}"
