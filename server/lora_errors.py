"""What can be wrong with a LoRA: branches of the tree in `server.errors`.

NotFound
└── LoraNotFound                   lora_not_found
JobFailure
├── LoraIncompatible               lora_incompatible
└── LoraMissing                    lora_missing
"""

from __future__ import annotations

from server.errors import JobFailure, NotFound


class LoraNotFound(NotFound):
    """No LoRA has this id or name."""

    code = "lora_not_found"
    title = "LoRA not found"


class LoraIncompatible(JobFailure):
    """The LoRA does not fit the loaded model, or in a way that cannot be applied to it; the
    message counts what fits."""

    code = "lora_incompatible"
    title = "The LoRA does not fit the model"


class LoraMissing(JobFailure):
    """The LoRA was there when the job was submitted, and its file is gone now."""

    code = "lora_missing"
    title = "The LoRA's file is gone"
