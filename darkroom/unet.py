"""The modules of `UNet2DConditionModel`, by the names of diffusers and of its authors.

Sources: the class in diffusers 0.42.1; `openaimodel.py` of CompVis/latent-diffusion and of
Stability-AI/generative-models, whose names kohya's files and ComfyUI's have for SDXL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.lora_names import LoraNames, each

#: The layers of an attention block, which have the same names everywhere.
_ATTENTION = (
    "proj_in",
    "proj_out",
    *(
        f"transformer_blocks.{{}}.{attention}.{layer}"
        for attention in ("attn1", "attn2")
        for layer in ("to_q", "to_k", "to_v", "to_out.0")
    ),
    "transformer_blocks.{}.ff.net.0.proj",
    "transformer_blocks.{}.ff.net.2",
)

#: The authors' layers of a residual block, and diffusers'.
_RESIDUAL = {
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}

#: The rest, outside of the levels.
_ENDS = {
    "input_blocks.0.0": "conv_in",
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.2": "conv_out",
}

_MIDDLE = {
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}


@dataclass(frozen=True, slots=True)
class UNet:
    """The build of a UNet.

    Attributes:
        down: for each level on the way down, whether it has attention.
        up: the same on the way up.
        layers: residual blocks of each level on the way down; there is one more on the way up.
    """

    down: tuple[bool, ...]
    up: tuple[bool, ...]
    layers: int

    def names(self, text_encoders: Mapping[str, str]) -> LoraNames:
        """The names of its modules.

        Args:
            text_encoders: see `LoraNames`.
        """
        blocks = {**dict(self._way_down()), **_MIDDLE, **dict(self._way_up())}
        attentions = {theirs: ours for theirs, ours in blocks.items() if ".attentions." in ours}
        residual = {theirs: ours for theirs, ours in blocks.items() if ".resnets." in ours}
        scaling = {theirs: ours for theirs, ours in blocks.items() if "samplers." in ours}
        others = {
            **_ENDS,
            **each(residual, _RESIDUAL),
            **each(attentions, _ATTENTION),
            **scaling,
        }
        return LoraNames(own=tuple(others.values()), others=others, text_encoders=text_encoders)

    def _way_down(self) -> Iterator[tuple[str, str]]:
        """The authors' names of blocks, and diffusers'."""
        place = 1
        for level, attended in enumerate(self.down):
            for layer in range(self.layers):
                yield f"input_blocks.{place}.0", f"down_blocks.{level}.resnets.{layer}"
                if attended:
                    yield f"input_blocks.{place}.1", f"down_blocks.{level}.attentions.{layer}"
                place += 1
            if level < len(self.down) - 1:
                yield f"input_blocks.{place}.0.op", f"down_blocks.{level}.downsamplers.0.conv"
                place += 1

    def _way_up(self) -> Iterator[tuple[str, str]]:
        place = 0
        for level, attended in enumerate(self.up):
            for layer in range(self.layers + 1):
                yield f"output_blocks.{place}.0", f"up_blocks.{level}.resnets.{layer}"
                if attended:
                    yield f"output_blocks.{place}.1", f"up_blocks.{level}.attentions.{layer}"
                place += 1
            if level < len(self.up) - 1:
                behind = f"output_blocks.{place - 1}.{1 + attended}.conv"
                yield behind, f"up_blocks.{level}.upsamplers.0.conv"
