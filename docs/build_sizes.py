"""The memory that the published models take, from their architectures alone.

Each part is made at its real size on torch's meta device, where weights take no memory, and the
header of a file of its weights is written: the server's estimate reads nothing else of a file.

Sources of the sizes: the defaults of diffusers 0.42's classes and the configurations of the models'
repositories; the sums agree with what the models' cards say (a test compares them).
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from server.worker.estimate import Footprint, of_files

DTYPE = "bfloat16"


def _clip(cls: str, width: int, layers: int, heads: int) -> Any:
    config = transformers.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
    )
    return getattr(transformers, cls)(config)


def _t5() -> Any:
    sizes = {"d_model": 4096, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
    config = transformers.T5Config(**sizes, feed_forward_proj="gated-gelu")
    return transformers.T5EncoderModel(config)


def _qwen(width: int, inner: int, *, tied: bool) -> Any:
    config = transformers.Qwen3Config(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        tie_word_embeddings=tied,
    )
    return transformers.Qwen3ForCausalLM(config)


def _autoencoder(channels: int, **more: Any) -> Any:
    return diffusers.AutoencoderKL(
        latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        **more,
    )


def _unet() -> Any:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=[1, 2, 10],
        attention_head_dim=[5, 10, 20],
        cross_attention_dim=2048,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
        use_linear_projection=True,
    )


def _klein(layers: int, single: int, heads: int, text: int) -> Any:
    return diffusers.Flux2Transformer2DModel(
        num_layers=layers,
        num_single_layers=single,
        num_attention_heads=heads,
        joint_attention_dim=text,
        guidance_embeds=False,
    )


def _sd3(layers: int, positions: int, dual: int = 0) -> Any:
    return diffusers.SD3Transformer2DModel(
        num_layers=layers,
        num_attention_heads=layers,
        caption_projection_dim=64 * layers,
        attention_head_dim=64,
        joint_attention_dim=4096,
        pooled_projection_dim=2048,
        pos_embed_max_size=positions,
        qk_norm="rms_norm",
        dual_attention_layers=tuple(range(dual)),
    )


#: How each part is made.
PARTS: Mapping[str, Callable[[], Any]] = {
    "clip-l": partial(_clip, "CLIPTextModel", 768, 12, 12),
    "clip-l-projected": partial(_clip, "CLIPTextModelWithProjection", 768, 12, 12),
    "clip-g": partial(_clip, "CLIPTextModelWithProjection", 1280, 32, 20),
    "t5": _t5,
    "qwen3-4b": partial(_qwen, 2560, 9728, tied=True),
    "qwen3-8b": partial(_qwen, 4096, 12288, tied=False),
    "vae-4": partial(_autoencoder, 4),
    "vae-16": partial(_autoencoder, 16, use_quant_conv=False, use_post_quant_conv=False),
    "vae-32": diffusers.AutoencoderKLFlux2,
    "sdxl": _unet,
    "flux-dev": partial(diffusers.FluxTransformer2DModel, guidance_embeds=True),
    "flux-schnell": partial(diffusers.FluxTransformer2DModel, guidance_embeds=False),
    "chroma": diffusers.ChromaTransformer2DModel,
    "z-image": diffusers.ZImageTransformer2DModel,
    "klein-4b": partial(_klein, 5, 20, 24, 7680),
    "klein-9b": partial(_klein, 8, 24, 32, 12288),
    "sd-3.5-large": partial(_sd3, 38, 192),
    "sd-3.5-medium": partial(_sd3, 24, 384, 13),
}

_OF_FLUX = {"text_encoder": "clip-l", "text_encoder_2": "t5", "vae": "vae-16"}
_OF_SD3 = {
    "text_encoder": "clip-l-projected",
    "text_encoder_2": "clip-g",
    "text_encoder_3": "t5",
    "vae": "vae-16",
}
_SDXL = {"text_encoder": "clip-l", "text_encoder_2": "clip-g", "unet": "sdxl", "vae": "vae-4"}
_FLUX_DEV = {**_OF_FLUX, "transformer": "flux-dev"}
_CHROMA = {"text_encoder": "t5", "transformer": "chroma", "vae": "vae-16"}
_SD3_LARGE = {**_OF_SD3, "transformer": "sd-3.5-large"}

#: The parts of each model, by its card's id.
MODELS: Mapping[str, Mapping[str, str]] = {
    "sdxl-base": _SDXL,
    "illustrious-xl": _SDXL,
    "flux-dev": _FLUX_DEV,
    "flux-schnell": {**_OF_FLUX, "transformer": "flux-schnell"},
    "flux-krea-dev": _FLUX_DEV,
    "flux-abliterated": _FLUX_DEV,
    "chroma-hd": _CHROMA,
    "chroma-base": _CHROMA,
    "chroma-flash": _CHROMA,
    "z-image-turbo": {"text_encoder": "qwen3-4b", "transformer": "z-image", "vae": "vae-16"},
    "flux-2-klein-4b": {"text_encoder": "qwen3-4b", "transformer": "klein-4b", "vae": "vae-32"},
    "flux-2-klein-9b": {"text_encoder": "qwen3-8b", "transformer": "klein-9b", "vae": "vae-32"},
    "sd-3.5-large": _SD3_LARGE,
    "sd-3.5-medium": {**_OF_SD3, "transformer": "sd-3.5-medium"},
    "sd-3.5-large-turbo": _SD3_LARGE,
}


@cache
def footprint(model: str, quantization: str | None = None) -> Footprint:
    """What the server would say of a model's files, in `DTYPE`.

    Args:
        model: a card's id.
        quantization: a way of `server.worker.components.QUANTIZED`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = MODELS[model]
        index = {part: ["a library", "a class"] for part in parts}
        (folder / "model_index.json").write_text(json.dumps(index))
        for part, kind in parts.items():
            (folder / part).mkdir()
            config, header = _described(kind)
            (folder / part / "config.json").write_text(config)
            (folder / part / "model.safetensors").write_bytes(header)
        return of_files(folder, DTYPE, quantization=quantization)


@cache
def _described(part: str) -> tuple[str, bytes]:
    """A part's configuration, and how a file of its weights begins."""
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")  # what the libraries deprecate of their own
        module = PARTS[part]()
    tensors = dict(module.named_parameters())  # shared ones once, as files have them
    kept = module.state_dict()
    tensors |= {name: buffer for name, buffer in module.named_buffers() if name in kept}
    entries = {
        name: {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [0, 0]}
        for name, tensor in tensors.items()
    }
    header = json.dumps(entries).encode()
    own = module.config
    config = own.to_json_string() if hasattr(own, "to_json_string") else module.to_json_string()
    return config, len(header).to_bytes(8, "little") + header
