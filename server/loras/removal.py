"""Removes the files of a LoRA."""

from __future__ import annotations

from pathlib import Path

from server.lora_errors import LoraBundled, LoraNotRemoved
from server.loras.assembly import Copy, Lora
from server.loras.scanner import WEIGHTS
from server.loras.sidecars import ending_of
from server.loras.store import Key
from server.sources.formats import suffix


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
        try:
            # The weights last: what is left of an attempt that failed can be tried again.
            for path in (*_beside(copy), copy.path):
                path.unlink(missing_ok=True)
        except FileNotFoundError:  # not even the folder is there
            continue
        except OSError as error:
            raise LoraNotRemoved(
                f"{Path(error.filename or copy.path).name} cannot be removed: "
                f"{error.strerror or error}. Mend the permissions of the folder of LoRAs, then "
                "try again."
            ) from error
    return [copy.stored.key for copy in own]


def _beside(copy: Copy) -> list[Path]:
    """The files beside one, but for those that are about another file of weights too.

    Raises:
        OSError
    """
    own = copy.path.stem
    others = [path for path in copy.path.parent.iterdir() if path != copy.path]
    stems = {path.stem for path in others if suffix(path.name) in WEIGHTS}
    if own in stems:
        return []
    stems.add(own)
    endings = (ending for ending in copy.sidecars if ending_of(own + ending, stems) == ending)
    return [copy.path.with_name(own + ending) for ending in endings]
