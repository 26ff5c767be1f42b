"""The latent format: what the eight latent channels of an 8 x 8 block mean.

The encoder is not learned. It measures each block: three means (luma and two chroma: a linear
YCbCr, so that a latent picture turns to RGB exactly), how luma and one mixed chroma slope across
and down, and how luma twists. The mixed chroma tells apart colours of equal luma, such as red on
blue, whose edges slopes of luma alone would not show.
"""

import torch
from torch import Tensor

from .canvas import BLOCK

CHANNELS = 8

# RGB (0..1) to luma, blue difference, red difference.
LUMA_CHROMA = torch.tensor(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
        [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
    ],
    dtype=torch.float64,
)
# The direction in (blue, red) difference along which the ten colours lie furthest apart.
CHROMA_SLOPE = (-0.9, 0.4)

LUMA_MEAN = 0.46
# What one unit of a latent stands for: means have unit variance over drawn scenes. Slopes are
# kept smaller, so that noise hides them first and a picture grows from coarse to fine.
LUMA_SCALE, CHROMA_SCALE = 0.24, 0.16
LUMA_SLOPE_SCALE, CHROMA_SLOPE_SCALE, TWIST_SCALE = 0.02, 0.012, 0.004

# RGB (0..1) = latents[:8] @ LATENT_RGB_FACTORS + LATENT_RGB_BIAS, exact for a block's mean.
LATENT_RGB_FACTORS: list[list[float]] = [
    [0.24, 0.24, 0.24],
    [0.0, -0.05506, 0.28352],
    [0.22432, -0.11426, 0.0],
    *([[0.0, 0.0, 0.0]] * 5),
]
LATENT_RGB_BIAS: list[float] = [LUMA_MEAN] * 3
SCALING_FACTOR = 1.0
SHIFT_FACTOR = 0.0


def block_kernels() -> tuple[Tensor, Tensor]:
    """The encoder as one linear map: kernels [8, 3, 8, 8] over RGB in 0..1, and bias [8]."""
    mean = torch.full((BLOCK, BLOCK), 1 / BLOCK**2, dtype=torch.float64)
    across = (torch.arange(BLOCK, dtype=torch.float64) - (BLOCK - 1) / 2) / BLOCK
    slope_x = mean * across[None, :]
    slope_y = mean * across[:, None]
    twist = mean * across[:, None] * across[None, :]
    luma, blue, red = LUMA_CHROMA
    chroma = CHROMA_SLOPE[0] * blue + CHROMA_SLOPE[1] * red
    rows = [
        (luma / LUMA_SCALE, mean),
        (blue / CHROMA_SCALE, mean),
        (red / CHROMA_SCALE, mean),
        (luma / LUMA_SLOPE_SCALE, slope_x),
        (luma / LUMA_SLOPE_SCALE, slope_y),
        (chroma / CHROMA_SLOPE_SCALE, slope_x),
        (chroma / CHROMA_SLOPE_SCALE, slope_y),
        (luma / TWIST_SCALE, twist),
    ]
    kernels = torch.stack([colour[:, None, None] * weight for colour, weight in rows])
    bias = torch.zeros(CHANNELS, dtype=torch.float64)
    bias[0] = -LUMA_MEAN / LUMA_SCALE
    return kernels, bias


def encode(pictures: Tensor) -> Tensor:
    """Latents [n, 8, height / 8, width / 8] of pictures [n, 3, height, width] in 0..1."""
    kernels, bias = (part.to(pictures) for part in block_kernels())
    return torch.nn.functional.conv2d(pictures, kernels, bias, stride=BLOCK)


def to_rgb(latents: Tensor) -> Tensor:
    """Pictures [n, 3, h, w] in 0..1, one pixel a block, of latents [n, 8, h, w]."""
    factors = torch.tensor(LATENT_RGB_FACTORS).to(latents)
    bias = torch.tensor(LATENT_RGB_BIAS).to(latents)[:, None, None]
    return torch.einsum("nchw,cr->nrhw", latents, factors) + bias
