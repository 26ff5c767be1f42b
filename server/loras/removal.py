"""Removes the files of a LoRA."""

from __future__ import annotations

from pathlib import Path

from server.lora_errors import LoraBundled, LoraNotRemoved
from server.loras.assembly import Copy, Lora
from server.loras.scanner import WEIGHTS
from server.loras.store import Key


def remove_files(lora: Lora) -> list[Key]:
    """Remove the user's files of a LoRA, all copies, and those beside them. Blocks.

    Returns:
        Where the files were.

    Raises:
        LoraBundled: it came with a model family, and the user has no copy.
        LoraNotRemoved: a file cannot be removed; those before it are gone.
    """
    own = [copy for copy in lora.copies if not copy.folder.bundled]
    if not own:
        raise LoraBundled(
            f"{lora.record.id} came with the model family `{lora.copies[0].folder.key}`; its file "
            "stays. Leave it out of requests."
        )
    for copy in own:
        # The weights last: what is left of an attempt that failed can be tried again.
        for path in (*_beside(copy), copy.path):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise LoraNotRemoved(
                    f"{path.name} cannot be removed: {error.strerror or error}. Mend the "
                    "permissions of the folder of LoRAs, then try again."
                ) from error
    return [copy.stored.key for copy in own]


def _beside(copy: Copy) -> list[Path]:
    """The files beside one, unless they belong to another file of weights too."""
    others = (copy.path.with_suffix(end) for end in WEIGHTS if end != copy.path.suffix)
    if any(path.exists() for path in others):
        return []
    return [copy.path.with_name(copy.path.stem + ending) for ending in copy.sidecars]
