"""Which device to compute on, and in which floating-point type."""

from __future__ import annotations

import gc
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from server.errors import ConfigurationError
from server.worker import memory

#: The accelerators that `auto` looks for, the best first.
ACCELERATORS = ("cuda", "xpu", "mps")


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the floating-point type that suits it, both by torch's names."""

    name: str
    dtype: str


def choose(wish: str) -> Device:
    """The device for the setting `device`.

    Raises:
        ConfigurationError: there is no such device on this machine.
    """
    if wish == "cpu":
        return Device("cpu", "float32")  # without torch, whose import takes seconds
    kind = next(iter(_present()), "cpu") if wish == "auto" else wish.partition(":")[0]
    if kind == "cpu":
        return Device("cpu", "float32")
    if kind not in _present():
        raise ConfigurationError(
            f"There is no device {wish!r} here; found: {', '.join([*_present(), 'cpu'])}. "
            "Set `device` to one of them or to `auto`."
        )
    return Device(kind if wish == "auto" else wish, _dtype(kind))


def release_memory() -> None:
    """Give memory that nothing refers to any more back to the device."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    for kind in ACCELERATORS:
        backend = getattr(torch, kind)
        if backend.is_available():
            backend.empty_cache()


def describe(wish: str) -> dict[str, Any]:
    """Versions, devices, what would be chosen, and memory, as JSON-compatible data.

    `memory` (of the chosen device) and `host` have the fields of `memory.Memory`.
    """
    report: dict[str, Any] = {
        package: _version(package) for package in ("torch", "diffusers", "transformers")
    }
    report["devices"] = [entry for kind in _present() for entry in _devices(kind)]
    try:
        device = choose(wish)
    except ConfigurationError as error:
        return {**report, "device": None, "dtype": None, "error": error.message}
    report["memory"] = asdict(memory.of_device(device.name))
    report["host"] = asdict(memory.of_host())
    return {**report, "device": device.name, "dtype": device.dtype, "error": None}


def _present() -> list[str]:
    import torch

    return [kind for kind in ACCELERATORS if getattr(torch, kind).is_available()]


def _dtype(kind: str) -> str:
    import torch

    if kind == "mps" or (kind == "cuda" and not _computes_bfloat16(torch)):
        return "float16"
    return "bfloat16"


def _computes_bfloat16(torch: Any) -> bool:
    """Whether an NVIDIA or AMD GPU has the type itself: emulated, it is slower than float16."""
    supported: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    return supported


def _devices(kind: str) -> list[dict[str, Any]]:
    import torch

    if kind == "mps":  # has no name of its own
        return [_entry("mps", "Apple GPU")]
    backend: Any = getattr(torch, kind)
    # AMD's cards answer to the name of NVIDIA's.
    suffix = " (ROCm)" if kind == "cuda" and torch.version.hip else ""
    return [
        _entry(f"{kind}:{number}", backend.get_device_name(number) + suffix)
        for number in range(backend.device_count())
    ]


def _entry(device: str, name: str) -> dict[str, Any]:
    found = memory.of_device(device)
    return {
        "device": device,
        "name": name,
        "memory_bytes": found.total,
        "free_bytes": found.free,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
