"""The bytes of a model's components, from the headers of their files; nothing is loaded."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from server import quantization, safetensors_header

#: The component that makes pixels of latents.
VAE = "vae"

#: Names of the component that is run at each step.
DENOISERS = ("transformer", "unet")

#: The component that is streamed block by block. A UNet's few blocks are nearly all of it: like
#: everything else it is streamed layer by layer.
IN_BLOCKS = "transformer"

#: Bytes per number of torch's types.
DTYPES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

#: Bytes per number of quantized matrices; `nf4` has a scale in float32 for each 64 numbers.
QUANTIZED = {"nf4": 0.5625, "int8": 1.0, "int8-torchao": 1.0, "fp8": 1.0}

#: Numbers from which on an encoder is quantized, and words in the names of tables of tokens.
_LARGE = 10**9
_TABLES = ("embed", "shared")

#: Where the parts of a whole checkpoint begin in one file: the key prefix and the component.
_PREFIXES = {
    "model.diffusion_model.": "",  # the denoiser, whatever its name
    "first_stage_model.": VAE,
    "vae.": VAE,
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
    "text_encoders.": "text_encoder",
}
_SHARD = re.compile(r"-\d{5}-of-\d{5}")


@dataclass(frozen=True, slots=True)
class Component:
    """The weights of one part of a model, in bytes.

    Attributes:
        size: all of them.
        streamed: the most that is on the device at once when the next part comes while one
            computes; parts are the blocks of `IN_BLOCKS`, of others the layers.
        tensor: the largest single one.
    """

    size: int
    streamed: int
    tensor: int


def of_model(
    path: Path,
    dtype: str,
    places: Mapping[str, Path],
    *,
    quantization: str | None = None,
) -> dict[str, Component]:
    """The components that have weights.

    Args:
        path: a folder in the layout of diffusers, or a single file.
        dtype: torch's name of the type that the weights will be loaded as. Integers, as
            quantized weights are, stay what they are.
        places: what `locate` says.
        quantization: how the denoiser and large encoders will be held, a key of `QUANTIZED`.

    Raises:
        ValueError: a file is no safetensors file.
        OSError: a file cannot be read.
    """
    number = DTYPES[dtype]
    parts = {name: _tensors(place, number) for name, place in places.items()}
    if path.is_file():
        parts.update(_of_checkpoint(path, number, denoiser_of(places)))
    if quantization is not None:
        share = QUANTIZED[quantization] / number
        parts = {name: _quantized(name, sizes, share, number) for name, sizes in parts.items()}
    return {name: _component(sizes, name == IN_BLOCKS) for name, sizes in parts.items() if sizes}


def locate(
    path: Path, components: Mapping[str, Path], config: Path | None = None
) -> dict[str, Path]:
    """Where each component lies that has a folder or file of its own.

    Args:
        path: a folder in the layout of diffusers, or a single file.
        components: folders (of the component or of a whole pipeline) or files of the parts that do
            not come from `path`.
        config: the folder that gives the parts that a single file lacks.
    """
    folder = path if path.is_dir() else config
    given = {name: part_of(place, name) for name, place in components.items()}
    return {**(_parts(folder) if folder else {}), **given}


def part_of(place: Path, name: str) -> Path:
    """Where a part lies in a place that is given for it: a folder or file of its own, or a whole
    pipeline."""
    return place / name if (place / name).is_dir() else place


def denoiser_of(places: Mapping[str, Path]) -> str:
    """The name of the component that is run at each step."""
    return next((name for name in DENOISERS if name in places), IN_BLOCKS)


def weight_files(folder: Path, variant: str | None = None) -> list[Path]:
    """The files of a component's folder that are loaded: those of the variant if there are, else
    the plain set of shards, else whatever variant there is."""
    sets: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        sets.setdefault(_SHARD.sub("", file.name), []).append(file)
    wanted = f".{variant}."
    return (
        sets[min(sets, key=lambda name: (wanted not in name, name.count("."), name))]
        if sets
        else []
    )


def _parts(folder: Path) -> dict[str, Path]:
    """The components' folders of a pipeline."""
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    return {
        name: folder / name
        for name, value in index.items()
        if isinstance(value, list) and (folder / name).is_dir()
    }


def _tensors(place: Path, number: int) -> dict[str, int]:
    """Bytes by tensor of a component's folder or file."""
    files = weight_files(place) if place.is_dir() else [place]
    return {name: size for file in files for name, size in _sizes(file, number).items()}


def _sizes(file: Path, number: int) -> dict[str, int]:
    """Bytes in memory by tensor."""
    if file.suffix.lower() == ".gguf":
        return _stored_sizes(file)
    return {
        name: prod(entry.shape) * number if _is_float(entry.dtype) else entry.end - entry.begin
        for name, entry in safetensors_header.entries(file).items()
    }


def _stored_sizes(file: Path) -> dict[str, int]:
    """Bytes by tensor of a GGUF file, whose weights stay as they are; one of all without `gguf`."""
    if quantization.missing_package("gguf"):
        return {file.name: file.stat().st_size}
    from gguf import GGUFReader

    return {tensor.name: int(tensor.n_bytes) for tensor in GGUFReader(file).tensors}


def _is_float(dtype: str) -> bool:
    return dtype.startswith(("F", "BF"))


def _component(tensors: Mapping[str, int], in_blocks: bool) -> Component:
    """A component's bytes; without blocks it is streamed tensor by tensor."""
    largest = max(tensors.values(), default=0)
    total = sum(tensors.values())
    streamed = min(total, _streamed(tensors) if in_blocks else 2 * largest)
    return Component(total, streamed, largest)


def _streamed(tensors: Mapping[str, int]) -> int:
    """Two blocks, the one that computes and the one that comes next, and all that is in none."""
    blocks: Counter[str] = Counter()
    for name, size in tensors.items():
        head, _, tail = name.partition(".")
        number = tail.partition(".")[0]
        blocks[f"{head}.{number}" if number.isdigit() else ""] += size
    loose = blocks.pop("", 0)
    return loose + 2 * max(blocks.values(), default=0)


def _of_checkpoint(file: Path, number: int, denoiser: str) -> dict[str, dict[str, int]]:
    """Bytes by component and tensor; what has no known prefix is the denoiser's."""
    parts: dict[str, dict[str, int]] = {}
    for key, size in _sizes(file, number).items():
        prefix = next((start for start in _PREFIXES if key.startswith(start)), "")
        name = _PREFIXES.get(prefix) or denoiser
        parts.setdefault(name, {})[key.removeprefix(prefix)] = size
    return parts


def _quantized(name: str, sizes: dict[str, int], share: float, number: int) -> dict[str, int]:
    """Bytes by tensor once the matrices, of large parts, are quantized; tables are not."""
    if name not in DENOISERS and sum(sizes.values()) < _LARGE * number:
        return sizes
    return {
        key: size if any(word in key for word in _TABLES) else round(size * share)
        for key, size in sizes.items()
    }
