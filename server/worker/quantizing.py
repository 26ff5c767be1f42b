"""Quantizes what is loaded: by the libraries' own configurations, or afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from torch import nn

from server import quantization
from server.errors import ModelLoadFailed
from server.plugins.types import LoadContext
from server.quantization import PACKAGES
from server.worker.architecture import Architecture
from server.worker.tensor_files import is_gguf


def configurations(architecture: Architecture, context: LoadContext) -> dict[str, Any]:
    """How to quantize each part that is to be, by the pipeline's names; none if none is.

    Raises:
        ModelLoadFailed: the device cannot, or a package is missing.
    """
    way = context.quantization
    if way is None:
        return {}
    check(way, context.device)
    dtype = getattr(torch, context.dtype)
    encoders = {name: _made(transformers, way, dtype) for name in architecture.large_encoders}
    return {architecture.part: _made(diffusers, way, dtype), **encoders}


def check(way: str, device: str) -> None:
    """Refuse a quantization that this device or this environment does not have.

    Raises:
        ModelLoadFailed: with the reason.
    """
    reason = quantization.refusal(way, device=device) or quantization.missing_package(way)
    if reason is not None:
        raise ModelLoadFailed(reason)


def check_file(way: str | None, path: Path) -> None:
    """Refuse to quantize a single file that cannot be.

    Raises:
        ModelLoadFailed: with the reason.
    """
    if way is None:
        return
    if is_gguf(path):
        raise ModelLoadFailed(f"{path.name} is quantized already. Leave the quantization out.")
    if PACKAGES[way] == "bitsandbytes":
        # diffusers takes such a file for one that bitsandbytes has written.
        raise ModelLoadFailed(
            f"Quantization `{way}` is for models in diffusers' layout, and {path.name} is a single "
            "file. Take another quantization, or a GGUF file."
        )


def quantize(model: nn.Module, way: str) -> None:
    """Quantize a model from a single file, in place, by a way of torchao.

    What diffusers loads from single files it takes for quantized already.
    """
    from torchao.quantization import quantize_

    quantize_(model, _torchao_scheme(way))


def gguf_configuration(dtype: torch.dtype) -> dict[str, Any]:
    """The argument that makes diffusers compute with a GGUF file's tensors in a type."""
    return {"quantization_config": diffusers.GGUFQuantizationConfig(compute_dtype=dtype)}


def dequantize_besides_linear(model: nn.Module, dtype: torch.dtype) -> None:
    """Give a model from a GGUF file plain numbers wherever it would take blocks for numbers."""
    from diffusers.quantizers.gguf.utils import GGUFParameter, dequantize_gguf_tensor

    for module in model.modules():
        if isinstance(module, nn.Linear):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(parameter, GGUFParameter):
                values = dequantize_gguf_tensor(parameter).to(dtype)
                setattr(module, name, nn.Parameter(values, requires_grad=False))


def stored_bytes(tensor: torch.Tensor) -> int:
    """Bytes that a tensor takes; one of torchao's tells those of what it stands for."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return tensor.nbytes
    names, _ = tensor.__tensor_flatten__()
    return sum(stored_bytes(getattr(tensor, name)) for name in names)


def _made(library: Any, way: str, dtype: torch.dtype) -> Any:
    """The configuration of `diffusers` or of `transformers`, which do not take each other's."""
    if way == "nf4":
        return library.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    if way == "int8":
        return library.BitsAndBytesConfig(load_in_8bit=True)
    return library.TorchAoConfig(_torchao_scheme(way))


def _torchao_scheme(way: str) -> Any:
    from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig

    return Int8WeightOnlyConfig() if way == "int8-torchao" else Float8WeightOnlyConfig()
