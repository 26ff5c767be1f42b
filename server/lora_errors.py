"""What can be wrong with a LoRA: branches of the tree in `server.errors`.

RequestError
├── NotFound                  404
│   ├── LoraNotFound               lora_not_found
│   └── LoraPreviewNotFound        lora_preview_not_found
└── LoraBundled               409  lora_bundled
LoraNotRemoved                500  lora_not_removed
JobFailure
├── LoraIncompatible               lora_incompatible
└── LoraMissing                    lora_missing
"""

from __future__ import annotations

from server.errors import DarkroomError, JobFailure, NotFound, RequestError


class LoraNotFound(NotFound):
    """No LoRA has this id or name."""

    code = "lora_not_found"
    title = "LoRA not found"


class LoraPreviewNotFound(NotFound):
    """No picture of the LoRA lies beside its file."""

    code = "lora_preview_not_found"
    title = "No picture of the LoRA"


class LoraBundled(RequestError):
    """The LoRA came with a model family, and its file stays."""

    code = "lora_bundled"
    status = 409
    title = "The LoRA came with a model family"


class LoraNotRemoved(DarkroomError):
    """A file of the LoRA cannot be removed; the message says why."""

    code = "lora_not_removed"
    title = "The LoRA was not removed"


class LoraIncompatible(JobFailure):
    """The LoRA does not fit the loaded model, or in a way that cannot be applied to it; the
    message counts what fits."""

    code = "lora_incompatible"
    title = "The LoRA does not fit the model"


class LoraMissing(JobFailure):
    """The LoRA was there when the job was submitted, and its file is gone now."""

    code = "lora_missing"
    title = "The LoRA's file is gone"
