"""Inpainting with models that were not made for it, in latents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor


class Blending:
    """Keeps what is outside a mask the initial image's, step by step of a denoising loop.

    After each step the latents there are the initial image's with as much noise as the next step
    expects, the same noise that the loop began with, and after the last step without any: blended
    latent diffusion (Avrahami et al., arXiv:2206.02779), the way diffusers' own pipelines for
    inpainting do it. The model so paints what fits to what is kept.
    """

    def __init__(
        self, mask: Image, pack: Callable[[Tensor], Tensor], scheduler: Any, *, from_noise: bool
    ) -> None:
        """
        Args:
            mask: of the size of the image to make; 255 is redrawn, 0 is kept.
            pack: from latents (1, channels, height, width) to those of the loop.
            scheduler: of a pipeline for image to image, before it is called; it is changed.
            from_noise: the loop begins with noise alone, whatever the initial image.
        """
        self._pixels = torch.from_numpy(np.asarray(mask, dtype=np.float32))[None, None] / 255
        self._pack = pack
        self._scheduler = scheduler
        self._from_noise = from_noise
        self._noised = self._watch()
        self._kept = self._noise = self._mask = torch.empty(0)

    def _begin(self, clean: Tensor, noise: Tensor) -> None:
        """Take the initial image's latents and the loop's noise, both before they are packed."""
        # A cell of the latents is redrawn if any of its pixels is.
        cells = torch.nn.functional.adaptive_max_pool2d(self._pixels, clean.shape[-2:])
        mask = torch.empty_like(clean).copy_(cells)  # in memory too: the order decides last bits
        self._kept, self._noise, self._mask = map(self._pack, (clean, noise, mask))

    def after_step(self, latents: Tensor, step: int, steps: int) -> Tensor:
        """The loop's latents after a step as the next one is to get them.

        Args:
            latents: what the scheduler made.
            step: from 0.
            steps: of the loop.
        """
        if step == steps - 1:
            return self.shown(latents)
        timestep = self._scheduler.timesteps[step + 1 - steps]
        noised = self._noised(self._kept, torch.tensor([timestep]), self._noise)
        return self._blend(latents, noised)

    def shown(self, clean: Tensor) -> Tensor:
        """Clean latents of the loop, what is kept in its place."""
        return self._blend(clean, self._kept)

    def _blend(self, redrawn: Tensor, kept: Tensor) -> Tensor:
        return (1 - self._mask) * kept + self._mask * redrawn

    def _watch(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See how the pipeline begins its loop: it adds noise to the initial image. Returns how: to
        clean latents, for a timestep, this noise."""
        scheduler = self._scheduler
        if hasattr(scheduler, "scale_noise"):  # of rectified flow
            scale_noise = scheduler.scale_noise

            def begin_flow(clean: Tensor, timestep: Tensor, noise: Tensor) -> Tensor:
                self._begin(clean, noise)
                noised: Tensor = scale_noise(clean, timestep, noise)
                return noised  # at the highest level the noise alone

            scheduler.scale_noise = begin_flow
            return scale_noise  # type: ignore[no-any-return]
        add_noise = scheduler.add_noise

        def begin(clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
            # Autoencoders leave an order of their own, and diffusers' pipeline for inpainting goes
            # on with the plain one.
            clean = clean.contiguous()
            self._begin(clean, noise)
            alone: Tensor = noise * scheduler.init_noise_sigma
            return alone if self._from_noise else add_noise(clean, noise, timestep)

        scheduler.add_noise = begin
        return lambda clean, timestep, noise: add_noise(clean, noise, timestep)
