"""What the published models' configurations have larger than the small pipelines of the tests.

Numbers of parameters, which `real_size.py` prints, are those of the published files.
"""

from __future__ import annotations

from typing import Any

_CLIP: dict[str, Any] = {"vocab_size": 49408}
_CLIP_L = {
    **_CLIP,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}
_CLIP_G = {
    **_CLIP,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
}
_T5_XXL = {
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
}
_QWEN3_4B = {
    "vocab_size": 151936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    # One for each layer; without the small model's list the class makes its own.
    "layer_types": None,
}
_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
_FLUX = {
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "axes_dims_rope": (16, 56, 56),
}

#: By the names of `tests.families.build`; of each component the words that differ.
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "sdxl-base": {
        "unet": {
            "block_out_channels": (320, 640, 1280),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "norm_num_groups": 32,
            "cross_attention_dim": 2048,
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        "text_encoder": _CLIP_L,
        "text_encoder_2": _CLIP_G,
        "vae": _VAE,
    },
    "flux-dev": {
        "transformer": {**_FLUX, "pooled_projection_dim": 768},
        "text_encoder": _CLIP_L,
        "text_encoder_2": _T5_XXL,
        "vae": _VAE,
    },
    "chroma": {
        "transformer": {
            **_FLUX,
            "approximator_num_channels": 64,
            "approximator_hidden_dim": 5120,
            "approximator_layers": 5,
        },
        "text_encoder": _T5_XXL,
        "vae": _VAE,
    },
    "z-image-turbo": {
        "transformer": {
            "dim": 3840,
            "n_layers": 30,
            "n_refiner_layers": 2,
            "n_heads": 30,
            "n_kv_heads": 30,
            "cap_feat_dim": 2560,
            "axes_dims": [32, 48, 48],
        },
        "text_encoder": _QWEN3_4B,
        "vae": _VAE,
    },
    "flux-2-klein": {
        "transformer": {
            "num_layers": 5,
            "num_single_layers": 20,
            "attention_head_dim": 128,
            "num_attention_heads": 24,
            "joint_attention_dim": 7680,
            "timestep_guidance_channels": 256,
            "axes_dims_rope": (32, 32, 32, 32),
        },
        "text_encoder": _QWEN3_4B,
        "vae": _VAE,
    },
    "sd-3.5": {
        "transformer": {
            "num_layers": 38,
            "attention_head_dim": 64,
            "num_attention_heads": 38,
            "joint_attention_dim": 4096,
            "caption_projection_dim": 2432,
            "pooled_projection_dim": 2048,
            "pos_embed_max_size": 192,
        },
        "text_encoder": _CLIP_L,
        "text_encoder_2": _CLIP_G,
        "text_encoder_3": _T5_XXL,
        "vae": _VAE,
    },
}

#: About how many gigabytes the weights take in bfloat16.
GIGABYTES = {
    "sdxl-base": 7,
    "flux-dev": 34,
    "chroma": 28,
    "z-image-turbo": 21,
    "flux-2-klein": 16,
    "sd-3.5": 28,
}
