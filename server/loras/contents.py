"""Whether a safetensors file is a LoRA, and its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from server import lora_tensors, safetensors_header
from server.lora_tensors import LoraTensors, NetworkType
from server.loras.examination import LONGEST_HEADER
from server.loras.recognition import kind_of
from server.source_errors import NotALora, NotAWeightsFile
from server.sources.formats import HEAD, check_beginning


def check_is_lora(path: Path, name: str) -> str:
    """See that a file is a LoRA of any kind, whether or not one that can be applied. Blocks.

    Args:
        path: the file.
        name: what to call it in messages.

    Returns:
        The SHA-256 of the file, in lower case.

    Raises:
        NotAWeightsFile: it has no header of a safetensors file, one that is too long, or not all
            that it tells.
        NotALora: it is another thing.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        check_beginning(name, stream.read(HEAD), LONGEST_HEADER)
    try:
        header = safetensors_header.read(path, LONGEST_HEADER)
        whole = header.told_size == path.stat().st_size
    except ValueError:
        whole = False
    if not whole:
        raise NotAWeightsFile(f"{name} is no safetensors file, or not all of one. Name another.")
    shapes = {key: entry.shape for key, entry in header.tensors.items()}
    if not _is_lora(lora_tensors.read(shapes), len(shapes)):
        raise NotALora(f"{name} is no LoRA but {kind_of(shapes)}. Name a LoRA's file.")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_lora(found: LoraTensors, count: int) -> bool:
    """Whether most tensors play a LoRA's roles, and not single ones that have such names."""
    networks = {module.network for module in found.modules} - {NetworkType.INCOMPLETE}
    return bool(networks) and len(found.strange) * 2 < count
