"""How much memory a model will take, from its files' headers; nothing is loaded.

Weights are counted exactly, but quantized ones roughly. Activations are a rough upper estimate:

    transformer: (image tokens + TEXT_TOKENS) x width x bytes per number x TRANSFORMER_WIDTHS
    UNet:        latent pixels x width x bytes per number x UNET_WIDTHS
    decoder:     pixels x width x bytes per number x DECODER_WIDTHS

where width is the hidden size (of a UNet or an autoencoder: of its first level) by the
component's `config.json`. The three factors were calibrated without a GPU, by running the modules
of diffusers at their real sizes on torch's meta device, at 1024 x 1024 and 2048 x 2048 pixels, and
taking the greatest sum of bytes of live tensors. Attention counts as fused (its scores are never
in memory). What kernels take as workspace is not in it; the factors leave room for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.worker.components import (
    DTYPES,
    QUANTIZED,
    VAE,
    Component,
    denoiser_of,
    locate,
    of_model,
)

#: Pixels along the edge of a latent pixel, and of a transformer's image token (a patch of 2 x 2).
LATENT = 8
TOKEN = 16

#: Text tokens beside the image's: the most that present models read.
TEXT_TOKENS = 512

#: How many numbers are alive at once, in widths. Calibrated, see above: transformers need up to
#: 26 and UNets 32 (both with guidance, a batch of two), decoders 6; a quarter is added for what was
#: not seen, and to decoders half, for the workspace of their convolutions. The additions are
#: assumed.
TRANSFORMER_WIDTHS = 33
UNET_WIDTHS = 40
DECODER_WIDTHS = 9

#: The width where no configuration tells it: the widest in common use. Assumed.
WIDTH = 4096
DECODER_WIDTH = 128

#: Edge in pixels of an autoencoder's tiles where its configuration does not tell it. Assumed.
TILE = 1024

#: Of weights of which only the size is known: the share of the largest component, and of that the
#: share of two of its blocks and of its largest tensor. Assumed; generous for the common models.
LARGEST_SHARE = 0.75
STREAMED_SHARE = 0.3
TENSOR_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Estimate:
    """The memory that making an image of some size takes, in bytes.

    Attributes:
        components: the weights by component.
        activations: what the denoiser needs besides its weights.
        decode: what the autoencoder needs besides its weights.
        tiled_decode: the same when it works tile by tile.
    """

    components: Mapping[str, Component]
    activations: int
    decode: int
    tiled_decode: int

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return sum(component.size for component in self.components.values())


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model's files tell about its memory, for images of every size.

    `pixel` and `constant` are bytes of the denoiser's activations per pixel of the image and
    besides; `decode_pixel` those of the autoencoder; `tile` is the edge of its tiles in pixels.
    """

    components: Mapping[str, Component]
    pixel: float
    constant: float
    decode_pixel: float
    tile: int

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return sum(component.size for component in self.components.values())

    def at(self, width: int, height: int) -> Estimate:
        """The estimate for images of `width` x `height` pixels."""
        pixels = width * height
        # The finished image in float32 is held whole beside the tiles.
        tiled = min(pixels, self.tile**2) * self.decode_pixel + pixels * 3 * DTYPES["float32"]
        decode = pixels * self.decode_pixel
        return Estimate(
            components=self.components,
            activations=round(pixels * self.pixel + self.constant),
            decode=round(decode),
            tiled_decode=round(min(decode, tiled)),
        )


def footprint(
    components: Mapping[str, Component],
    dtype: str,
    denoiser: Mapping[str, Any],
    vae: Mapping[str, Any],
) -> Footprint:
    """The footprint of these components.

    Args:
        components: their weights, as they will be in memory.
        dtype: torch's name of the type to compute in.
        denoiser: the denoiser's configuration.
        vae: the autoencoder's.
    """
    number = DTYPES[dtype]
    levels = denoiser.get("block_out_channels")
    if levels:
        pixel, constant = levels[0] * number * UNET_WIDTHS / LATENT**2, 0.0
    else:
        token = _width(denoiser) * number * TRANSFORMER_WIDTHS
        pixel, constant = token / TOKEN**2, float(token * TEXT_TOKENS)
    width = (vae.get("block_out_channels") or [DECODER_WIDTH])[0]
    # Such an autoencoder overflows in float16, and pipelines decode in float32.
    upcast = dtype == "float16" and vae.get("force_upcast", False)
    precise = DTYPES["float32"] if upcast else number
    decode = float(width * precise * DECODER_WIDTHS)
    return Footprint(components, pixel, constant, decode, vae.get("sample_size", TILE))


def of_files(
    path: Path,
    dtype: str,
    components: Mapping[str, Path] | None = None,
    *,
    config: Path | None = None,
    quantization: str | None = None,
) -> Footprint:
    """The footprint of a model on this machine; the arguments are those of `LoadContext`.

    Args:
        path: a folder in the layout of diffusers, or a single file.
        dtype: torch's name of the type that the weights will be loaded as.
        components: folders or files of the parts that do not come from `path`.
        config: the folder that gives the parts that a single file lacks.
        quantization: how large parts will be held, a key of `components.QUANTIZED`.

    Raises:
        ValueError: a file is no safetensors file.
        OSError: a file cannot be read.
    """
    places = locate(path, components or {}, config)
    found = of_model(path, dtype, places, quantization=quantization)
    denoiser, vae = (
        _config(places[name]) if name in places else {} for name in (denoiser_of(places), VAE)
    )
    return footprint(found, dtype, denoiser, vae)


def of_size(size: int, dtype: str, quantization: str | None = None) -> Footprint:
    """A guess at the footprint of a model that is not on this machine, from the bytes that its
    card says loading reads: numbers of two bytes, as most are published. Of quantized ones only
    the largest component counts as such."""
    size = size * DTYPES[dtype] // 2
    largest = round(size * LARGEST_SHARE)
    rest = size - largest
    if quantization is not None:
        largest = round(largest * QUANTIZED[quantization] / DTYPES[dtype])
    streamed, tensor = round(largest * STREAMED_SHARE), round(largest * TENSOR_SHARE)
    guessed = {
        "largest": Component(largest, streamed, tensor),
        "rest": Component(rest, streamed, tensor),
    }
    return footprint(guessed, dtype, {}, {})


def _width(config: Mapping[str, Any]) -> int:
    """A transformer's hidden size by its configuration, under the names in use."""
    if "dim" in config:
        return int(config["dim"])
    heads, head = config.get("num_attention_heads"), config.get("attention_head_dim")
    return int(heads * head) if heads and head else WIDTH


def _config(place: Path) -> dict[str, Any]:
    try:
        text = (place / "config.json").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    config: dict[str, Any] = json.loads(text)
    return config
