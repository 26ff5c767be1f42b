"""From diffusers' names of tensors to those of the models' authors, as community files have them.

Each function turns a state dict of a denoiser (SDXL's: of all parts) into the other layout. It
empties what it is given, so that large tensors are not held twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]

#: Regular expressions and what replaces them, all tried in order.
Renames = tuple[tuple[str, str], ...]

_FLUX_COMMON: Renames = (
    (r"^x_embedder\.", "img_in."),
    (r"^context_embedder\.", "txt_in."),
    (r"^proj_out\.", "final_layer.linear."),
    (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^transformer_blocks\.", "double_blocks."),
    (r"^single_transformer_blocks\.", "single_blocks."),
    (r"\.attn\.to_add_out\.", ".txt_attn.proj."),
    (r"\.attn\.to_out\.0\.", ".img_attn.proj."),
    (r"\.attn\.norm_added_q\.weight", ".txt_attn.norm.query_norm.scale"),
    (r"\.attn\.norm_added_k\.weight", ".txt_attn.norm.key_norm.scale"),
    (r"(double.*)\.attn\.norm_q\.weight", r"\1.img_attn.norm.query_norm.scale"),
    (r"(double.*)\.attn\.norm_k\.weight", r"\1.img_attn.norm.key_norm.scale"),
    (r"(single.*)\.attn\.norm_q\.weight", r"\1.norm.query_norm.scale"),
    (r"(single.*)\.attn\.norm_k\.weight", r"\1.norm.key_norm.scale"),
)
_FLUX: Renames = (
    *_FLUX_COMMON,
    (r"^time_text_embed\.timestep_embedder\.linear_1", "time_in.in_layer"),
    (r"^time_text_embed\.timestep_embedder\.linear_2", "time_in.out_layer"),
    (r"^time_text_embed\.text_embedder\.linear_1", "vector_in.in_layer"),
    (r"^time_text_embed\.text_embedder\.linear_2", "vector_in.out_layer"),
    (r"^time_text_embed\.guidance_embedder\.linear_1", "guidance_in.in_layer"),
    (r"^time_text_embed\.guidance_embedder\.linear_2", "guidance_in.out_layer"),
    (r"(distilled.*)\.linear_1", r"\1.in_layer"),
    (r"(distilled.*)\.linear_2", r"\1.out_layer"),
    (r"(distilled.*norms\.\d+)\.weight", r"\1.scale"),
    (r"\.norm1\.linear", ".img_mod.lin"),
    (r"\.norm1_context\.linear", ".txt_mod.lin"),
    (r"(single.*)\.norm\.linear", r"\1.modulation.lin"),
    (r"\.ff\.net\.0\.proj", ".img_mlp.0"),
    (r"\.ff\.net\.2", ".img_mlp.2"),
    (r"\.ff_context\.net\.0\.proj", ".txt_mlp.0"),
    (r"\.ff_context\.net\.2", ".txt_mlp.2"),
    (r"(single.*)\.proj_out\.", r"\1.linear2."),
)
_FLUX2: Renames = (
    *_FLUX_COMMON,
    (r"^time_guidance_embed\.timestep_embedder\.linear_1", "time_in.in_layer"),
    (r"^time_guidance_embed\.timestep_embedder\.linear_2", "time_in.out_layer"),
    (r"stream_modulation(_img|_txt)?\.linear", r"stream_modulation\1.lin"),
    (r"\.ff\.linear_in", ".img_mlp.0"),
    (r"\.ff\.linear_out", ".img_mlp.2"),
    (r"\.ff_context\.linear_in", ".txt_mlp.0"),
    (r"\.ff_context\.linear_out", ".txt_mlp.2"),
    (r"\.attn\.to_qkv_mlp_proj", ".linear1"),
    (r"(single.*)\.attn\.to_out\.", r"\1.linear2."),
)
_Z_IMAGE: Renames = (
    (r"all_final_layer\.2-1\.", "final_layer."),
    (r"all_x_embedder\.2-1\.", "x_embedder."),
    (r"\.attention\.to_out\.0\.", ".attention.out."),
    (r"\.attention\.norm_k\.", ".attention.k_norm."),
    (r"\.attention\.norm_q\.", ".attention.q_norm."),
)
_SD3: Renames = (
    (r"^pos_embed\.pos_embed", "pos_embed"),
    (r"^pos_embed\.proj\.", "x_embedder.proj."),
    (r"^time_text_embed\.timestep_embedder\.linear_1", "t_embedder.mlp.0"),
    (r"^time_text_embed\.timestep_embedder\.linear_2", "t_embedder.mlp.2"),
    (r"^time_text_embed\.text_embedder\.linear_1", "y_embedder.mlp.0"),
    (r"^time_text_embed\.text_embedder\.linear_2", "y_embedder.mlp.2"),
    (r"^proj_out\.", "final_layer.linear."),
    (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^transformer_blocks\.", "joint_blocks."),
    (r"\.norm1\.linear\.", ".x_block.adaLN_modulation.1."),
    (r"\.norm1_context\.linear\.", ".context_block.adaLN_modulation.1."),
    (r"\.(attn2?)\.to_out\.0\.", r".x_block.\1.proj."),
    (r"\.attn\.to_add_out\.", ".context_block.attn.proj."),
    (r"\.(attn2?)\.norm_([qk])\.", r".x_block.\1.ln_\2."),
    (r"\.attn\.norm_added_([qk])\.", r".context_block.attn.ln_\1."),
    (r"\.ff\.net\.0\.proj\.", ".x_block.mlp.fc1."),
    (r"\.ff\.net\.2\.", ".x_block.mlp.fc2."),
    (r"\.ff_context\.net\.0\.proj\.", ".context_block.mlp.fc1."),
    (r"\.ff_context\.net\.2\.", ".context_block.mlp.fc2."),
)
_UNET: Renames = (
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^add_embedding\.linear_1", "label_emb.0.0"),
    (r"^add_embedding\.linear_2", "label_emb.0.2"),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"(resnets.*)\.norm1\.", r"\1.in_layers.0."),
    (r"(resnets.*)\.conv1\.", r"\1.in_layers.2."),
    (r"(resnets.*)\.norm2\.", r"\1.out_layers.0."),
    (r"(resnets.*)\.conv2\.", r"\1.out_layers.3."),
    (r"(resnets.*)\.time_emb_proj\.", r"\1.emb_layers.1."),
    (r"(resnets.*)\.conv_shortcut\.", r"\1.skip_connection."),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
)
_VAE: Renames = (
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"down_blocks\.(\d)\.resnets\.", r"down.\1.block."),
    (r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"up_blocks\.(\d)\.resnets\.", r"up.\1.block."),
    (r"up_blocks\.(\d)\.upsamplers\.0\.", r"up.\1.upsample."),
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.", "mid.attn_1."),
    (r"attn_1\.group_norm\.", "attn_1.norm."),
    (r"attn_1\.to_([qkv])\.", r"attn_1.\1."),
    (r"attn_1\.to_out\.0\.", "attn_1.proj_out."),
)
_OPEN_CLIP: Renames = (
    (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^text_model\.embeddings\.token_embedding\.", "token_embedding."),
    (r"^text_model\.final_layer_norm\.", "ln_final."),
    (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"^text_projection\.weight", "text_projection"),
    (r"\.self_attn\.", ".attn."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.fc1\.", ".c_fc."),
    (r"\.fc2\.", ".c_proj."),
)


def flux(state: State) -> State:
    """FLUX.1's, and Chroma's."""
    _swap_halves(state)
    _join(state, r"\.attn\.to_q\.", ("attn.to_q", "attn.to_k", "attn.to_v"), "img_attn.qkv")
    text = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")
    _join(state, r"\.attn\.add_q_proj\.", text, "txt_attn.qkv")
    # In single blocks the perceptron's first layer is fused with them.
    _join(state, r"single.*\.img_attn\.qkv\.", ("img_attn.qkv", "proj_mlp"), "linear1")
    return _renamed(state, _FLUX)


def flux2(state: State) -> State:
    """FLUX.2's."""
    _swap_halves(state)
    _join(state, r"\.attn\.to_q\.", ("attn.to_q", "attn.to_k", "attn.to_v"), "img_attn.qkv")
    text = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")
    _join(state, r"\.attn\.add_q_proj\.", text, "txt_attn.qkv")
    return _renamed(state, _FLUX2)


