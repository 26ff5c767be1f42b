"""Ways to hold a model's weights in fewer bits, and what each of them cannot do.

Imports no torch, so that a configuration or a request can be refused with the reason.
"""

from __future__ import annotations

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
        offload: the offload mode, `sequential` say.
        device: torch's name of the device, `cuda:0` say.
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


def missing_package(quantization: str) -> str | None:
    """What to install before a quantization of `PACKAGES` works, as a sentence; None: nothing."""
    package = PACKAGES[quantization]
    if find_spec(package) is not None:
        return None
    return (
        f"Quantization `{quantization}` needs the package {package}. "
        f"Install it with `pip install 'darkroom[{package}]'`."
    )
