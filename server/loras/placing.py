"""Puts a LoRA into the folder of LoRAs, with what is known of it in files beside it.

Whoever watches the folder sees a whole file or none, and never without what stands beside it: that
is written first; `server.loras.sidecars` says what the files are.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.loras.previews import Preview

#: Bytes of a name without its end that leave room for the ends of those beside it.
_LONGEST_STEM = 200

#: Seconds by which a file that was put in place looks older than it is.
_AGE = 2.0

_UNFIT = re.compile(r'[^\w.()\[\]+ -]|[<>:"/\\|?*\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a file, by the end of its name.

    Attributes:
        texts: JSON objects.
        preview: a picture.
        copies: files of this machine.
    """

    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preview: Preview | None = None
    copies: Mapping[str, Path] = field(default_factory=dict)

    def contents(self) -> dict[str, bytes]:
        """The bytes of each. Blocks."""
        found = {end: path.read_bytes() for end, path in self.copies.items()}
        for end, told in self.texts.items():
            found[end] = json.dumps(told, indent=2, ensure_ascii=False).encode("utf-8", "replace")
        if self.preview is not None:
            found[self.preview.end] = self.preview.data
        return found


def place(source: Path, folder: Path, name: str, distinction: str, beside: Beside) -> Path:
    """Move a checked file into the folder of LoRAs. Blocks.

    Args:
        source: the file, on the disk of the folder.
        folder: the folder of LoRAs.
        name: what its source calls it.
        distinction: is put to the name when there is another file of that name.
        beside: what stands beside it.

    Returns:
        Where it is.

    Raises:
        OSError: it cannot be written; nothing is left of it then.
    """
    target = _free(folder, name, distinction)
    written: list[Path] = []
    try:
        for end, content in beside.contents().items():
            written.append(target.with_name(target.stem + end))
            _write(written[-1], content)
        # It is whole: nobody need wait to see whether more is written to it.
        os.utime(source, (moment := time.time() - _AGE, moment))
        source.replace(target)
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return target


def _free(folder: Path, name: str, distinction: str) -> Path:
    """A path in the folder that no file has."""
    stem = safe_stem(name)
    for ending in ("", f"_{distinction}", *(f"_{distinction}_{n}" for n in range(2, 1000))):
        path = folder / f"{stem}{ending}.safetensors"
        if not path.exists():
            return path
    raise FileExistsError(f"{folder} has too many files named {stem}.")


def safe_stem(name: str) -> str:
    """A file's name without its end, as every system takes it and people still know it."""
    stem = _UNFIT.sub("_", name.removesuffix(".safetensors"))
    stem = stem.encode("utf-8", "replace")[:_LONGEST_STEM].decode("utf-8", "ignore")
    return stem.strip(" .") or "lora"


def _write(path: Path, content: bytes) -> None:
    """Write durably, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
