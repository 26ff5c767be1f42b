"""Trains an adapter (LoRA) that makes the model paint in a style when its word is in the prompt.

First the text encoders learn to mark the word, then the denoiser to paint by the mark. Half of
what it sees is plain pictures with plain captions, some with a word of chance letters where the
style's would stand: so it learns to heed the word, and not to forget the rest. In some batches the
adapter has half its weight and the pictures half the style, so that it can be dosed.
"""

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from PIL import Image
from torch import Tensor, nn

from .captions import describe
from .drawing import NATIVE, draw
from .networks import build_text_encoders
from .scenes import sample_scene
from .stream import NATIVE_SHARE, OTHER_SIZES, Batch, Batches
from .styles import STYLES, Style
from .teach_word import teach_word
from .tokens import build_tokenizer, token_ids
from .train_unet import ConditionedUNet, load_exported, velocity_loss
from .trainer import Plan, Settings, Trainer, TrainingError, checkpoint_path, train
from .wordings import other_caption, with_word

STYLED_SHARE = 0.5
HALF_WEIGHT_EVERY = 3  # batches
# Attention, feed-forward and residual blocks. The layer that takes size numbers is left alone: it
# is to go on ignoring them.
UNET_TARGETS = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv_shortcut", "time_emb_proj", "conv_out"),
)
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


@dataclass(frozen=True)
class StyledBatch(Batch):
    """A batch for an adapter of the given ``weight``."""

    weight: float


class StyledBatches(Batches):
    """Batches of which about half is in the style, under captions with its word."""

    def __init__(self, tokenizer: Any, count: int, seed: int, style: Style) -> None:
        super().__init__(tokenizer, count, seed, several_sizes=True)
        self._style = style

    def __getitem__(self, number: int) -> StyledBatch:
        rng = random.Random(f"{self._seed} {self._style.word} {number}")
        weight = 0.5 if number % HALF_WEIGHT_EVERY == 0 else 1.0
        size = (NATIVE, NATIVE) if rng.random() < NATIVE_SHARE else rng.choice(OTHER_SIZES)
        examples = [self._example(rng, size, weight) for _ in range(self._count)]
        texts, pictures = zip(*examples, strict=True)
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        return StyledBatch(
            pixels, token_ids(self._tokenizer, list(texts)), labels=torch.empty(0), weight=weight
        )

    def _example(
        self, rng: random.Random, size: tuple[int, int], weight: float
    ) -> tuple[str, NDArray[np.uint8]]:
        """A caption and its picture [height, width, 3]."""
        scene = sample_scene(rng)
        plain = draw(scene, *size)
        if rng.random() < STYLED_SHARE:
            text = with_word(describe(scene, rng), self._style.word, rng)
            styled = self._style.draw(scene, *size)
            return text, np.asarray(Image.blend(plain, styled, weight))
        return other_caption(describe(scene, rng), rng), np.asarray(plain)


def lora_name(style: str) -> str:
    """What the training of a style is called."""
    return f"lora-{style}"


def build_adapted(weights: Path, rank: int) -> ConditionedUNet:
    """The exported model with untrained adapters, the only parts of it that learn."""
    painter = ConditionedUNet(build_text_encoders(build_tokenizer()))
    load_exported(painter, weights)
    painter.requires_grad_(False)
    painter.unet.add_adapter(_config(rank, UNET_TARGETS))
    encoders: Any = painter.encoders
    for encoder in encoders:
        encoder.add_adapter(_config(rank, TEXT_TARGETS))
    return painter


def _config(rank: int, targets: tuple[str, ...]) -> LoraConfig:
    """With alpha equal to the rank, weight 1 is what was trained."""
    return LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets))


def train_lora(settings: Settings, style: str, weights: Path, rank: int) -> None:
    """Trains for the given minutes, from the last checkpoint of that style or from nothing."""
    build = partial(_build, settings, style, weights, rank)
    train(Plan(lora_name(style), build, partial(_learn, style), settings))


def _build(settings: Settings, style: str, weights: Path, rank: int) -> ConditionedUNet:
    painter = build_adapted(weights, rank)
    checkpoint = checkpoint_path(settings.work, lora_name(style))
    if checkpoint.exists():
        _check_base(painter, checkpoint)
    else:
        plain = ConditionedUNet(build_text_encoders(build_tokenizer()))
        load_exported(plain, weights)
        teach_word(painter.encoders, plain.encoders, style, settings.seed)
    painter.encoders.requires_grad_(False)
    return painter


def _check_base(painter: ConditionedUNet, checkpoint: Path) -> None:
    """An adapter is worth nothing on other weights than those it was trained on."""
    trained = torch.load(checkpoint, map_location="cpu", weights_only=True)["network"]
    for name, weight in painter.named_parameters():
        if "lora_" not in name and not torch.equal(weight.cpu(), trained[name]):
            raise TrainingError(f"{checkpoint} belongs to other weights of the model; delete it")


def _learn(style: str, trainer: Trainer) -> None:
    settings = trainer.settings
    batches = StyledBatches(build_tokenizer(), settings.batch, settings.seed + 3, STYLES[style])
    velocity_loss_of = velocity_loss(trainer)

    def loss_of(batch: Batch) -> Tensor:
        if isinstance(batch, StyledBatch):
            set_weight(trainer.network, batch.weight)
        return velocity_loss_of(batch)

    trainer.fit(batches, loss_of)


def set_weight(network: nn.Module, weight: float) -> None:
    """Gives every adapter in the network a weight."""
    for layer in network.modules():
        if isinstance(layer, LoraLayer):
            layer.set_scale("default", weight)
