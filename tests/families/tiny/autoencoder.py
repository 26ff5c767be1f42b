"""Thin autoencoders of factor 8, with the latent space of their family."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2

from tests.families.tiny.weights import draw, normal

#: Four levels halve the size three times. The first runs at full size: it decides the time.
SHAPE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (4, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "sample_size": 1024,
}
#: An encoded picture is this sure of itself: the logarithm of the variance.
LOG_VARIANCE = -6.0


def kl(
    name: str, channels: int, scaling: float, shift: float | None = None, *, quant: bool = False
) -> AutoencoderKL:
    """AutoencoderKL; `scaling` and `shift` are those of its family's latents.

    Args:
        quant: with the two 1x1 convolutions around the latents, as SDXL's has.
    """
    model = AutoencoderKL(
        latent_channels=channels,
        scaling_factor=scaling,
        shift_factor=shift,
        use_quant_conv=quant,
        use_post_quant_conv=quant,
        **SHAPE,
    )
    return _scaled(draw(model, name), channels, scaling)


def kl_flux2(name: str) -> AutoencoderKLFlux2:
    """AutoencoderKLFlux2, whose latents are normalised by stored statistics instead."""
    channels = 32
    model = draw(AutoencoderKLFlux2(latent_channels=channels, **SHAPE), name)
    patch = 4 * channels
    model.bn.running_mean.copy_(0.2 * normal(f"{name}/bn.running_mean", (patch,)))
    model.bn.running_var.copy_(torch.exp(0.2 * normal(f"{name}/bn.running_var", (patch,))))
    return _scaled(model, channels, 1.0)


def _scaled(model: Any, channels: int, scaling: float) -> Any:
    """Make scaled latents of unit size, as the families' are."""
    with torch.no_grad():
        last = model.quant_conv or model.encoder.conv_out
        last.weight[:channels] /= scaling
        last.weight[channels:] *= 0.1
        last.bias[channels:] = LOG_VARIANCE
        model.decoder.conv_in.weight *= scaling
    return model
