"""Puts a LoRA into the folder of LoRAs, with what is known of it in files beside it.

Whoever watches the folder sees a whole file or none, and never without what stands beside it: that
is written first; `server.loras.sidecars` says what the files are.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.loras.previews import Preview
from server.storage import move_new, write_new

#: Bytes of a name without its end that leave room for a distinction, the ends of those beside it,
#: and their names while they are written.
_LONGEST_STEM = 180

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
        found = {
            end: json.dumps(told, indent=2, ensure_ascii=False).encode("utf-8", "replace")
            for end, told in self.texts.items()
        }
        found |= {end: path.read_bytes() for end, path in self.copies.items()}
        if self.preview is not None:
            found[self.preview.end] = self.preview.data
        return found


def place(source: Path, folder: Path, name: str, distinction: str, beside: Beside) -> Path:
    """Move a checked file into the folder of LoRAs. Blocks.

    Files that are there stay as they are, whatever else brings LoRAs at the same time.

    Args:
        source: the file, on the disk of the folder.
        folder: the folder of LoRAs.
        name: what its source calls it.
        distinction: is put to the name when there is another file of that name, or one beside it.
        beside: what stands beside it.

    Returns:
        Where it is.

    Raises:
        OSError: it cannot be written; nothing is left of it then.
    """
    contents = beside.contents()
    # It is whole: nobody need wait to see whether more is written to it.
    os.utime(source, (moment := time.time() - _AGE, moment))
    for target in _free(folder, name, distinction):
        try:
            _place(source, target, contents)
        except FileExistsError:
            continue  # somebody was quicker
        return target
    raise FileExistsError(f"{folder} has too many files named {safe_stem(name)}.")


def _place(source: Path, target: Path, contents: Mapping[str, bytes]) -> None:
    """Move a file to where none is, and write those beside it; all or nothing."""
    written: list[Path] = []
    try:
        for end, content in contents.items():
            path = target.with_name(target.stem + end)
            write_new(path, content)
            written.append(path)
        move_new(source, target)
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _free(folder: Path, name: str, distinction: str) -> Iterator[Path]:
    """Paths in the folder for a file with which nothing can be mixed up: neither files with the
    same name and another end, nor those beside `x.y` with those of `x`."""
    stem = safe_stem(name)
    taken = [path.name.casefold() for path in folder.iterdir()]
    for ending in ("", f"_{distinction}", *(f"_{distinction}_{n}" for n in range(2, 1000))):
        beginning = f"{stem}{ending}.".casefold()
        if not any(other.startswith(beginning) for other in taken):
            yield folder / f"{stem}{ending}.safetensors"


def safe_stem(name: str) -> str:
    """A file's name without its end, as every system takes it and people still know it."""
    stem = _UNFIT.sub("_", name.removesuffix(".safetensors"))
    stem = stem.encode("utf-8", "replace")[:_LONGEST_STEM].decode("utf-8", "ignore")
    return stem.strip(" .") or "lora"
