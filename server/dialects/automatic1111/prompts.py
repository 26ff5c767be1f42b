"""`<lora:NAME:WEIGHT>` in prompts: out of the text, into our list of LoRAs.

A tag may have a weight for the text encoders, then one for the denoiser, by position or as `te=`
and `unet=`. A LoRA has one weight here: the denoiser's counts, which most LoRAs change alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from server.errors import InvalidParameters
from server.lora_tags import LoraTag, take_out
from server.wording import shortened

#: The weights that our models take.
LEAST, MOST = -2.0, 2.0

#: Where a tag says none.
WEIGHT = 1.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt without tags, the LoRAs that they named, and sentences about what was changed."""

    text: str
    loras: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


def read(prompt: str) -> Prompt:
    """Take the LoRAs out of a prompt.

    Raises:
        InvalidParameters: a weight is no number.
    """
    text, tags = take_out(prompt)
    loras: list[dict[str, Any]] = []
    notes: list[str] = []
    for tag in tags:
        weight = _weight(tag, notes)
        bent = min(max(weight, LEAST), MOST)
        if bent != weight:
            notes.append(f"The weight of {shortened(str(tag))} was changed to {bent:g}.")
        loras.append({"id": tag.name, "weight": bent})
    return Prompt(text, loras, tuple(notes))


def _weight(tag: LoraTag, notes: list[str]) -> float:
    parts = [part.rpartition("=") for part in tag.numbers]
    named = {name.strip(): value for name, sign, value in parts if sign}
    placed = [value for _, sign, value in parts if not sign]
    encoder = _number(tag, named.get("te", placed[0] if placed else str(WEIGHT)))
    placed_unet = placed[1] if len(placed) > 1 else str(encoder)
    denoiser = _number(tag, named.get("unet", placed_unet))
    if denoiser != encoder:
        notes.append(f"Of {shortened(str(tag))} the weight {denoiser:g} counts, for all of it.")
    return denoiser


def _number(tag: LoraTag, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if math.isnan(number):
        problem = {
            "loc": ["body", "prompt"],
            "msg": f"{shortened(str(tag))}: the weight must be a number, <lora:NAME:0.8> say",
            "type": "lora_tag",
        }
        raise InvalidParameters([problem])
    return number