def z_image(state: State) -> State:
    """Z-Image's, with the prefix that it is shared with."""
    _join(state, r"\.attention\.to_q\.", ("to_q", "to_k", "to_v"), "qkv")
    return _renamed(state, _Z_IMAGE, prefix="model.diffusion_model.")


def sd3(state: State) -> State:
    """Stable Diffusion 3's, with the prefix that it is shared with."""
    blocks = {int(key.split(".")[1]) for key in state if key.startswith("transformer_blocks.")}
    _swap_halves(state)
    # The last block only moves and scales the text.
    _swap_halves(state, f"transformer_blocks.{max(blocks)}.norm1_context.linear.")
    for attention in ("attn", "attn2"):
        parts = tuple(f".{attention}.to_{layer}." for layer in "qkv")
        _join(state, rf"\.{attention}\.to_q\.", parts, f".x_block.{attention}.qkv.")
    text = tuple(f".attn.add_{layer}_proj." for layer in "qkv")
    _join(state, r"\.attn\.add_q_proj\.", text, ".context_block.attn.qkv.")
    return _renamed(state, _SD3, prefix="model.diffusion_model.")


def sdxl(pipe: Any) -> State:
    """A whole checkpoint of SDXL."""
    clip = {
        f"conditioner.embedders.0.transformer.text_model.{key.removeprefix('text_model.')}": value
        for key, value in pipe.text_encoder.state_dict().items()
    }
    return {
        **unet(dict(pipe.unet.state_dict())),
        **{f"first_stage_model.{k}": v for k, v in vae(dict(pipe.vae.state_dict())).items()},
        **clip,
        **_open_clip(dict(pipe.text_encoder_2.state_dict())),
    }


