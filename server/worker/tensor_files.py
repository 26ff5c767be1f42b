"""Files of tensors: safetensors and GGUF. No other kind is opened, since a pickle runs code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from server import quantization
from server.errors import ModelLoadFailed

Shapes = dict[str, tuple[int, ...]]


def is_gguf(path: Path) -> bool:
    """Whether the file's name says GGUF."""
    return path.suffix.lower() == ".gguf"


def shapes(path: Path) -> Shapes:
    """The shapes of a file's tensors by name, from its header alone.

    Raises:
        ModelLoadFailed: it is not a file of tensors, or `gguf` is not installed.
    """
    if is_gguf(path):
        return _gguf_shapes(path)
    if path.suffix.lower() != ".safetensors":
        raise ModelLoadFailed(
            f"{path.name} is neither a .safetensors nor a .gguf file. Others are never opened: "
            "a pickle can run any code when it is loaded."
        )
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _broken(path, error) from error


def read(path: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """Some of a file's tensors.

    Args:
        path: a file that `shapes` has read.
        names: which tensors; each comes back under the name that stands beside it.
    """
    if is_gguf(path):
        from diffusers.models.model_loading_utils import load_gguf_checkpoint

        tensors = load_gguf_checkpoint(path, return_tensors=True)
        return {new: tensors[name] for name, new in names.items()}
    with safe_open(path, "pt") as file:
        return {new: file.get_tensor(name) for name, new in names.items()}


def _gguf_shapes(path: Path) -> Shapes:
    if missing := quantization.missing_package("gguf"):
        raise ModelLoadFailed(f"{path.name} is a GGUF file. {missing}")
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError) as error:
        raise _broken(path, error) from error
    # GGUF counts dimensions from the innermost.
    return {tensor.name: tuple(map(int, reversed(tensor.shape))) for tensor in reader.tensors}


def _broken(path: Path, error: Exception) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"{path.name} is damaged or not what its name says ({error}). Download it again."
    )
