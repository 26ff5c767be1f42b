"""Sets the weights of the autoencoder's encoder by hand, so that it computes ``latents.encode``.

``AutoencoderTiny`` has no 8 x 8 stride, but three convolutions of stride 2. Each joins 2 x 2
blocks into one, carrying four moments (mean, slope across, slope down, twist) of three colour
axes. The moments of the joined block are linear in those of its four quarters.
"""

from typing import Any

import torch
from torch import Tensor

from .canvas import BLOCK
from .latents import CHANNELS, LUMA_CHROMA, block_kernels

MOMENTS = 4
CARRIED = 3 * MOMENTS


def set_encoder(layers: Any) -> None:
    """Fills the five convolutions of an encoder without residual blocks, and freezes them."""
    first, *joins, last = layers
    with torch.no_grad():
        first.weight.zero_()
        first.bias.zero_()
        first.weight[::MOMENTS, :, 1, 1] = LUMA_CHROMA.float()
        for depth, join in enumerate(joins):
            join.weight.copy_(_join(quarter=2**depth / BLOCK))
        last.weight.zero_()
        weight, bias = _readout()
        last.weight[:, :, 1, 1] = weight
        last.bias.copy_(bias)
    layers.requires_grad_(False)


def _join(quarter: float) -> Tensor:
    """Kernel [12, 12, 3, 3] joining four blocks, each ``quarter`` wide (1 = a latent's block)."""
    kernel = torch.zeros(CARRIED, CARRIED, 3, 3)
    for row, y in ((1, -quarter / 2), (2, quarter / 2)):
        for column, x in ((1, -quarter / 2), (2, quarter / 2)):
            step = torch.tensor(
                [[1, 0, 0, 0], [x, 1, 0, 0], [y, 0, 1, 0], [x * y, y, x, 1]], dtype=torch.float32
            )
            kernel[:, :, row, column] = torch.kron(torch.eye(3), step) / 4
    return kernel


def _readout() -> tuple[Tensor, Tensor]:
    """Weight [8, 12] and bias [8] that turn the carried moments into latents."""
    kernels, bias = block_kernels()
    across = (torch.arange(BLOCK, dtype=torch.float64) - (BLOCK - 1) / 2) / BLOCK
    one = torch.ones(BLOCK, dtype=torch.float64)
    patterns = torch.stack(
        [torch.outer(a, b) for a, b in ((one, one), (one, across), (across, one), (across, across))]
    )
    # Each pattern is orthogonal to the others: projecting a kernel on it gives its share.
    norms = patterns.square().mean((1, 2))
    to_axes = torch.linalg.inv(LUMA_CHROMA)
    shares = torch.einsum("crij,mij,ra->cam", kernels, patterns, to_axes) / norms
    return shares.reshape(CHANNELS, CARRIED).float(), bias.float()
