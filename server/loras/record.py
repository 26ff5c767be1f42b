"""A LoRA as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class LoraRecord:
    """One LoRA file, with the most trusted of what is known of it. Absent things are None.

    Attributes:
        id: `civitai_{version}` or `local_{first 12 digits of AutoV3}`.
        path: its file on this machine.
        filename: the path relative to the folder of LoRAs, with `/`.
        aliases: other names that requests may use: its file name with and without its end, the
            same with its folders, those of its copies, and other ids that it has or had.
        name: what people call it; the user may change it.
        title: what its source calls it, with the version.
        trigger_words: phrases that its training tied to it, in order.
        weight: the recommended weight, −2 to 2.
        trigger_weight: the recommended weight of the trigger words, 0 to 2.
        base_model: what its source says it was trained on, in its own words.
        family: the family that recognised it; None when it is unsupported.
        unsupported: why no model can use it, a sentence; None when one can.
        network_type: one of `server.lora_tensors.NetworkType`, or None: no LoRA at all.
        rank, alpha: of its matrices.
        width: of the published denoiser that it is for, where models of its family differ in it;
            see `ModelCard.lora_width`.
        sha256: of the whole file; 64 hexadecimal digits in lower case, like the following.
        autov1, autov2, autov3: the shorter hashes by which civitai and other tools know files: 8,
            10 and 64 digits. AutoV1 is None for files below 1 MiB.
        size: bytes of the file.
        model_id, version_id: civitai's numbers.
        license: civitai's licence flags (`allowNoCredit`, `allowCommercialUse`, …).
        nsfw_level: civitai's number.
        preview: an image of it on this machine.
        source: where it came from: a reference, or an address.
        example_prompts: prompts of its source's pictures.
        notes: the user's own.
        bundled: it came with a model family.
    """

    id: str
    path: Path
    aliases: tuple[str, ...]
    name: str
    title: str
    sha256: str
    autov2: str
    autov3: str
    size: int
    filename: str = ""
    autov1: str | None = None
    trigger_words: tuple[str, ...] = ()
    weight: float | None = None
    trigger_weight: float | None = None
    base_model: str | None = None
    family: str | None = None
    unsupported: str | None = None
    network_type: str | None = None
    rank: int | None = None
    alpha: float | None = None
    width: int | None = None
    model_id: int | None = None
    version_id: int | None = None
    license: Mapping[str, Any] = field(default_factory=dict)
    nsfw_level: int | None = None
    preview: Path | None = None
    source: str | None = None
    example_prompts: tuple[str, ...] = ()
    notes: str = ""
    bundled: bool = False
