"""Where the parts of one loaded pipeline are, and how they get elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from server.worker import placement
from server.worker.components import VAE
from server.worker.offload import Decision, Mode
from server.worker.quantizing import stored_bytes


class PlacedPipeline:
    """A pipeline of diffusers with its place; see `server.worker.residents.Placed`."""

    def __init__(self, pipe: Any) -> None:
        """
        Args:
            pipe: a `diffusers.DiffusionPipeline` that is not placed yet.
        """
        self._pipe = pipe
        self._mode: Mode | None = None
        self._vae_dtype = getattr(getattr(pipe, VAE, None), "dtype", None)
        self._parts = {
            id(part): sum(map(stored_bytes, (*part.parameters(), *part.buffers())))
            for part in self._modules()
        }

    def parts(self) -> dict[int, int]:
        """Bytes of its parts, by what identifies them."""
        return self._parts

    def bytes_on(self, device: str) -> int:
        """Bytes of those parts that are on a device just now."""
        there = (part for part in self._modules() if _is_on(part, torch.device(device)))
        return sum(self._parts.get(id(part), 0) for part in there)

    def place(self, decision: Decision, device: str) -> None:
        """Make it ready to run on a device, as decided."""
        if self._mode not in (None, decision.mode):
            self.park()
        is_there = self._mode is not None and (
            decision.mode != "none" or self.bytes_on(device) == sum(self._parts.values())
        )
        if is_there:
            tiles, slices = decision.vae_tiling, decision.vae_slicing
            placement.decode_in_parts(self._pipe, tiles=tiles, slices=slices)
            return
        try:
            placement.apply(self._pipe, decision, device)
        except BaseException:
            self.park()  # halfway is nowhere
            raise
        self._mode = decision.mode

    def park(self) -> None:
        """Bring its weights to RAM, free of hooks; `place` comes before it runs again."""
        placement.undo(self._pipe)
        self._pipe.to("cpu", silence_dtype_warnings=True)  # it waits there, and does not run
        self._mode = None

    def settle(self) -> None:
        """After a call that ended early, or was another pipeline's of the same parts: put back what
        diffusers puts back at the end of a call, and there only."""
        vae = getattr(self._pipe, VAE, None)
        if vae is not None and vae.dtype != self._vae_dtype:
            vae.to(self._vae_dtype)  # some are cast to float32 around decoding
        self._pipe.maybe_free_model_hooks()

    def close(self) -> None:
        """Leave no hooks on parts that other models have too."""
        if self._mode not in (None, "none"):
            placement.undo(self._pipe)
        self._pipe, self._mode = None, None

    def _modules(self) -> Iterator[torch.nn.Module]:
        for part in self._pipe.components.values():
            if isinstance(part, torch.nn.Module):
                yield part


def _is_on(part: torch.nn.Module, device: torch.device) -> bool:
    """Whether a part lies on a device; its tensors lie together, or nearly."""
    tensor = next(part.parameters(), None)
    if tensor is None or tensor.device.type != device.type:
        return False
    return device.index is None or tensor.device.index == device.index