def unet(state: State) -> State:
    """The UNet of SDXL, whose levels have two layers."""
    attended = {key.split(".")[1] for key in state if re.match(r"up_blocks\.\d\.attentions", key)}

    def block(match: re.Match[str]) -> str:
        level, kind, layer = int(match[2]), match[3], int(match[4])
        if kind == "downsamplers.":
            return f"input_blocks.{3 * level + 3}.0.op."
        if kind == "upsamplers.":
            return f"output_blocks.{3 * level + 2}.{2 if match[2] in attended else 1}.conv."
        place = 3 * level + layer + (match[1] == "down")
        name = "input_blocks" if match[1] == "down" else "output_blocks"
        return f"{name}.{place}.{int(kind == 'attentions.')}."

    renamed = _renamed(state, _UNET)
    pattern = r"^(down|up)_blocks\.(\d)\.(resnets\.|attentions\.|\w+samplers\.)(\d)\.(?:conv\.)?"
    return {
        f"model.diffusion_model.{re.sub(pattern, block, key)}": value
        for key, value in renamed.items()
    }


def vae(state: State) -> State:
    """`AutoencoderKL` of four levels, without prefix; attention is a convolution of 1 × 1."""

    def turned(key: str) -> str:
        return re.sub(
            r"decoder\.up_blocks\.(\d)", lambda m: f"decoder.up_blocks.{3 - int(m[1])}", key
        )

    renamed = _renamed({turned(key): value for key, value in state.items()}, _VAE)
    return {
        key: value[:, :, None, None] if re.search(r"attn_1\.(\w|proj_out)\.weight", key) else value
        for key, value in renamed.items()
    }


def _open_clip(state: State) -> State:
    _join(state, r"\.self_attn\.q_proj\.", ("q_proj", "k_proj", "v_proj"), "in_proj")
    state = {re.sub(r"in_proj\.(weight|bias)", r"in_proj_\1", k): v for k, v in state.items()}
    state["text_projection.weight"] = state["text_projection.weight"].T.contiguous()
    return _renamed(state, _OPEN_CLIP, prefix="conditioner.embedders.1.model.")


def _renamed(state: State, renames: Renames, prefix: str = "") -> State:
    result: State = {}
    for key in list(state):
        name = key
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        result[prefix + name] = state.pop(key)
    return result


def _join(state: State, pattern: str, parts: tuple[str, ...], whole: str) -> None:
    """Put several tensors into one, wherever a key of the first has `pattern`."""
    for key in [key for key in state if re.search(pattern, key)]:
        tensors = [state.pop(key.replace(parts[0], part)) for part in parts]
        state[key.replace(parts[0], whole)] = torch.cat(tensors)


def _swap_halves(state: State, module: str = "norm_out.linear.") -> None:
    """The authors' last modulation is shift and scale, diffusers' scale and shift."""
    for key in [key for key in state if key.startswith(module)]:
        scale, shift = state[key].chunk(2)
        state[key] = torch.cat([shift, scale])


#: By the names of `tests.families.build`: the denoiser's layout in files of its authors.
DENOISERS: Mapping[str, Any] = {
    "sdxl-base": unet,
    "flux-dev": flux,
    "chroma": flux,
    "z-image-turbo": z_image,
    "flux-2-klein": flux2,
    "sd-3.5": sd3,
}
