"""Ways to hold a model's weights in fewer bits, and what each of them cannot do.

Imports no torch, so that a configuration or a request can be refused with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

#: Each way, and the optional package that does it; its extra has the package's name.
PACKAGES: Mapping[str, str] = {
    "nf4": "bitsandbytes",
    "int8": "bitsandbytes",
    "int8-torchao": "torchao",
    "fp8": "torchao",
    "gguf": "gguf",
}

#: The ways that can be asked for; a GGUF file is the only way to have the last of `PACKAGES`.
Quantization = Literal["nf4", "int8", "int8-torchao", "fp8"]
CHOICES: tuple[Quantization, ...] = get_args(Quantization)

#: Those that diffusers cannot do to a single file: it takes one for already quantized.
_OF_FOLDERS = tuple(way for way in CHOICES if PACKAGES[way] == "bitsandbytes")

#: The end of a source that is a file: of a path, or of an address or repository with more behind.
_SINGLE_FILE = re.compile(r".*\.(gguf|safetensors)(?:[@?].*)?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Quantizations that cannot go with an offload mode or a kind of device, and why not."""

    quantizations: tuple[str, ...]
    reason: str
    offload: str | None = None
    device: str | None = None

    def forbids(self, quantization: str, offload: str, device: str) -> bool:
        return (
            quantization in self.quantizations
            and self.offload in (None, offload)
            and self.device in (None, device.partition(":")[0])
        )


_RULES = (
    _Rule(("nf4", "int8"), "bitsandbytes computes on GPUs only", device="cpu"),
    _Rule(("fp8",), "Apple's GPUs have no 8-bit floating-point numbers", device="mps"),
    # bitsandbytes' issue 1525, diffusers' issue 14691.
    _Rule(("nf4",), "bitsandbytes would quantize the weights once more", offload="sequential"),
    _Rule(("gguf",), "the weights would forget how they are stored", offload="sequential"),
)


def refusal(quantization: str | None, *, offload: str = "none", device: str) -> str | None:
    """Why a quantization cannot be had, as a sentence; None: nothing speaks against it.

    Args:
        quantization: one of `CHOICES`, `gguf` for a file of that kind, or None.
        offload: the offload mode, `sequential` say, or `auto`.
        device: torch's name of the device, `cuda:0` say, or `auto`.
    """
    if quantization is None:
        return None
    if quantization not in PACKAGES:
        return f"There is no quantization `{quantization}`; there are {', '.join(CHOICES)}."
    for rule in _RULES:
        if rule.forbids(quantization, offload, device):
            against = f"offload `{rule.offload}`" if rule.offload else f"device `{device}`"
            return f"Quantization `{quantization}` does not go with {against}: {rule.reason}."
    return None


def misfit(source: str, quantization: str | None, *, offload: str, device: str) -> str | None:
    """Why a model cannot be held so, as a sentence; None: nothing that is known yet speaks against
    it.

    Args:
        source: where its weights are; a GGUF file is quantized by itself.
        quantization: one of `CHOICES` or None.
        offload: see `refusal`.
        device: see `refusal`.
    """
    kind = file_kind(source)
    if kind == "gguf" and quantization is not None:
        return "`source` is a GGUF file, which is quantized already: leave `quantization` out."
    if kind == "safetensors" and quantization in _OF_FOLDERS:
        return (
            f"Quantization `{quantization}` is for models in diffusers' layout, and `source` is a "
            "single file. Take another quantization, or a GGUF file."
        )
    return refusal(way_of(source, quantization), offload=offload, device=device)


def way_of(source: str, quantization: str | None) -> str | None:
    """How weights from a source are held: a GGUF file is quantized by itself."""
    return "gguf" if file_kind(source) == "gguf" else quantization


def file_kind(source: str) -> str | None:
    """`gguf` or `safetensors` where a source is such a file by its name, else None."""
    found = _SINGLE_FILE.fullmatch(source)
    return found[1].lower() if found else None


def missing_package(quantization: str) -> str | None:
    """What to install before a quantization of `PACKAGES` works, as a sentence; None: nothing."""
    package = PACKAGES[quantization]
    if find_spec(package) is not None:
        return None
    return (
        f"Quantization `{quantization}` needs the package {package}. "
        f"Install it with `pip install 'darkroom[{package}]'`."
    )
