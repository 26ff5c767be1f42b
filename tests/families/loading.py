"""What the tests of loading share: files of weights, written and loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import gguf
import numpy as np
import torch
from accelerate import init_empty_weights
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from server.plugins.types import LoadContext
from server.worker.architecture import Architecture
from server.worker.loading import load_pretrained

#: The families' own words on their weights, by the small pipeline that stands in for them.
ARCHITECTURES: Mapping[str, Architecture] = {
    name: import_module(f"model_plugins.{family}.pipeline").ARCHITECTURE
    for name, family in {
        "sdxl-base": "sdxl",
        "flux-dev": "flux",
        "chroma": "chroma",
        "z-image-turbo": "z_image",
        "flux-2-klein": "flux2",
        "sd-3.5": "sd3",
    }.items()
}

FLAT = "diffusion_pytorch_model.safetensors"


def modules(pipe: Any) -> dict[str, nn.Module]:
    return {k: v for k, v in pipe.components.items() if isinstance(v, nn.Module)}


def load(name: str, path: Path, **context: Any) -> Any:
    dtype = context.pop("dtype", "float32")
    return load_pretrained(ARCHITECTURES[name], LoadContext(path, "cpu", dtype, **context))


def denoiser(tiny: Callable[[str], Path], name: str) -> dict[str, Tensor]:
    """The tensors of a small pipeline's denoiser, by diffusers' names."""
    return load_file(tiny(name) / ARCHITECTURES[name].part / FLAT)


def save(tensors: dict[str, Tensor], path: Path) -> Path:
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


def reconfigured(name: str, folder: Path, change: Mapping[str, Any]) -> nn.Module:
    """Change the configuration of a folder's denoiser; the model it describes, without memory."""
    cls = getattr(diffusers, ARCHITECTURES[name].denoiser)
    with init_empty_weights():
        model: nn.Module = cls.from_config(
            {**cls.load_config(str(folder / "transformer")), **change}
        )
    model.save_config(folder / "transformer")
    return model


def write_gguf(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Write a file whose matrices have 8-bit blocks; what its tensors then are."""
    writer, stored = gguf.GGUFWriter(path, "any"), {}
    for key, tensor in tensors.items():
        values = tensor.numpy().astype(np.float32)
        if values.ndim == 2 and values.shape[1] % 32 == 0:
            blocks = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(key, blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            # The scales have half precision, and diffusers computes in it.
            values = (
                gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType.Q8_0)
                .astype("f2")
                .astype("f4")
            )
        else:
            writer.add_tensor(key, values)
        stored[key] = torch.from_numpy(values.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored
