"""Small LoRA files, two families that know them, and a registry that is started."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from server.database import Database
from server.generation import GenerationParams
from server.lora_names import LoraNames, recognize
from server.loras.registry import LoraRegistry
from server.plugins.types import LoraSupport, ModelFamily

#: How wide the layers of the two families are.
WIDTHS = {"oak": 8, "elm": 12}


def lora(
    path: Path,
    *,
    width: int = WIDTHS["oak"],
    seed: int = 0,
    rank: int = 2,
    metadata: Mapping[str, str] | None = None,
    names: tuple[str, ...] = ("down.weight", "up.weight"),
    layer: str = "lora_unet_blocks_0_to_q.lora_",
) -> Path:
    """Write a LoRA of one module; its numbers are the seed's."""
    draw = np.random.default_rng(seed)
    shapes = {"down.weight": (rank, width), "up.weight": (width, rank), "mid.weight": (rank, rank)}
    tensors = {
        f"{layer}{name}": draw.normal(size=shapes.get(name, ())).astype(np.float32)
        for name in names
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    save_file(tensors, temporary, metadata=dict(metadata or {}))
    return settle(temporary).replace(path)


def settle(path: Path) -> Path:
    """As if the file had been written a while ago: one that was written just now may not be
    whole."""
    moment = path.stat().st_mtime_ns - 10_000_000_000
    os.utime(path, ns=(moment, moment))
    return path


def sidecar(path: Path, ending: str, content: Any) -> Path:
    """Write a JSON file beside a LoRA."""
    beside = path.with_name(path.stem + ending)
    beside.write_text(json.dumps(content))
    return beside


def family(
    name: str,
    *,
    base: str = "",
    width: int | None = None,
    width_of: Callable[[Mapping[str, tuple[int, ...]]], int | None] | None = None,
    **support: Any,
) -> ModelFamily:
    """A family whose only layers are `blocks.{}.to_q`, of one width. `width_of` is what it says of
    the width of a published model."""
    wide = WIDTHS[name] if width is None else width
    names = LoraNames(own=("blocks.{}.to_q",), text_encoders={"te1": "text_encoder"})

    def recognizes(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> bool:
        found = recognize(names, shapes)
        sizes = set() if found is None else set().union(*found.sizes.values())
        return found is not None and {rows for rows, _ in sizes} <= {wide}

    given: dict[str, Any] = {"recognizes_lora": recognizes, "width": width_of, **support}
    return ModelFamily(
        name=name,
        title=name.capitalize(),
        params=GenerationParams,
        load="nowhere:load",
        cards=(),
        loras=LoraSupport(names=names, base_models=(base or name,), **given),
    )


def families(*some: ModelFamily) -> dict[str, ModelFamily]:
    """By name; without any, both."""
    return {item.name: item for item in some or (family("oak"), family("elm"))}


@asynccontextmanager
async def registry(
    data: Path, *some: ModelFamily, watch: bool = False, **options: Any
) -> AsyncIterator[LoraRegistry]:
    """A registry of the folder `loras` below `data`, started and looked through."""
    (data / "loras").mkdir(parents=True, exist_ok=True)
    database = Database(data / "darkroom.db")
    found = LoraRegistry(database, data / "loras", families(*some), **options)
    await found.start(watch=watch)
    try:
        await found.rescan()
        yield found
    finally:
        await found.stop()
        database.close()
