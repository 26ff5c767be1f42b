"""Where a model's weights stay while images are made: a decision, without torch.

Every mode gives the same image. From the fastest to the one that takes the least of the device:

- `none`: all weights stay on the device.
- `model`: a component comes to the device when it is its turn, and goes again.
- `group`: the denoiser comes block by block, the encoders layer by layer; on a GPU the next part
  comes while one computes.
- `sequential`: everything comes layer by layer, one after the other.

Decoding in tiles does change the image a little: it is chosen only where no mode fits without.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, get_args

from server.model_entry import Offload
from server.worker.components import VAE
from server.worker.estimate import Estimate
from server.worker.memory import Memory

Mode = Literal["none", "model", "group", "sequential"]

#: From the fastest to the most saving.
MODES: tuple[Mode, ...] = get_args(Mode)

#: What stays free: for the libraries' kernels and handles, and for what fragmentation wastes, as a
#: share of the device's total. Both assumed.
RESERVE = 512 * 2**20
RESERVE_SHARE = 0.04

#: Devices whose memory is the host's, so that moving weights frees nothing.
SHARED = ("cpu", "mps")

_WHY: dict[Mode, str] = {
    "none": "all weights stay on the device",
    "model": "one component at a time is on the device",
    "group": "blocks of weights come to the device when they are needed",
    "sequential": "each layer comes to the device when it is needed",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """How to run a model.

    Attributes:
        mode: where its weights stay.
        vae_tiling: whether the autoencoder works tile by tile.
        vae_slicing: whether it decodes a batch image by image.
        needed_bytes: what is estimated to be needed on the device, without the reserve.
        fits: whether there is room for that.
        reason: a sentence for people.
    """

    mode: Mode
    vae_tiling: bool
    vae_slicing: bool
    needed_bytes: int
    fits: bool
    reason: str


#: As if there were memory without end.
ON_DEVICE = Decision(
    "none", vae_tiling=False, vae_slicing=False, needed_bytes=0, fits=True, reason=""
)


def decide(
    estimate: Estimate,
    device: str,
    memory: Memory,
    *,
    host_free: int,
    wish: Offload = "auto",
    without: Collection[Mode] = (),
    tiled: bool = False,
) -> Decision:
    """The fastest mode that fits, or the one that is wished for.

    Args:
        estimate: what the model needs.
        device: torch's name of the device.
        memory: the device's.
        host_free: free bytes of the machine's RAM; 0: unknown.
        wish: a mode is obeyed even if it does not fit, and then the reason says so. On the CPU
            weights always stay where they are.
        without: modes that `auto` must not choose, because the model's quantization forbids them.
        tiled: decode in tiles in any case.
    """
    kind = device.partition(":")[0]
    modes = _choices(kind, wish, without)
    usable = room(memory)
    mode, tiled = next(
        (
            (mode, tiles)
            for tiles in ((True,) if tiled else (False, True))
            for mode in modes
            if needed(estimate, mode, tiled=tiles) <= usable
        ),
        (modes[-1], tiled or _tiles_help(estimate, modes[-1])),
    )
    need = needed(estimate, mode, tiled=tiled)
    decision = Decision(mode, tiled, tiled, need, fits=need <= usable, reason="")
    reason = _reason(decision, usable) + _remark(mode, kind, estimate.weights, host_free)
    return replace(decision, reason=f"{reason[0].upper()}{reason[1:]}.")


def room(memory: Memory) -> int:
    """Bytes of a device's free memory that may be used."""
    return memory.free - RESERVE - round(memory.total * RESERVE_SHARE)


def next_lower(
    decision: Decision, device: str, without: Collection[Mode] = ()
) -> tuple[Mode, bool] | None:
    """The next mode that takes less of the device, and whether to decode in tiles; None: there is
    none.

    Args:
        decision: what did not do.
        device: torch's name of the device.
        without: modes that are out of the question.
    """
    modes = _choices(device.partition(":")[0], "auto", without)
    later = [mode for mode in modes if MODES.index(mode) > MODES.index(decision.mode)]
    if later:
        return later[0], decision.vae_tiling
    return None if decision.vae_tiling else (decision.mode, True)


def needed(estimate: Estimate, mode: Mode, *, tiled: bool) -> int:
    """Bytes that `mode` takes on the device at its worst moment."""
    parts = estimate.components
    vae = parts[VAE].size if VAE in parts else 0
    decode = estimate.tiled_decode if tiled else estimate.decode
    others = [part for name, part in parts.items() if name != VAE]
    match mode:
        case "none":
            return estimate.weights + max(estimate.activations, decode)
        case "model":
            largest = max((part.size for part in parts.values()), default=0)
            return max(largest + estimate.activations, vae + decode)
        case "group":
            largest = max((part.streamed for part in others), default=0)
        case "sequential":
            largest = max((part.tensor for part in others), default=0)
    # The autoencoder is small and stays.
    return vae + max(largest + estimate.activations, decode)


def _tiles_help(estimate: Estimate, mode: Mode) -> bool:
    return needed(estimate, mode, tiled=True) < needed(estimate, mode, tiled=False)


def _choices(kind: str, wish: Offload, without: Collection[Mode]) -> tuple[Mode, ...]:
    if kind == "cpu" or (kind in SHARED and wish == "auto"):
        return ("none",)
    return tuple(mode for mode in MODES if mode not in without) if wish == "auto" else (wish,)


def _reason(decision: Decision, room: int) -> str:
    need, usable = gib(decision.needed_bytes), gib(max(0, room))
    but = "" if decision.fits else ", but it may not fit"
    return f"{_WHY[decision.mode]}{but}: about {need} of {usable} usable is needed"


def _remark(mode: Mode, kind: str, weights: int, host_free: int) -> str:
    """What else matters: the machine's own memory."""
    if mode == "none":
        return "; moving weights would free nothing here" if kind in SHARED else ""
    if not 0 < host_free < weights:
        return ""
    return f"; the weights ({gib(weights)}) wait in RAM, where {gib(host_free)} is free: it swaps"


def gib(size: int) -> str:
    """A size for people: `11.3 GiB`."""
    return f"{size / 2**30:.1f} GiB"
